"""Accept a ticket: ticket, job and audit entry in one transaction, before anybody is told that it was accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from tamiz.domain.errors import KeyReusedError
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Job
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Source, Ticket, uuid7

TRIAGE, ENRICH, PUSH = "triage", "enrich", "push"
"""Kinds of jobs: the fast lane, the language model's work, and writing to a desk."""

Bits = Callable[[int], int]
"""So many random bits as an integer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody hands in. `key` is the Idempotency-Key, empty for none; `actor` is the id of the API key."""

    message: RawMessage
    tenant: str = DEFAULT_TENANT
    source: Source = field(default_factory=lambda: Source("api"))
    key: str = ""
    actor: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all that makes two submissions the same."""
        m, s = self.message, self.source
        parts = [m.subject, m.body, m.media_type, s.desk, s.external_id, s.version]
        parts += [m.requester] if m.requester else []  # without one, as before there were any
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The ticket's id, and whether it is new: the same Idempotency-Key gets the same ticket again."""

    ticket_id: str
    new: bool


def accept(store: Store, clock: Clock, bits: Bits, submission: Submission) -> Future[Accepted]:
    """Done when the ticket is durable. The future holds KeyReusedError where the Idempotency-Key came with another
    body, DuplicateError where the desk's ticket is known already, StoreUnavailableError."""
    moment = clock.now()
    ticket = Ticket(uuid7(moment, bits(74)), submission.message, moment, submission.tenant, submission.source)
    job = Job(uuid7(moment, bits(74)), submission.tenant, TRIAGE, ticket.id, moment)
    entry = AuditEntry(submission.tenant, moment, submission.actor, "accept", ticket.id)
    key, digest = submission.key, submission.digest if submission.key else ""

    def work(tx: Tx) -> Accepted:
        seen = tx.tickets.by_key(ticket.tenant, key) if key else None
        if seen is not None:
            if seen[1] != digest:
                raise KeyReusedError
            return Accepted(seen[0], new=False)
        tx.tickets.add(ticket, key, digest)
        tx.jobs.add(job)
        tx.audit.add(entry)
        return Accepted(ticket.id, new=True)

    return store.submit(work)
