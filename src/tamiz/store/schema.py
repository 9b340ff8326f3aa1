"""The version of the tables: looked at on every start, moved by Alembic when it is behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from tamiz.domain.errors import StoreVersionError

HEAD = "0006"
"""The revision that this version of Tamiz works with."""

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number does; all processes that may migrate one database must agree on it.
_ADVISORY_LOCK = 7_469_617_001


def bring_up(connection: Connection, place: str) -> None:
    """Make the tables those of `HEAD`, in one transaction: killed midway, it leaves those of before.

    `place` names the database in messages. StoreVersionError where its tables are newer than this version of Tamiz.
    """
    with connection.begin():
        _one_at_a_time(connection)
        found = version(connection)
        if found == HEAD:
            return
        if found and found not in _known():
            raise StoreVersionError(
                path=place,
                found=found,
                needed=HEAD,
                way="Use the version of Tamiz that wrote it, or a newer one.",
            )
        migrate(connection, HEAD)


def version(connection: Connection) -> str:
    """The revision of the tables; empty where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def migrate(connection: Connection, revision: str) -> None:
    """Move the tables up or down to a revision (`base`: none) inside the transaction that is open."""
    from alembic import command  # 0.3 s to import, and needed once per version

    move = command.upgrade if revision != "base" and revision >= version(connection) else command.downgrade
    move(_config(connection), revision)


def _known() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()}


def _config(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _one_at_a_time(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
