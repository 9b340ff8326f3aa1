"""Push effects to desks: intent, call, confirmation, each committed before the next.

The way of one effect: read the desk's ticket, weigh what may be written, commit the intent with the version that was read,
call with compare-and-set, commit that it is done. Wherever the end of a call is unknown (a lost connection, a worker that
died) the effect stays intended until `quiescence` has passed, as a job that is due later; then the desk is read before
anything is written again. A result that comes after its lease or its effect has moved on is refused by the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from tamiz.domain.desk import Change, DeskError, DeskTicket, Outcome, Trouble, Value, digest_of
from tamiz.domain.errors import ConflictError, LeaseLostError
from tamiz.domain.outbox import Effect, EffectState, Pause, last_written
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Job, Lease
from tamiz.domain.storage import Store, Tx
from tamiz.service.push_end import ended, put_same
from tamiz.service.push_plan import Seat, Seats, Taxonomies, push_job
from tamiz.service.weigh import Ground, Weighed, weigh
from tamiz.service.work import WORKER

NO_SEAT = "there is no connector for this desk"
GONE = "the ticket is not there any more"
TOUCHED = "the ticket changed while nobody knew whether it had been written"
WORN = "it failed too often, at last with: "


@dataclass(frozen=True, slots=True)
class PushSettings:
    """Times are seconds. `quiescence` is longer than the desk ever takes to apply a request or to show a marker; a call
    begins within `call` after its intent, or not at all. The n-th wait is between half and all of base · 2ⁿ⁻¹, at most
    `cap`; after `tries` an effect is parked. `look` is how often the jobs of a desk look whether its pause is over, where
    nobody said when; `spread` how far they lie apart after a pause."""

    quiescence: float = 120.0
    call: float = 60.0
    tries: int = 12
    base: float = 5.0
    cap: float = 600.0
    look: float = 300.0
    spread: float = 10.0


@dataclass(frozen=True, slots=True)
class _View:
    """What the store says of a ticket when its job comes up."""

    effects: tuple[Effect, ...]
    corrected: Mapping[str, Value]
    pauses: tuple[Pause, ...]

    @property
    def first(self) -> Effect | None:
        """The oldest open effect: those of one ticket are pushed one after the other."""
        return next((effect for effect in self.effects if effect.open), None)


@dataclass(frozen=True)
class Pushing:
    """The handler of the jobs `push`."""

    store: Store
    seats: Seats
    taxonomies: Taxonomies
    clock: Clock
    random: Random
    settings: PushSettings = PushSettings()
    told: Callable[[Effect], None] = lambda effect: None
    paused: Callable[[Pause], None] = lambda pause: None

    def __call__(self, leases: Sequence[Lease]) -> None:
        """Take the ticket of each lease one step on. A lease that was lost meanwhile is passed over. Raises what the
        store or a broken connector raises; leases that are not completed then stay with the worker loop."""
        for lease in leases:
            try:
                self._step(lease)
            except LeaseLostError:
                continue  # somebody else has the job now

    def _step(self, lease: Lease) -> None:
        try:
            self._push(lease)
        except ConflictError:  # somebody else took the effect on, or a person corrected the ticket
            self._later(lease, self.clock.now())

    def _push(self, lease: Lease) -> None:
        view = self.store.read(lambda tx: _viewed(tx, lease))
        effect = view.first
        if effect is None:
            self.store.write(lambda tx: tx.jobs.finish(lease))
            return
        later = self._not_before(view, effect)
        if later is not None:
            self._later(lease, later)
            return
        seat = self.seats(effect.tenant, effect.desk)
        if seat is None:
            self._end(lease, effect, replace(effect, state=EffectState.PARKED, reason=NO_SEAT))
            return
        try:
            ticket = seat.desk.get(effect.external_id)
        except DeskError as error:
            self._unread(lease, effect, seat.desk.classify_error(error))
            return
        if effect.note:
            self._note(lease, effect, seat, ticket)
        else:
            self._values(lease, view, effect, seat, ticket)

    def _not_before(self, view: _View, effect: Effect) -> datetime | None:
        """The moment to come back at; None where the effect's time has come."""
        now = self.clock.now()
        for pause in view.pauses:
            if pause.desk == effect.desk and pause.holds(now):
                until = pause.until or now + timedelta(seconds=self.settings.look)
                return until + timedelta(seconds=self.random.uniform(0.0, self.settings.spread))
        return effect.due if effect.due > now else None

    # What is written

    def _note(self, lease: Lease, effect: Effect, seat: Seat, ticket: DeskTicket) -> None:
        if effect.key in ticket.markers:
            self._end(lease, effect, replace(effect, state=EffectState.DONE))
            return
        going = self._intent(effect, ticket, {}, "")
        self._call(
            lease,
            effect,
            going,
            seat,
            {},
            lambda: seat.desk.add_internal_note(effect.external_id, effect.note, effect.key),
        )

    def _values(self, lease: Lease, view: _View, effect: Effect, seat: Seat, ticket: DeskTicket) -> None:
        ground = Ground(self.taxonomies(effect.tenant), last_written(view.effects), view.corrected, seat.free)
        weighed = weigh(effect, ticket, ground)
        applied = weighed.there.intersection(effect.before)
        if applied or not weighed.write:
            self._end(lease, effect, _settled(effect, weighed, applied))
            return
        if effect.before and ticket.version != effect.expected:
            self._end(lease, effect, replace(effect, state=EffectState.PARKED, reason=TOUCHED))
            return
        leaves = digest_of(ticket, {**ticket.fields, **weighed.write})
        going = replace(self._intent(effect, ticket, weighed.before, leaves), reason=_told(weighed.left))
        change = Change(weighed.write, ticket.version, effect.key)
        self._call(
            lease,
            effect,
            going,
            seat,
            view.corrected,
            lambda: seat.desk.update(effect.external_id, change),
        )

    def _intent(self, effect: Effect, ticket: DeskTicket, before: Mapping[str, Value], leaves: str) -> Effect:
        now, s = self.clock.now(), self.settings
        return replace(
            effect,
            state=EffectState.INTENT,
            attempts=effect.attempts + 1,
            expected=ticket.version,
            before=before,
            leaves=leaves,
            due=now + timedelta(seconds=s.call + s.quiescence),
            changed_at=now,
        )

    def _call(
        self,
        lease: Lease,
        effect: Effect,
        going: Effect,
        seat: Seat,
        corrected: Mapping[str, Value],
        call: Callable[[], DeskTicket | None],
    ) -> None:
        """Commit the intent, call, commit what came of it."""
        if effect.attempts >= self.settings.tries:
            self._end(lease, effect, replace(effect, state=EffectState.PARKED, reason=WORN + effect.reason))
            return
        self.store.write(lambda tx: self._intend(tx, lease, effect, going, corrected))
        if self.clock.now() > going.changed_at + timedelta(seconds=self.settings.call):
            self._later(lease, going.due)  # too late to begin: from then on somebody may read the desk anew
            return
        try:
            ticket = call()
        except DeskError as error:
            self._unwritten(lease, going, seat.desk.classify_error(error))
            return
        leaves = ticket.digest if ticket is not None else going.leaves
        self._end(lease, going, replace(going, state=EffectState.DONE, leaves=leaves))

    def _intend(
        self, tx: Tx, lease: Lease, effect: Effect, going: Effect, corrected: Mapping[str, Value]
    ) -> None:
        put_same(tx, effect, going)
        if not going.note and tx.tickets.corrected(effect.tenant, effect.ticket_id) != dict(corrected):
            raise ConflictError(what=f"ticket '{effect.ticket_id}'", reason="a person corrected it")
        end = max(lease.expires, going.changed_at + timedelta(seconds=self.settings.call))
        if not tx.jobs.extend([lease], end):
            raise LeaseLostError(job=lease.job.id, epoch=lease.epoch)

    # What went wrong

    def _unread(self, lease: Lease, effect: Effect, outcome: Outcome) -> None:
        """The desk did not show the ticket: nothing is known that was not known before."""
        tried = replace(effect, attempts=effect.attempts + 1)
        self._failed(lease, effect, tried, outcome)

    def _unwritten(self, lease: Lease, going: Effect, outcome: Outcome) -> None:
        """The call for an intended effect failed. After a conflict the desk is read anew: a person's edit shows then, and
        any other change is no reason to give up."""
        now = self.clock.now()
        if outcome.trouble is Trouble.UNKNOWN:
            due = now + timedelta(seconds=self.settings.quiescence)
            self._move(lease, going, replace(going, due=due, changed_at=now, reason=outcome.reason))
            return
        back = replace(going, state=EffectState.PLANNED, before={}, leaves="", due=now)
        self._failed(lease, going, back, outcome)

    def _failed(self, lease: Lease, now_is: Effect, back: Effect, outcome: Outcome) -> None:
        """What follows a call that surely did nothing; to be tried again is what follows any trouble not named here."""
        match outcome.trouble:
            case Trouble.GONE:
                self._end(lease, now_is, replace(back, state=EffectState.SKIPPED, reason=GONE))
            case Trouble.INVALID:
                reason = f"the desk does not take it: {', '.join(outcome.fields) or outcome.reason}"
                self._end(lease, now_is, replace(back, state=EffectState.PARKED, reason=reason))
            case Trouble.AUTH:
                self._pause(lease, now_is, back, None, outcome)
            case Trouble.QUOTA:
                self._pause(lease, now_is, back, outcome.after or self.settings.look, outcome)
            case _ if outcome.after > 0.0:
                self._pause(lease, now_is, back, outcome.after, outcome)
            case _ if back.attempts >= self.settings.tries:
                worn = replace(back, state=EffectState.PARKED, reason=WORN + outcome.reason)
                self._end(lease, now_is, worn)
            case _:
                bound = min(self.settings.cap, self.settings.base * 2.0 ** min(back.attempts - 1, 64))
                wait = timedelta(seconds=bound * self.random.uniform(0.5, 1.0))
                self._move(lease, now_is, replace(back, due=self.clock.now() + wait, reason=outcome.reason))

    def _pause(
        self, lease: Lease, now_is: Effect, back: Effect, seconds: float | None, outcome: Outcome
    ) -> None:
        """Leave the whole desk alone. This was no try of the effect's own."""
        now = self.clock.now()
        until = None if seconds is None else now + timedelta(seconds=seconds)
        pause = Pause(back.tenant, back.desk, now, until, outcome.reason)
        kept = replace(back, attempts=back.attempts - 1)
        due = until or now + timedelta(seconds=self.settings.look)
        job = self._job(lease, due + timedelta(seconds=self.random.uniform(0.0, self.settings.spread)))

        def work(tx: Tx) -> bool:
            put_same(tx, now_is, replace(kept, changed_at=now))
            standing = {one.desk: one for one in tx.outbox.pauses(pause.tenant)}.get(pause.desk)
            new = standing is None or not standing.holds(now)
            if new:
                detail = {"reason": outcome.trouble.value}
                tx.audit.add(AuditEntry(pause.tenant, now, WORKER, "pause desk", pause.desk, detail))
            if new or (standing is not None and _longer(pause, standing)):
                tx.outbox.pause(pause)
            tx.jobs.finish(lease)
            tx.jobs.add(job)
            return new

        if self.store.write(work):
            self.paused(pause)
        self.told(kept)

    # What is committed

    def _later(self, lease: Lease, due: datetime) -> None:
        """The same work under a new job: to wait for a moment is no failure."""
        job = self._job(lease, due)

        def work(tx: Tx) -> None:
            tx.jobs.finish(lease)
            tx.jobs.add(job)

        self.store.write(work)

    def _move(self, lease: Lease, effect: Effect, then: Effect) -> None:
        """Another state of an open effect, and its next step when that is due."""
        job = self._job(lease, then.due)

        def work(tx: Tx) -> None:
            put_same(tx, effect, replace(then, changed_at=self.clock.now()))
            tx.jobs.finish(lease)
            tx.jobs.add(job)

        self.store.write(work)
        self.told(then)

    def _end(self, lease: Lease, effect: Effect, then: Effect) -> None:
        """The effect is done, skipped or parked; the ticket's next one may go."""
        now = self.clock.now()
        job = self._job(lease, now)

        def work(tx: Tx) -> None:
            put_same(tx, effect, replace(then, changed_at=now))
            ended(tx, then, now)
            tx.jobs.finish(lease)
            if any(one.open for one in tx.outbox.of_ticket(effect.tenant, effect.ticket_id)):
                tx.jobs.add(job)

        self.store.write(work)
        self.told(then)

    def _job(self, lease: Lease, due: datetime) -> Job:
        return push_job(lease.job.tenant, lease.job.subject, due, self.clock.now(), self.random.getrandbits)


def _viewed(tx: Tx, lease: Lease) -> _View:
    tenant, ticket_id = lease.job.tenant, lease.job.subject
    effects = tx.outbox.of_ticket(tenant, ticket_id)
    corrected = tx.tickets.corrected(tenant, ticket_id)
    return _View(tuple(effects), corrected, tuple(tx.outbox.pauses(tenant)))


def _settled(effect: Effect, weighed: Weighed, applied: frozenset[str]) -> Effect:
    """The end of an effect that has nothing left to write. A field that its attempt wrote and that has another value by
    now is a person's."""
    done = bool(applied) or not (weighed.left or weighed.write)
    before = {name: value for name, value in effect.before.items() if name in applied}
    others = dict.fromkeys(weighed.write, "a person set it back")
    return replace(
        effect,
        state=EffectState.DONE if done else EffectState.SKIPPED,
        before=before,
        leaves=effect.leaves if applied else "",
        reason=_told({**weighed.left, **others}),
    )


def _told(left: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in sorted(left.items()))


def _longer(pause: Pause, standing: Pause) -> bool:
    if standing.until is None:
        return False
    return pause.until is None or pause.until > standing.until
