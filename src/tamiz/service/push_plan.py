"""Plan what a triage writes to the desk that its ticket comes from, in the transaction that saves the triage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tamiz.domain.desk import Desk, Value
from tamiz.domain.outbox import OPEN, Cause, Effect, EffectState, last_writers
from tamiz.domain.ports import Clock
from tamiz.domain.records import Job, Revision, TicketRecord
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import ABSTAIN, Taxonomy
from tamiz.domain.ticket import uuid7
from tamiz.domain.triage import Decision
from tamiz.service.accept import PUSH, Bits
from tamiz.service.weigh import lowers

SUPERSEDED = "a newer triage"
PUSH_LANE = 0


@dataclass(frozen=True)
class Seat:
    """A tenant's desk as pushes see it: the connector, the fields that it takes (None: every one), and the values that a
    field has where nobody chose one (the desk's defaults; an empty field needs no mention)."""

    desk: Desk
    fields: frozenset[str] | None = None
    free: Mapping[str, frozenset[str]] = field(default_factory=dict)


Seats = Callable[[str, str], Seat | None]
"""Tenant and name of a desk → its seat; None where there is no such connector."""

Taxonomies = Callable[[str], Taxonomy]
"""Tenant → its taxonomy at this moment."""


@dataclass(frozen=True)
class Planning:
    """The hook of `Triaging`: what a triage applies, and what differs from what we wrote before, becomes an effect and a
    job. What the desk itself shows by then is looked at when it is pushed."""

    seats: Seats
    taxonomies: Taxonomies
    clock: Clock
    bits: Bits

    def __call__(self, tx: Tx, record: TicketRecord, revision: Revision) -> None:
        """Plan this revision of a ticket. Nothing for a ticket that comes from no desk of ours, or was solved there
        before we knew it."""
        source, now = record.source, self.clock.now()
        ours = source.external_id and not source.past
        seat = self.seats(record.tenant, source.desk) if ours else None
        if seat is None:
            return
        effects = _superseded(tx, tx.outbox.of_ticket(record.tenant, record.id), now)
        values = self._wanted(tx, record, revision, seat, effects)
        if not values:
            return
        effect = Effect(
            record.tenant,
            record.id,
            f"triage:{revision.number}",
            source.desk,
            source.external_id,
            values,
            Cause.of(revision.triage.receipt, revision.number),
            now,
            now,
            now,
        )
        queue(tx, effect, self.bits)

    def _wanted(
        self, tx: Tx, record: TicketRecord, revision: Revision, seat: Seat, effects: Sequence[Effect]
    ) -> dict[str, Value]:
        """Applied values, without those that people corrected, that stand there already as far as we know, that would be
        less severe, or that a person had taken back from this model."""
        writers = last_writers(effects, {*OPEN, EffectState.DONE})
        corrected = tx.tickets.corrected(record.tenant, record.id)
        model, found = revision.triage.receipt.model_hash, dict[str, Value]()
        for f in self.taxonomies(record.tenant).choices:
            outcome = revision.triage.fields.get(f.name)
            if outcome is None or outcome.decision is not Decision.APPLY or outcome.value == ABSTAIN:
                continue
            if f.name in corrected or (seat.fields is not None and f.name not in seat.fields):
                continue
            last = writers.get(f.name)
            known = last.values[f.name] if last else None
            undone = last is not None and last.undoes and last.cause.is_model(model)
            if known != outcome.value and not undone and not lowers(f, known, outcome.value):
                found[f.name] = outcome.value
        return found


def plan_note(tx: Tx, record: TicketRecord, name: str, text: str, by: str, clock: Clock, bits: Bits) -> None:
    """Plan an internal note; `name` tells the ticket's notes apart. `text` is redacted already. DuplicateError."""
    now, source = clock.now(), record.source
    effect = Effect(
        record.tenant,
        record.id,
        f"note:{name}",
        source.desk,
        source.external_id,
        {},
        Cause(revision=record.revision, by=by),
        now,
        now,
        now,
        note=text,
    )
    queue(tx, effect, bits)


def queue(tx: Tx, effect: Effect, bits: Bits) -> None:
    """An effect and the job that pushes it. DuplicateError where the ticket has this effect."""
    tx.outbox.add(effect)
    tx.jobs.add(push_job(effect.tenant, effect.ticket_id, effect.due, effect.at, bits))


def push_job(tenant: str, ticket_id: str, due: datetime, at: datetime, bits: Bits) -> Job:
    """A job that looks at a ticket's open effects when it is due."""
    return Job(uuid7(at, bits(74)), tenant, PUSH, ticket_id, due, PUSH_LANE)


def _superseded(tx: Tx, effects: Sequence[Effect], now: datetime) -> list[Effect]:
    """A newer triage says all that an older one said: what is planned, and so surely not applied, is skipped."""
    found = []
    for effect in effects:
        stale = effect.state is EffectState.PLANNED and effect.values and not effect.undoes
        if stale:
            effect = replace(effect, state=EffectState.SKIPPED, reason=SUPERSEDED, changed_at=now)
            tx.outbox.put(effect)
        found.append(effect)
    return found
