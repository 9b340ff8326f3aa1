"""The Store port: durable state behind short closures. `tamiz.store` keeps it in SQLite or PostgreSQL,
`tamiz.testing.memory_store` in memory; one contract suite runs over all of them.

A closure given to `write` sees one transaction, does no I/O of its own and calls no model. It may be run more than once:
a transaction that fails is rolled back and what it did is undone, so a closure must change nothing outside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, TypeVar

from tamiz.domain.outbox import Effect, EffectState, Pause
from tamiz.domain.records import (
    Activation,
    ApiKey,
    AuditEntry,
    Correction,
    DeadJob,
    Job,
    Lease,
    QueueState,
    Revision,
    TicketQuery,
    TicketRecord,
)
from tamiz.domain.status import Status
from tamiz.domain.storage_memory import Reuses, Vectors
from tamiz.domain.storage_words import Words
from tamiz.domain.ticket import CanonicalText, Ticket

T = TypeVar("T")


class Tickets(Protocol):
    """Tickets, their triages and corrections. Another tenant's ticket is as good as none."""

    def add(self, ticket: Ticket, key: str = "", digest: str = "") -> None:
        """A new pending ticket; `key` is the Idempotency-Key (empty: none) and `digest` the hash of what came with it.

        DuplicateError where the tenant has this key, or this external id of this desk, already.
        """
        ...

    def by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Ticket id and digest that an Idempotency-Key was used with."""
        ...

    def by_source(self, tenant: str, desk: str, external_id: str) -> TicketRecord | None:
        """The ticket that mirrors one of a desk."""
        ...

    def get(self, tenant: str, ticket_id: str) -> TicketRecord | None:
        """A ticket without its raw text."""
        ...

    def raw(self, ids: Sequence[tuple[str, str]]) -> list[Ticket]:
        """Tickets with their raw text by (tenant, id), in that order; unknown and erased ones are left out."""
        ...

    def page(self, tenant: str, query: TicketQuery) -> list[TicketRecord]:
        """Tickets, newest first, at most `query.limit`."""
        ...

    def move(self, tenant: str, ticket_id: str, status: Status, at: datetime) -> TicketRecord:
        """Another status, and a version more. UnknownTicketError, TransitionError."""
        ...

    def save(self, revision: Revision, status: Status, text: CanonicalText | None = None) -> TicketRecord:
        """A triage and the status that it gives; its number must be the ticket's revision + 1.

        A ticket that a person has corrected keeps its status. UnknownTicketError, TransitionError, ConflictError.
        """
        ...

    def revision(self, tenant: str, ticket_id: str, number: int = 0) -> Revision | None:
        """A triage by its number; 0 is the newest."""
        ...

    def triaged_by(
        self, tenant: str, model_hash: str, since: datetime, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Tickets whose newest triage rests on this model or language model and was made at or after a moment, with an
        id above `after`, in the order of their ids."""
        ...

    def correct(self, correction: Correction) -> Correction:
        """Store a person's word with the next sequence number; the ticket becomes Human_Corrected.

        UnknownTicketError.
        """
        ...

    def corrections(self, tenant: str, after: int = 0, limit: int = 1000) -> list[Correction]:
        """Corrections with a sequence number above `after`, in order, without those that were revoked."""
        ...

    def words(self, tenant: str, ticket_id: str) -> dict[str, Correction]:
        """Field → the newest correction of a ticket that nobody revoked."""
        ...

    def corrected(self, tenant: str, ticket_id: str) -> dict[str, str | None]:
        """Field → the newest value that a person gave it and nobody revoked."""
        ...


class Jobs(Protocol):
    """The queue. Moments are given, never read from a clock."""

    def add(self, job: Job) -> None:
        """A new job, ready from `job.due`."""
        ...

    def lease(
        self, kinds: Collection[str], owner: str, limit: int, now: datetime, expires: datetime
    ) -> list[Lease]:
        """Take up to `limit` jobs that are due, lowest lane and oldest first. Leases that expired before `now` are
        taken over, each a crash more; a job that has crashed comes alone."""
        ...

    def extend(self, leases: Sequence[Lease], expires: datetime) -> list[Lease]:
        """Those leases that still hold, with their new end."""
        ...

    def finish(self, lease: Lease) -> None:
        """The job is done and gone. LeaseLostError where the lease does not hold any more."""
        ...

    def retry(self, lease: Lease, due: datetime, reason: str) -> None:
        """Back into the queue, a failure more. LeaseLostError."""
        ...

    def release(self, lease: Lease) -> None:
        """Back into the queue as if it had never been leased. LeaseLostError."""
        ...

    def bury(self, lease: Lease, reason: str, at: datetime) -> None:
        """The job is dead. LeaseLostError."""
        ...

    def reclaim(self, keep: str) -> int:
        """End the leases of every owner but `keep`, each a crash more, and count them: for start-up, where no other
        process can be alive."""
        ...

    def dead(self, tenant: str, limit: int = 100) -> list[DeadJob]:
        """Dead jobs, newest first."""
        ...

    def revive(self, tenant: str, job_id: str, due: datetime) -> bool:
        """A dead job is ready again, its counts at zero; False where there is none."""
        ...

    def states(self) -> list[QueueState]:
        """The queue by kind of job."""
        ...

    def left(self, tenant: str, kind: str, lane: int) -> int:
        """How many jobs of a tenant's lane wait or are leased."""
        ...


