"""What is to be written to desks, and the pauses of desks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _big(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=nullable) for name in names]


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "outbox",
        *_text("tenant", "ticket_id", "name"),
        *_big("number"),
        *_text("key", "desk", "external_id", "state"),
        _count("attempts"),
        *_big("due", "at", "changed_at"),
        *_text("expected", "leaves", "reason", "model_hash", "writer_hash"),
        _count("revision"),
        *_text("by", "wanted", "before", "note"),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", "name", name="outbox_pk"),
        sa.ForeignKeyConstraint(
            ["tenant", "ticket_id"],
            ["tickets.tenant", "tickets.id"],
            name="outbox_ticket",
            ondelete="CASCADE",
        ),
    )
    op.create_index("outbox_key", "outbox", ["tenant", "key"], unique=True)
    op.create_index("outbox_by_state", "outbox", ["tenant", "state", "number"])
    op.create_table(
        "desk_pauses",
        *_text("tenant", "desk"),
        *_big("since"),
        *_big("until", nullable=True),
        *_text("reason"),
        sa.PrimaryKeyConstraint("tenant", "desk", name="desk_pauses_pk"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them with all that they hold."""
    op.drop_table("desk_pauses")
    op.drop_table("outbox")
