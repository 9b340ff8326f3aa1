"""Who is believed: every correction is weighed when it is said, and an account whose words look like poison is held back.

The word of an account that is held back counts for its own ticket and for no other. One that waits counts for the same text
too: what a single person says against a sure model and what all tickets nearby bear out is not to turn a whole neighbourhood.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tamiz.domain.ports import Clock, Memory
from tamiz.domain.records import (
    Against,
    AuditEntry,
    Correction,
    Hold,
    Role,
    TicketQuery,
    TicketRecord,
    WordQuery,
)
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution
from tamiz.domain.vectors import told_space, unpacked
from tamiz.pipeline.trust import CARRIERS, WINDOW, Beside, against, carriers, nearest, surprising
from tamiz.service.people import Corrected, Feedback, correct
from tamiz.service.words import trust_of

OPEN = "open"
"""The account of whoever needs no key: somebody at this very machine, where the service was told to ask for none."""
WATCH = "tamiz"
"""The actor of what no person decided."""
PLACES, TOLD_PLACES = 10, 5
"""Tickets nearby that are looked at, and how many more of those that people spoke of."""
OTHERS = 500
"""Words of others that an account is compared with."""
SHARED, LATEST, BACKGROUND = 300, 8, 300
"""Words among which those with one label are looked for, how many of these are held against one another, and tickets that
say what is usual."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

_SURPRISES = (Against.MODEL, Against.PEOPLE)


class Kind(StrEnum):
    """Why there is an alarm: too many words, too many that surprise, or a phrase that is a trigger."""

    RATE = "rate"
    SURPRISE = "surprise"
    PHRASE = "phrase"


