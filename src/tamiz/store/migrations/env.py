"""Alembic's entry: run the migrations over the connection that `tamiz.store.schema` hands in, in one transaction."""

from __future__ import annotations

from alembic import context

from tamiz.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can undo a CREATE TABLE as well; Alembic does not take it for granted.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
