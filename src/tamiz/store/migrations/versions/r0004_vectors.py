"""The embedding of every ticket, by the model that made it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Create the table; tickets that were triaged before have no vector until they are triaged anew."""
    op.create_table(
        "vectors",
        *_text("tenant", "model_hash"),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        *_text("ticket_id"),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "model_hash", "sequence", name="vectors_pk"),
        sa.ForeignKeyConstraint(
            ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "vectors_ticket", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("vectors_of_ticket", "vectors", ["tenant", "ticket_id", "model_hash"], unique=True)


def downgrade() -> None:
    """Drop it. The counters stay, so that no number is given twice."""
    op.drop_table("vectors")
