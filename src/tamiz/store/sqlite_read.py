"""Reading the embedded store: read-only connections, which neither write nor checkpoint.

`SqliteReader` is for a process beside the service that has the folder. It takes no lock of the folder: one process writes,
any number may look. Between two looks it holds nothing, so that the writer can empty its log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from tamiz.domain.errors import StoreError, StoreUnavailableError, StoreVersionError
from tamiz.store.faults import disk_faults
from tamiz.store.schema import HEAD, version
from tamiz.store.sql import Dictionary
from tamiz.store.tx import SqlTx
from tamiz.store.vault import Vault

T = TypeVar("T")

DATABASE = "tamiz.sqlite"
BUSY_MS = 5_000
_PRAGMAS = {"busy_timeout": BUSY_MS, "query_only": "ON", "wal_autocheckpoint": 0}


class SqliteReader:
    """The Reader port over the folder of a store, also while a service has it. StoreUnavailableError where there is no
    store; StoreVersionError where its tables are not those of this version; StoreError where the raw text is encrypted and
    `vault` has another key."""

    def __init__(self, folder: Path, vault: Vault = Vault()) -> None:  # noqa: B008 - frozen
        self.vault = vault
        self.path = folder / DATABASE
        if not self.path.is_file():
            raise StoreUnavailableError(reason=f"there is none at {folder}")
        self._reading = engine(lambda: open_reader(self.path), "BEGIN")
        self._dictionary = Dictionary(self._reading.dialect, locks=False)
        self._closed = False
        with disk_faults(), self._reading.begin() as connection:
            found = version(connection)
            if found != HEAD:
                way = "Start the service once, which brings its tables up to date."
                raise StoreVersionError(path=self.path, found=found or "none", needed=HEAD, way=way)
            vault.check(self._tx(connection).sql)

    def read(self, work: Callable[[SqlTx], T]) -> T:
        """Run the closure on a snapshot of what is committed."""
        if self._closed:
            raise StoreUnavailableError(reason="it is closed")
        with disk_faults(), no_writing(), self._reading.begin() as connection:
            return work(self._tx(connection))

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._reading.dispose()

    def _tx(self, connection: Connection) -> SqlTx:
        return SqlTx.over(connection, self._dictionary, self.vault)


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    return with_pragmas(connection, _PRAGMAS)


def engine(connect: Callable[[], sqlite3.Connection], begin: str, pool_size: int = 0) -> Engine:
    """An engine whose transactions begin as told: the driver's own habit is to begin before some statements only. Without
    a pool a connection is closed after use."""
    pool: dict[str, Any] = {"poolclass": NullPool}
    if pool_size:
        pool = {"poolclass": QueuePool, "pool_size": pool_size, "max_overflow": 0}
    made = create_engine("sqlite://", creator=connect, paramstyle="named", hide_parameters=True, **pool)
    event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
    return made


def with_pragmas(connection: sqlite3.Connection, pragmas: dict[str, Any]) -> sqlite3.Connection:
    """The connection, once it is set up."""
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    return connection


@contextmanager
def no_writing() -> Iterator[None]:
    """StoreError where a closure given to read has written."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY:
            raise
        raise StoreError(reason="a closure given to read has written") from error
