"""Which text was embedded, and which answers were served again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Vectors that are there already have no digest: no text is taken for theirs."""
    op.add_column("vectors", sa.Column("digest", sa.Text, nullable=False, server_default=""))
    where = sa.text("digest <> ''")
    op.create_index(
        "vectors_by_digest",
        "vectors",
        ["tenant", "model_hash", "digest", "sequence"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_table(
        "reuses",
        *_text("tenant", "ticket_id", "source_id", "model_hash", "tier"),
        sa.Column("similarity", sa.Float, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("again", sa.Integer, nullable=False),
        *_text("verdict"),
        sa.Column("judged", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "ticket_id", name="reuses_pk"),
        sa.ForeignKeyConstraint(
            ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], "reuses_ticket", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("reuses_of_source", "reuses", ["tenant", "source_id", "ticket_id"])
    judged = sa.text("judged > 0")
    op.create_index(
        "reuses_judged",
        "reuses",
        ["tenant", "model_hash", "judged"],
        sqlite_where=judged,
        postgresql_where=judged,
    )


def downgrade() -> None:
    """Drop them. The counters stay, so that no number is given twice."""
    op.drop_table("reuses")
    op.drop_index("vectors_by_digest", "vectors")
    op.drop_column("vectors", "digest")
