"""Which model each tenant has taken into use, and those before it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "models",
        *_text("tenant"),
        sa.Column("number", sa.Integer, nullable=False),
        *_text("name", "content_hash", "classes_hash", "prose_hash"),
        sa.Column("at", sa.BigInteger, nullable=False),
        *_text("by"),
        sa.PrimaryKeyConstraint("tenant", "number", name="models_pk"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop it; every tenant then has the model of the file pointer."""
    op.drop_table("models")
