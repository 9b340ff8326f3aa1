"""Take people's corrections back: a plan that can be shown, and its execution.

A ticket is then as if the words had never been said: what others said of it stands, else what its newest triage says, and
no other ticket is influenced any more. The words are kept, with who took them back. Desks are never written to because of
a correction, so nothing is put back there.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from tamiz.domain.desk import Value
from tamiz.domain.outbox import EffectState
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Correction, Revision, TicketRecord, WordQuery
from tamiz.domain.status import Status, status_of
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.vectors import told_space
from tamiz.service.people import standing
from tamiz.service.reuse import served

_PAGE, _TOGETHER, _DEAD = 1000, 200, 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which words: of an account (since a moment), on a ticket, or the one with a number. What is given must all hold; of a
    moment alone, and of nothing, there are none."""

    account: str = ""
    since: datetime | None = None
    ticket_id: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """What one ticket gets back: the numbers of the words that go, the status that it has then, and of each field whose
    value changes what stands there now (`away`) and then (`back`). `words_left` are those that stay."""

    ticket_id: str
    desk: str
    external_id: str
    words: tuple[int, ...]
    words_left: int
    status: Status
    away: Mapping[str, Value]
    back: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """What will be taken back, ticket by ticket. Its id follows from the rest: a plan that is performed twice is done
    once."""

    tenant: str
    wanted: Wanted
    made_at: datetime
    returns: tuple[Return, ...]

    @property
    def id(self) -> str:
        """12 hexadecimal digits."""
        words = ",".join(str(number) for one in self.returns for number in one.words)
        since = self.wanted.since.isoformat() if self.wanted.since else ""
        meant = [self.wanted.account, since, self.wanted.ticket_id, str(self.wanted.sequence)]
        parts = [self.tenant, self.made_at.isoformat(), *meant, words]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def words(self) -> int:
        """How many words go."""
        return sum(len(one.words) for one in self.returns)


def plan_revert(store: Store, clock: Clock, taxonomy: Taxonomy, tenant: str, wanted: Wanted) -> RevertPlan:
    """What it would take to take words back. `taxonomy` is the tenant's."""
    empty = RevertPlan(tenant, wanted, clock.now(), ())

    def work(tx: Tx) -> tuple[Return, ...]:
        by_ticket = defaultdict[str, list[int]](list)
        for one in _wanted(tx, tenant, wanted):
            by_ticket[one.ticket_id].append(one.sequence)
        return tuple(_return(tx, taxonomy, tenant, name, words) for name, words in by_ticket.items())

    return replace(empty, returns=store.read(work))


def perform_revert(store: Store, clock: Clock, taxonomy: Taxonomy, plan: RevertPlan, by: str) -> int:
    """Take back what the plan says, each ticket in a transaction of its own, and count the words. What was taken back or
    erased meanwhile is passed over."""
    planned, done = iter(plan.returns), 0
    while some := list(islice(planned, _TOGETHER)):  # a store may commit them in one go
        futures = [store.submit(_performed(clock, taxonomy, plan.tenant, one, by)) for one in some]
        done += sum(future.result() for future in futures)
    return done


def _performed(
    clock: Clock, taxonomy: Taxonomy, tenant: str, planned: Return, by: str
) -> Callable[[Tx], int]:
    now = clock.now()

    def work(tx: Tx) -> int:
        record = tx.tickets.get(tenant, planned.ticket_id)
        if record is None:  # erased meanwhile
            return 0
        words = tx.words.find(tenant, WordQuery(ticket_id=record.id))
        going = [one for one in words if one.sequence in planned.words]
        if not going:
            return 0
        status = _status(tx, taxonomy, record, tx.tickets.revision(tenant, record.id))
        numbers = [one.sequence for one in going]
        tx.words.revoke(tenant, record.id, numbers, status, by, now)
        if len(going) == len(words):
            _forgotten(tx, tenant, record.id)
        fields = ",".join(sorted({one.field for one in going}))
        detail = {"words": ",".join(map(str, numbers)), "fields": fields}
        tx.audit.add(AuditEntry(tenant, now, by, "revert", record.id, detail))
        return len(going)

    return work


def _wanted(tx: Tx, tenant: str, wanted: Wanted) -> list[Correction]:
    """The words that are meant, in order."""
    found: list[Correction] = []
    query = WordQuery(wanted.ticket_id, wanted.account, wanted.since, limit=_PAGE)
    if not (wanted.account or wanted.ticket_id or wanted.sequence):
        return found
    if wanted.sequence:
        query = replace(query, after=wanted.sequence - 1, limit=1)
        return [one for one in tx.words.find(tenant, query) if one.sequence == wanted.sequence]
    while page := tx.words.find(tenant, query):
        found += page
        query = replace(query, after=page[-1].sequence)
    return found


def _return(tx: Tx, taxonomy: Taxonomy, tenant: str, ticket_id: str, numbers: list[int]) -> Return:
    record, revision = tx.tickets.get(tenant, ticket_id), tx.tickets.revision(tenant, ticket_id)
    assert record is not None  # its words go with it
    words = tx.words.find(tenant, WordQuery(ticket_id=ticket_id))
    staying = [one for one in words if one.sequence not in numbers]
    now = standing(taxonomy, revision, {one.field: one.value for one in words})
    then = standing(taxonomy, revision, {one.field: one.value for one in staying})
    changed = [name for name in now if now[name] != then[name]]
    return Return(
        ticket_id,
        record.source.desk if record.source.external_id else "",
        record.source.external_id,
        tuple(numbers),
        len(staying),
        record.status if staying else _status(tx, taxonomy, record, revision),
        {name: now[name] for name in changed},
        {name: then[name] for name in changed},
    )


def _status(tx: Tx, taxonomy: Taxonomy, record: TicketRecord, revision: Revision | None) -> Status:
    """Where the ticket would stand, had nobody said a word: where its newest triage leaves it. One that was never triaged
    still waits for that, or has failed; one with an effect that waits for a person needs one."""
    if revision is None:
        dead = any(one.job.subject == record.id for one in tx.jobs.dead(record.tenant, _DEAD))
        return Status.FAILED if dead else Status.PENDING
    effects = tx.outbox.of_ticket(record.tenant, record.id)
    if any(one.state is EffectState.PARKED for one in effects):
        return Status.NEEDS_HUMAN
    return status_of(revision.triage, taxonomy, cached=served(revision.triage))


def _forgotten(tx: Tx, tenant: str, ticket_id: str) -> None:
    """A ticket of which nobody said a word is no example for others."""
    for space in tx.vectors.holding(tenant, ticket_id):
        if space.startswith(told_space("")):
            tx.vectors.remove(tenant, space, ticket_id)