class Keys(Protocol):
    """API keys."""

    def add(self, key: ApiKey) -> None:
        """A new key."""
        ...

    def by_digest(self, digest: str) -> ApiKey | None:
        """The key with this SHA-256, revoked or not."""
        ...

    def all(self, tenant: str) -> list[ApiKey]:
        """The tenant's keys, oldest first."""
        ...

    def revoke(self, tenant: str, key_id: str, at: datetime) -> bool:
        """False where there is no such living key."""
        ...


class Audit(Protocol):
    """The audit trail: one hash chain per tenant."""

    def add(self, entry: AuditEntry) -> None:
        """Append; number and chain value are given here."""
        ...

    def after(self, tenant: str, number: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Entries above a number, in order."""
        ...


class Outbox(Protocol):
    """What is to be written to desks. A ticket's effects are read and put under the lock of the ticket: a closure that
    changes one calls `tickets.get` first."""

    def add(self, effect: Effect) -> Effect:
        """A new effect, with the tenant's next number. DuplicateError where the ticket has one of this name,
        UnknownTicketError."""
        ...

    def put(self, effect: Effect) -> None:
        """Another state of an effect; its name, values, cause and number never change. ConflictError where it is not
        there."""
        ...

    def of_ticket(self, tenant: str, ticket_id: str) -> list[Effect]:
        """All effects of a ticket, in order."""
        ...

    def page(
        self,
        tenant: str,
        state: EffectState,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Effect]:
        """Effects in a state that reached it at or after `since`, with a number above `after`, in order."""
        ...

    def pause(self, pause: Pause) -> None:
        """Leave a desk alone; takes the place of an earlier pause."""
        ...

    def resume(self, tenant: str, desk: str) -> bool:
        """End a pause; False where there is none."""
        ...

    def pauses(self, tenant: str) -> list[Pause]:
        """The pauses that nobody has ended, by desk; some may be over."""
        ...


class Models(Protocol):
    """Which model each tenant has taken into use, and those before it: a pile per tenant, the active one on top."""

    def hold(self, tenant: str) -> None:
        """From here to the end of the transaction nobody else changes the tenant's pile."""
        ...

    def push(self, activation: Activation) -> Activation:
        """Another model on top, with the next number."""
        ...

    def pop(self, tenant: str) -> bool:
        """Take the top away; False where there is nothing."""
        ...

    def pile(self, tenant: str, limit: int = 20) -> list[Activation]:
        """The tenant's models, the active one first."""
        ...

    def active(self) -> list[Activation]:
        """The active model of every tenant that has one, by tenant."""
        ...


class Tx(Protocol):
    """One transaction."""

    @property
    def tickets(self) -> Tickets: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def models(self) -> Models: ...

    @property
    def vectors(self) -> Vectors: ...

    @property
    def reuses(self) -> Reuses: ...

    @property
    def words(self) -> Words: ...


class Reader(Protocol):
    """What is durable, to look at. Thread-safe."""

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run the closure on a snapshot; it must not write."""
        ...

    def close(self) -> None:
        """Let go of the files. Further calls raise StoreUnavailableError."""
        ...


class Store(Reader, Protocol):
    """Durable state. Thread-safe."""

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Have the closure run in a transaction; the future is done only after a durable commit, or holds what the
        closure raised (then nothing of it is kept). StoreUnavailableError where the disk or the server fails."""
        ...

    def write(self, work: Callable[[Tx], T]) -> T:
        """`submit`, and wait."""
        ...

    def close(self) -> None:
        """Commit what was accepted and let go of the files. Further calls raise StoreUnavailableError."""
        ...
