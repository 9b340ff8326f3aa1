"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _count(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _big(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=nullable) for name in names]


def _index(name: str, table: str, columns: list[str], where: str = "", *, unique: bool = False) -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=only, postgresql_where=only)


def _of_ticket(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], name=name, ondelete="CASCADE"
    )


def upgrade() -> None:
    """Create them."""
    _tickets()
    _triages_and_corrections()
    _jobs()
    _audit_and_keys()


def downgrade() -> None:
    """Drop them with all that they hold."""
    for table in (
        "data_keys",
        "counters",
        "api_keys",
        "audit",
        "jobs",
        "corrections",
        "triages",
        "tickets",
    ):
        op.drop_table(table)


def _tickets() -> None:
    op.create_table(
        "tickets",
        *_text("tenant", "id", "desk", "external_id", "source_version", "status"),
        *_count("version", "revision"),
        *_big("received_at", "updated_at"),
        *_text("request_key", "request_digest", "subject", "body", "language", "key_id"),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="tickets_pk"),
    )
    _index("tickets_request", "tickets", ["tenant", "request_key"], "request_key <> ''", unique=True)
    _index("tickets_source", "tickets", ["tenant", "desk", "external_id"], "external_id <> ''", unique=True)
    _index("tickets_by_status", "tickets", ["tenant", "status", "received_at", "id"])
    _index("tickets_by_desk", "tickets", ["tenant", "desk", "received_at", "id"])


def _triages_and_corrections() -> None:
    op.create_table(
        "triages",
        *_text("tenant", "ticket_id"),
        *_count("number"),
        *_big("at"),
        *_text("timings", "data"),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", "number", name="triages_pk"),
        _of_ticket("triages_ticket"),
    )
    op.create_table(
        "corrections",
        *_text("tenant"),
        *_big("sequence"),
        *_text("ticket_id", "field"),
        sa.Column("value", sa.Text),
        sa.Column("before", sa.Text),
        *_text("by"),
        *_big("at"),
        *_text("note"),
        sa.PrimaryKeyConstraint("tenant", "sequence", name="corrections_pk"),
        _of_ticket("corrections_ticket"),
    )
    _index("corrections_by_ticket", "corrections", ["tenant", "ticket_id", "sequence"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        *_text("tenant", "id", "kind", "subject"),
        *_count("lane"),
        *_big("due"),
        *_text("state", "owner"),
        *_count("epoch"),
        *_big("expires"),
        *_count("failures", "crashes"),
        *_text("reason"),
        *_big("died_at"),
        sa.PrimaryKeyConstraint("tenant", "id", name="jobs_pk"),
        sqlite_with_rowid=False,
    )
    _index("jobs_ready", "jobs", ["kind", "lane", "due", "id", "state"], "state = 'ready'")
    _index("jobs_leased", "jobs", ["kind", "expires"], "state = 'leased'")
    _index("jobs_dead", "jobs", ["tenant", "died_at"], "state = 'dead'")


def _audit_and_keys() -> None:
    op.create_table(
        "audit",
        *_text("tenant"),
        *_big("number", "at"),
        *_text("actor", "act", "subject", "detail", "chain"),
        sa.PrimaryKeyConstraint("tenant", "number", name="audit_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_keys",
        *_text("tenant", "id", "name", "role", "digest"),
        *_big("created_at"),
        *_big("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name="api_keys_pk"),
    )
    _index("api_keys_digest", "api_keys", ["tenant", "digest"], unique=True)
    _index("api_keys_by_digest", "api_keys", ["digest"])
    op.create_table(
        "counters",
        *_text("tenant", "name"),
        *_big("value"),
        sa.PrimaryKeyConstraint("tenant", "name", name="counters_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "data_keys",
        *_text("tenant", "id"),
        *_count("number"),
        *_text("master"),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="data_keys_pk"),
    )
