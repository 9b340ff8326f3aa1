"""The tables, the same on both engines. The Alembic revisions state them once more, as they were then.

Every table has the tenant, and every unique key begins with it. Times are integer microseconds since 1970, UTC. The raw
text of a ticket lies in one column, `raw`, under the data key named by `key_id` (empty: not encrypted); it is the last
column, so that SQLite need not read it to show the canonical view.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

METADATA = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _moment(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


TICKETS = Table(
    "tickets",
    METADATA,
    _text("tenant"),
    _text("id"),
    _text("desk"),
    _text("external_id"),
    _text("source_version"),
    _text("status"),
    _count("version"),
    _count("revision"),
    _moment("received_at"),
    _moment("updated_at"),
    _text("request_key"),
    _text("request_digest"),
    _text("subject"),
    _text("body"),
    _text("language"),
    _text("key_id"),
    Column("raw", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "id", name="tickets_pk"),
)
Index(
    "tickets_request",
    TICKETS.c.tenant,
    TICKETS.c.request_key,
    unique=True,
    sqlite_where=text("request_key <> ''"),
    postgresql_where=text("request_key <> ''"),
)
Index(
    "tickets_source",
    TICKETS.c.tenant,
    TICKETS.c.desk,
    TICKETS.c.external_id,
    unique=True,
    sqlite_where=text("external_id <> ''"),
    postgresql_where=text("external_id <> ''"),
)
Index("tickets_by_status", TICKETS.c.tenant, TICKETS.c.status, TICKETS.c.received_at, TICKETS.c.id)
Index("tickets_by_desk", TICKETS.c.tenant, TICKETS.c.desk, TICKETS.c.received_at, TICKETS.c.id)

TRIAGES = Table(
    "triages",
    METADATA,
    _text("tenant"),
    _text("ticket_id"),
    _count("number"),
    _moment("at"),
    _text("timings"),
    _text("data"),
    PrimaryKeyConstraint("tenant", "ticket_id", "number", name="triages_pk"),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "triages_ticket", ondelete="CASCADE"
    ),
)

CORRECTIONS = Table(
    "corrections",
    METADATA,
    _text("tenant"),
    Column("sequence", BigInteger, nullable=False),
    _text("ticket_id"),
    _text("field"),
    Column("value", Text),
    Column("before", Text),
    _text("by"),
    _moment("at"),
    _text("note"),
    Column("against", Text, nullable=False, server_default=""),
    Column("waits", Integer, nullable=False, server_default="0"),
    _moment("revoked_at", nullable=True),
    Column("revoked_by", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant", "sequence", name="corrections_pk"),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "corrections_ticket", ondelete="CASCADE"
    ),
)
Index("corrections_by_ticket", CORRECTIONS.c.tenant, CORRECTIONS.c.ticket_id, CORRECTIONS.c.sequence)
Index("corrections_by_account", CORRECTIONS.c.tenant, CORRECTIONS.c.by, CORRECTIONS.c.sequence)

HOLDS = Table(
    "holds",
    METADATA,
    _text("tenant"),
    _text("account"),
    _count("number"),
    _moment("since"),
    _text("reason"),
    _text("by"),
    _moment("lifted_at", nullable=True),
    _text("lifted_by"),
    PrimaryKeyConstraint("tenant", "account", "number", name="holds_pk"),
    sqlite_with_rowid=False,
)

JOBS = Table(
    "jobs",
    METADATA,
    _text("tenant"),
    _text("id"),
    _text("kind"),
    _text("subject"),
    _count("lane"),
    _moment("due"),
    _text("state"),
    _text("owner"),
    _count("epoch"),
    _moment("expires"),
    _count("failures"),
    _count("crashes"),
    _text("reason"),
    _moment("died_at"),
    PrimaryKeyConstraint("tenant", "id", name="jobs_pk"),
    sqlite_with_rowid=False,
)


def _jobs_index(name: str, state: str, *columns: str) -> None:
    """An index over the jobs of one state only: a lease never wades through those of another."""
    where = text(f"state = '{state}'")
    Index(name, *(JOBS.c[column] for column in columns), sqlite_where=where, postgresql_where=where)


# The state stands at its end so that counting needs the index alone.
_jobs_index("jobs_ready", "ready", "kind", "lane", "due", "id", "state")
_jobs_index("jobs_leased", "leased", "kind", "expires")
_jobs_index("jobs_dead", "dead", "tenant", "died_at")

AUDIT = Table(
    "audit",
    METADATA,
    _text("tenant"),
    Column("number", BigInteger, nullable=False),
    _moment("at"),
    _text("actor"),
    _text("act"),
    _text("subject"),
    _text("detail"),
    _text("chain"),
    PrimaryKeyConstraint("tenant", "number", name="audit_pk"),
    sqlite_with_rowid=False,
)

API_KEYS = Table(
    "api_keys",
    METADATA,
    _text("tenant"),
    _text("id"),
    _text("name"),
    _text("role"),
    _text("digest"),
    _moment("created_at"),
    _moment("revoked_at", nullable=True),
    PrimaryKeyConstraint("tenant", "id", name="api_keys_pk"),
)
Index("api_keys_digest", API_KEYS.c.tenant, API_KEYS.c.digest, unique=True)
Index("api_keys_by_digest", API_KEYS.c.digest)

COUNTERS = Table(
    "counters",
    METADATA,
    _text("tenant"),
    _text("name"),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "name", name="counters_pk"),
    sqlite_with_rowid=False,
)

DATA_KEYS = Table(
    "data_keys",
    METADATA,
    _text("tenant"),
    _text("id"),
    _count("number"),
    _text("master"),
    Column("wrapped", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant", "id", name="data_keys_pk"),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    _text("tenant"),
    _text("ticket_id"),
    _text("name"),
    Column("number", BigInteger, nullable=False),
    _text("key"),
    _text("desk"),
    _text("external_id"),
    _text("state"),
    _count("attempts"),
    _moment("due"),
    _moment("at"),
    _moment("changed_at"),
    _text("expected"),
    _text("leaves"),
    _text("reason"),
    _text("model_hash"),
    _text("writer_hash"),
    _count("revision"),
    _text("by"),
    _text("wanted"),
    _text("before"),
    _text("note"),
    PrimaryKeyConstraint("tenant", "ticket_id", "name", name="outbox_pk"),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "outbox_ticket", ondelete="CASCADE"
    ),
)
Index("outbox_key", OUTBOX.c.tenant, OUTBOX.c.key, unique=True)
Index("outbox_by_state", OUTBOX.c.tenant, OUTBOX.c.state, OUTBOX.c.number)

DESK_PAUSES = Table(
    "desk_pauses",
    METADATA,
    _text("tenant"),
    _text("desk"),
    _moment("since"),
    _moment("until", nullable=True),
    _text("reason"),
    PrimaryKeyConstraint("tenant", "desk", name="desk_pauses_pk"),
    sqlite_with_rowid=False,
)

VECTORS = Table(
    "vectors",
    METADATA,
    _text("tenant"),
    _text("model_hash"),
    Column("sequence", BigInteger, nullable=False),
    _text("ticket_id"),
    Column("data", LargeBinary, nullable=False),
    _text("digest"),
    PrimaryKeyConstraint("tenant", "model_hash", "sequence", name="vectors_pk"),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "vectors_ticket", ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)
Index("vectors_of_ticket", VECTORS.c.tenant, VECTORS.c.ticket_id, VECTORS.c.model_hash, unique=True)
Index(
    "vectors_by_digest",
    VECTORS.c.tenant,
    VECTORS.c.model_hash,
    VECTORS.c.digest,
    VECTORS.c.sequence,
    sqlite_where=text("digest <> ''"),
    postgresql_where=text("digest <> ''"),
)

REUSES = Table(
    "reuses",
    METADATA,
    _text("tenant"),
    _text("ticket_id"),
    _text("source_id"),
    _text("model_hash"),
    _text("tier"),
    Column("similarity", Float, nullable=False),
    _moment("at"),
    _count("again"),
    _text("verdict"),
    Column("judged", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "ticket_id", name="reuses_pk"),
    ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "reuses_ticket", ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)
Index("reuses_of_source", REUSES.c.tenant, REUSES.c.source_id, REUSES.c.ticket_id)
Index(
    "reuses_judged",
    REUSES.c.tenant,
    REUSES.c.model_hash,
    REUSES.c.judged,
    sqlite_where=text("judged > 0"),
    postgresql_where=text("judged > 0"),
)

MODELS = Table(
    "models",
    METADATA,
    _text("tenant"),
    _count("number"),
    _text("name"),
    _text("content_hash"),
    _text("classes_hash"),
    _text("prose_hash"),
    _moment("at"),
    _text("by"),
    PrimaryKeyConstraint("tenant", "number", name="models_pk"),
    sqlite_with_rowid=False,
)