@dataclass(frozen=True, slots=True)
class Caps:
    """How many corrections of one account may have influence; of more, the words wait."""

    per_minute: int = 20
    per_hour: int = 60


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was seen: of which accounts, on how many tickets, and which of the accounts are held back now."""

    tenant: str
    kind: Kind
    accounts: tuple[str, ...]
    tickets: int
    held: tuple[str, ...]
    at: datetime


def _unheard(alarm: Alarm) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Trust:
    """Takes corrections in and watches who gives them. Without a memory nothing is known of tickets nearby."""

    store: Store
    clock: Clock
    memory: Memory | None = None
    caps: Caps = Caps()
    alarmed: Callable[[Alarm], None] = _unheard

    def correct(self, taxonomy: Taxonomy, feedback: Feedback) -> Corrected:
        """`people.correct`, and what follows from it for the account. The errors are those of `people.correct`."""
        weighed = self._weighed(feedback)
        done = correct(self.store, self.clock, taxonomy, feedback, weighed, self._waits(feedback, weighed))
        if done.wrong:
            self._judge(feedback, [name for name, wrong in done.wrong.items() if wrong])
        return done

    def _weighed(self, feedback: Feedback) -> dict[str, Against]:
        """Whom each field's word goes against, as far as can be known."""
        tenant, ticket_id = feedback.tenant, feedback.ticket_id
        place = self.store.read(lambda tx: _place(tx, tenant, ticket_id))
        if place is None:
            return {}
        near = self._near(tenant, ticket_id, place)

        def work(tx: Tx) -> dict[str, Against]:
            own = _own_near(tx, feedback, place)
            beside = _besides(tx, feedback, {**own, **near})
            return {
                name: against(value, place.told.get(name), beside[name])
                for name, value in feedback.values.items()
            }

        return self.store.read(work)

    def _near(self, tenant: str, ticket_id: str, place: _Place) -> dict[str, float]:
        """Ticket → similarity, of those nearby and those nearby that people spoke of."""
        if self.memory is None or not place.vector:
            return {}
        found: dict[str, float] = {}
        for space, k in ((place.model_hash, PLACES), (told_space(place.model_hash), TOLD_PLACES)):
            matches = self.memory.search(tenant, space, place.vector, k + 1).matches
            found.update((one.ticket_id, one.similarity) for one in matches if one.ticket_id != ticket_id)
        return found

    def _waits(self, feedback: Feedback, weighed: Mapping[str, Against]) -> Callable[[Tx], bool]:
        """Does this word have to wait: because it surprises and nobody else said so, or because the account said too much?
        An administrator's never does."""
        now, tenant, by = self.clock.now(), feedback.tenant, feedback.by
        odd = {name for name, one in weighed.items() if one in _SURPRISES}

        def work(tx: Tx) -> bool:
            if by in _administrators(tx, tenant):
                return False
            said = tx.words.find(tenant, WordQuery(ticket_id=feedback.ticket_id))
            held = trust_of(tx, tenant)
            backed = {one.field for one in said if one.by not in {by, *held} and _says(feedback, one)}
            if odd - backed:
                return True
            query = WordQuery(by=by, since=now - HOUR, newest_first=True, limit=50 * self.caps.per_hour)
            acts = _acts(one for one in tx.words.find(tenant, query) if not one.waits)
            latest = sum(act[0].at > now - MINUTE for act in acts)
            return len(acts) >= self.caps.per_hour or latest >= self.caps.per_minute

        return work

    def _judge(self, feedback: Feedback, wrong: Sequence[str]) -> None:
        """Look at what the account has said by now, and hold back whom that gives away."""
        tenant, by, now = feedback.tenant, feedback.by, self.clock.now()

        def look(tx: Tx) -> list[tuple[Kind, dict[str, str]]]:
            held = {one.account for one in tx.words.held(tenant)}
            found = [(Kind.RATE, _over(tx, feedback))]
            if by not in held:
                found.append((Kind.SURPRISE, _surprises(tx, feedback, held)))
            for name in wrong:
                found.append((Kind.PHRASE, _triggered(tx, feedback, name)))
            return [(kind, tickets) for kind, tickets in found if tickets]

        seen = self.store.read(look)
        seen = [one for one in seen if one[0] is not Kind.PHRASE or not self._of_a_kind(tenant, [*one[1]])]
        if seen:
            alarms = self.store.write(
                lambda tx: [
                    _alarm(tx, tenant, kind, Counter(tickets.values()), now) for kind, tickets in seen
                ]
            )
            for alarm in alarms:
                if alarm.accounts:  # or they were held back meanwhile
                    self.alarmed(alarm)

    def _of_a_kind(self, tenant: str, tickets: Sequence[str]) -> bool:
        """Are most of these tickets nearer to one another than to any others?"""
        if self.memory is None:
            return False
        places = self.store.read(lambda tx: {one: _place(tx, tenant, one) for one in tickets})
        apart = 0
        for ticket_id, place in places.items():
            if place is None or not place.vector:
                continue
            k = PLACES + len(tickets)
            found = self.memory.search(tenant, place.model_hash, place.vector, k).matches
            own = [one.similarity for one in found if one.ticket_id in places and one.ticket_id != ticket_id]
            rest = [one.similarity for one in found if one.ticket_id not in places]
            apart += nearest(own) > nearest(rest)
        return 2 * apart > len(tickets)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a ticket lies, and what its model says of it."""

    model_hash: str
    vector: bytes
    told: Mapping[str, Distribution]


def _place(tx: Tx, tenant: str, ticket_id: str) -> _Place | None:
    revision = tx.tickets.revision(tenant, ticket_id)
    if revision is None:
        return None
    receipt = revision.triage.receipt
    vector = tx.vectors.of(tenant, receipt.model_hash, ticket_id) or b""
    return _Place(receipt.model_hash, vector, receipt.distributions)


def _own_near(tx: Tx, feedback: Feedback, place: _Place) -> dict[str, float]:
    """The tickets that the account corrected lately, with their similarity."""
    query = WordQuery(by=feedback.by, newest_first=True, limit=5 * WINDOW)
    names = list(dict.fromkeys(one.ticket_id for one in tx.words.find(feedback.tenant, query)))[:WINDOW]
    vectors = {name: tx.vectors.of(feedback.tenant, place.model_hash, name) for name in names}
    here = unpacked(place.vector)
    return {
        name: math.fsum(a * b for a, b in zip(here, unpacked(data), strict=True))
        for name, data in vectors.items()
        if data is not None and here and name != feedback.ticket_id
    }


def _besides(tx: Tx, feedback: Feedback, near: Mapping[str, float]) -> dict[str, list[Beside]]:
    """Field → the tickets nearby as far as it goes. Accounts that are held back are not heard."""
    held, found = trust_of(tx, feedback.tenant), defaultdict[str, list[Beside]](list)
    for ticket_id, similarity in near.items():
        revision = tx.tickets.revision(feedback.tenant, ticket_id)
        told = revision.triage.receipt.distributions if revision is not None else {}
        words = tx.words.find(feedback.tenant, WordQuery(ticket_id=ticket_id))
        for name in feedback.values:
            label, confidence = told[name].best if name in told else ("", 0.0)
            newest = {one.by: one.value for one in words if one.field == name and one.by not in held}
            own = (newest.pop(feedback.by),) if feedback.by in newest else ()
            found[name].append(Beside(similarity, label, confidence, tuple(newest.values()), own))
    return {name: found[name] for name in feedback.values}


def _acts(words: Iterable[Correction]) -> list[list[Correction]]:
    """Words that were said together, in the order given."""
    acts = defaultdict[tuple[str, str, datetime], list[Correction]](list)
    for one in words:
        acts[one.by, one.ticket_id, one.at].append(one)
    return list(acts.values())


def _odd(act: Sequence[Correction]) -> bool:
    return any(one.against in _SURPRISES for one in act)


def _over(tx: Tx, feedback: Feedback) -> dict[str, str]:
    """The ticket and its account, where the account's words begin to wait with it, and not because they surprise."""
    query = WordQuery(by=feedback.by, newest_first=True, limit=100)
    latest = _acts(tx.words.find(feedback.tenant, query))[:2]
    many = [act[0].waits and not _odd(act) for act in latest]
    return {feedback.ticket_id: feedback.by} if many in ([True], [True, False]) else {}


