"""Corrections that can be taken back, and accounts that are held back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """All that people said so far counts."""
    op.add_column("corrections", sa.Column("against", sa.Text, nullable=False, server_default=""))
    op.add_column("corrections", sa.Column("waits", sa.Integer, nullable=False, server_default="0"))
    op.add_column("corrections", sa.Column("revoked_at", sa.BigInteger))
    op.add_column("corrections", sa.Column("revoked_by", sa.Text, nullable=False, server_default=""))
    op.create_index("corrections_by_account", "corrections", ["tenant", "by", "sequence"])
    op.create_table(
        "holds",
        *_text("tenant", "account"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        *_text("reason", "by"),
        sa.Column("lifted_at", sa.BigInteger),
        *_text("lifted_by"),
        sa.PrimaryKeyConstraint("tenant", "account", "number", name="holds_pk"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Words that were taken back go for good: the tables of before would make them count again."""
    op.execute("DELETE FROM corrections WHERE revoked_at IS NOT NULL")
    op.drop_table("holds")
    op.drop_index("corrections_by_account", "corrections")
    for name in ("revoked_by", "revoked_at", "waits", "against"):
        op.drop_column("corrections", name)
