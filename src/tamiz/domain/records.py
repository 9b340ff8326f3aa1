"""What is kept: tickets with their status, revisions of triages, corrections, jobs, keys and the audit trail.

All times are UTC with microseconds. Every record belongs to a tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tamiz.domain.status import Status
from tamiz.domain.ticket import Source
from tamiz.domain.triage import Tier, Triage


@dataclass(frozen=True, slots=True)
class TicketRecord:
    """A ticket as everyone but the model's worker sees it: without its raw text.

    `version` counts every change from 1 (the If-Match of the API); `revision` is the number of the newest triage, 0
    where there is none. `subject` and `body` are the canonical, redacted view, empty until the ticket is triaged.
    """

    id: str
    tenant: str
    source: Source
    status: Status
    version: int
    revision: int
    received_at: datetime
    updated_at: datetime
    subject: str = ""
    body: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """One triage of a ticket, with its receipt. Numbers count from 1 per ticket."""

    tenant: str
    ticket_id: str
    number: int
    at: datetime
    triage: Triage
    timings_ms: Mapping[str, float] = field(default_factory=dict)


class Against(StrEnum):
    """Whom a person's word went against when it was said: nobody; a model that was sure of another label, which tickets
    like this one bear out; what other accounts said of tickets like this one; or a model that was sure, on tickets that
    are more like one another than like the rest (`taught`)."""

    NOBODY = ""
    MODEL = "model"
    PEOPLE = "people"
    TAUGHT = "taught"


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's word on one field of a ticket. `sequence` counts the tenant's corrections from 1, without gaps; 0
    until it is stored. `before` is the value that was shown.

    A word that `waits` counts for its ticket and the same text alone. One that was revoked counts no more and is kept.
    """

    tenant: str
    ticket_id: str
    field: str
    value: str | None
    before: str | None
    by: str
    at: datetime
    note: str = ""
    sequence: int = 0
    against: Against = Against.NOBODY
    waits: bool = False
    revoked_at: datetime | None = None
    revoked_by: str = ""


@dataclass(frozen=True, slots=True)
class WordQuery:
    """Which corrections, in order or the newest first. Empty means any; `after` is a sequence number. Revoked ones are left
    out unless `revoked` asks for them too."""

    ticket_id: str = ""
    by: str = ""
    since: datetime | None = None
    after: int = 0
    limit: int = 1000
    newest_first: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What an account has said: how many words, how many of them count no more, wait, or went against a sure model or
    other people; `newest` is the moment of the last one."""

    name: str
    words: int
    revoked: int
    waiting: int
    against: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """An account whose words have no influence on other tickets, from `since` until it is lifted. `number` counts the holds
    of the account from 1; 0 until it is stored."""

    tenant: str
    account: str
    since: datetime
    reason: str
    by: str
    lifted_at: datetime | None = None
    lifted_by: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class TicketQuery:
    """Which tickets, newest first. Empty means any; `after` is the id of the last ticket of the page before."""

    statuses: frozenset[Status] = frozenset()
    desk: str = ""
    since: datetime | None = None
    until: datetime | None = None
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Vector:
    """The embedding of a ticket in the space of the model with this hash, as `domain.vectors.packed` makes it. `sequence`
    counts what was added to the tenant's space from 1; 0 until it is stored. `digest` is the hash of the text that was
    embedded, as `domain.vectors.digest` makes it; empty where nobody looks for equal texts."""

    tenant: str
    model_hash: str
    ticket_id: str
    data: bytes
    sequence: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class SpaceState:
    """How far a space of vectors has come: the newest sequence number that was given, and how often vectors of the tenant
    were taken out. Neither ever falls."""

    sequence: int
    erasures: int


class Verdict(StrEnum):
    """Was a reused answer right? Nobody knows, until it was worked out again or a person said so."""

    OPEN = ""
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Reuse:
    """A ticket that got the answer of an earlier one, or (`Tier.WITHHELD`) would have. `again` says that the answer is to be
    worked out all the same, to compare."""

    tenant: str
    ticket_id: str
    source_id: str
    model_hash: str
    tier: Tier
    similarity: float
    at: datetime
    again: bool = False
    verdict: Verdict = Verdict.OPEN


@dataclass(frozen=True, slots=True)
class Record:
    """The record of reused answers: how many of the newest were judged, and how many of them were wrong."""

    judged: int
    wrong: int


class JobState(StrEnum):
    """A job waits, is leased, or is dead; a finished one is gone."""

    READY = "ready"
    LEASED = "leased"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Job:
    """Work on one subject (a ticket's id). `due` is the earliest moment. Lower `lane` numbers go first."""

    id: str
    tenant: str
    kind: str
    subject: str
    due: datetime
    lane: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A job in somebody's hands until `expires`. `epoch` grows with every lease of the job: a write that carries an
    older one is refused. `failures` are tries that ended with an error, `crashes` those whose owner was never heard of
    again."""

    job: Job
    owner: str
    epoch: int
    expires: datetime
    failures: int = 0
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that nobody will try again by itself, and why."""

    job: Job
    reason: str
    failures: int
    crashes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many jobs of a kind wait, are due, are leased and are dead; `oldest` is the due time of the longest waiting."""

    kind: str
    waiting: int = 0
    leased: int = 0
    dead: int = 0
    oldest: datetime | None = None


class Role(StrEnum):
    """What a key may do, each including those before it."""

    SUBMIT = "submit"
    READ = "read"
    REVIEW = "review"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key by its SHA-256 (hex); the key itself is kept nowhere."""

    id: str
    tenant: str
    name: str
    role: Role
    digest: str
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """A model that triages a tenant's tickets: its name and hash, those of its classes and of their prose, and by whom it
    was taken into use. `number` counts from 1 those of the tenant that lie on top of one another; 0 until it is stored."""

    tenant: str
    name: str
    content_hash: str
    classes_hash: str
    prose_hash: str
    at: datetime
    by: str
    number: int = 0

    @property
    def model(self) -> str:
        """The one version that is meant, as the registry of models resolves it."""
        return f"{self.name}@{self.content_hash}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act: who did what to which subject. `detail` holds ids, names of fields and keyed hashes, never text of a
    ticket. `number` counts per tenant from 1; `chain` is the SHA-256 over the entry and the chain value before it."""

    tenant: str
    at: datetime
    actor: str
    act: str
    subject: str
    detail: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    chain: str = ""