def _surprises(tx: Tx, feedback: Feedback, held: Collection[str]) -> dict[str, str]:
    """Tickets of the account's latest acts that surprise, where they are too many. After a hold was lifted they are counted
    anew."""
    tenant, by = feedback.tenant, feedback.by
    lifted = [one.lifted_at for one in tx.words.holds(tenant, by) if one.lifted_at is not None]
    query = WordQuery(by=by, since=max(lifted, default=None), newest_first=True, limit=10 * WINDOW)
    acts = _acts(tx.words.find(tenant, query))[:WINDOW]
    own = [_odd(act) for act in acts]
    rest = tx.words.find(tenant, WordQuery(newest_first=True, limit=OTHERS))
    others = [_odd(act) for act in _acts(one for one in rest if one.by != by and one.by not in held)]
    odd = {act[0].ticket_id: by for act, flag in zip(acts, own, strict=True) if flag}
    return odd if surprising(own, others) else {}


def _says(feedback: Feedback, one: Correction) -> bool:
    return one.field in feedback.values and feedback.values[one.field] == one.value


def _triggered(tx: Tx, feedback: Feedback, name: str) -> dict[str, str]:
    """Ticket → account, of tickets among the latest that were given this label against what stood there, where they share a
    trigger and this ticket carries it. Words from before a hold was lifted are forgiven."""
    tenant, value = feedback.tenant, feedback.values[name]
    words = tx.words.find(tenant, WordQuery(newest_first=True, limit=SHARED))
    told = [one for one in words if (one.field, one.value) == (name, value) and one.before != value]
    forgiven = {one.account: one.lifted_at for one in tx.words.holds(tenant) if one.lifted_at is not None}
    by_ticket = {one.ticket_id: one.by for one in told if one.by not in forgiven or one.at > forgiven[one.by]}
    names = list(by_ticket)[:LATEST]
    if len(names) < CARRIERS:
        return {}
    told_of = [one for one in (tx.tickets.get(tenant, name) for name in names) if one is not None]
    found = carriers([_text(one) for one in told_of], _usual(tx, tenant, told_of))
    carrying = [names[place] for place in found]
    return {one: by_ticket[one] for one in carrying} if feedback.ticket_id in carrying else {}


def _usual(tx: Tx, tenant: str, told_of: Sequence[TicketRecord]) -> list[str]:
    """What other tickets say: those from before the first of these, so that nobody makes a trigger usual by sending more of
    it; in a young store all of them."""
    names, first = {one.id for one in told_of}, min(one.received_at for one in told_of)
    before = tx.tickets.page(tenant, TicketQuery(until=first, limit=BACKGROUND))
    if len(before) < BACKGROUND // 3:
        before = tx.tickets.page(tenant, TicketQuery(limit=BACKGROUND))
    return [_text(one) for one in before if one.id not in names]


def _text(record: TicketRecord) -> str:
    return f"{record.subject}\n{record.body}"


def _administrators(tx: Tx, tenant: str) -> set[str]:
    return {OPEN, *(one.id for one in tx.keys.all(tenant) if one.role is Role.ADMIN)}


def _alarm(tx: Tx, tenant: str, kind: Kind, accounts: Mapping[str, int], now: datetime) -> Alarm:
    """Hold accounts back, except for too many words, and write it down. An administrator is not held: there is a trace, from
    which on his words are counted anew. Who is held back already is left out."""
    administrators = _administrators(tx, tenant)
    told: dict[str, int] = {}
    held: list[str] = []
    for account, tickets in accounts.items():
        lifted_at, lifted_by = (now, WATCH) if account in administrators else (None, "")
        hold = Hold(tenant, account, now, kind.value, WATCH, lifted_at, lifted_by)
        if kind is not Kind.RATE:
            if not tx.words.hold(hold):
                continue
            held += [account] if lifted_at is None else []
        told[account] = tickets
        detail = {"kind": kind.value, "tickets": str(tickets), "held": str(account in held).lower()}
        tx.audit.add(AuditEntry(tenant, now, WATCH, "alarm", account, detail))
    return Alarm(tenant, kind, tuple(told), sum(told.values()), tuple(held), now)
