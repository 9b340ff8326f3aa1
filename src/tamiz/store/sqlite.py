"""The embedded store: one folder, one process, one writing connection.

SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write and checkpoint at once; so the writer alone
writes and checkpoints, readers open the file read-only, and a lock keeps a second process out.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from tamiz.domain.errors import StoreUnavailableError
from tamiz.domain.storage import Tx
from tamiz.store.events import Commits, Hook, deaf
from tamiz.store.faults import disk_faults
from tamiz.store.lock import FolderLock, sync
from tamiz.store.log_state import damage, index_of, log_of
from tamiz.store.schema import bring_up
from tamiz.store.sql import Dictionary
from tamiz.store.sqlite_read import BUSY_MS, DATABASE, engine, no_writing, open_reader, with_pragmas
from tamiz.store.tx import SqlTx
from tamiz.store.vault import Vault
from tamiz.store.writer import GroupWriter

T = TypeVar("T")

READERS = 16
"""Reading connections at most; another reader waits for one of them."""

_WAL_BYTES = 8 << 20
"""Size of the log from which the writer copies it into the database; a long log slows readers and a crash's recovery."""
_SCRUB_MS = 1_000
"""How long `scrub`, which nobody can write beside, waits for readers to finish."""

_WRITER_PRAGMAS = {
    "busy_timeout": BUSY_MS,
    "synchronous": "FULL",
    "fullfsync": "ON",
    "secure_delete": "ON",
    "foreign_keys": "ON",
    "wal_autocheckpoint": 0,
    "journal_size_limit": _WAL_BYTES // 2,
}


class SqliteStore:
    """The Store port over a folder, which is made where there is none.

    Opening it brings the tables up to date. StoreLockedError, StoreVersionError, StoreUnavailableError; StoreError where
    the raw text is encrypted and `vault` has another key. `hook` hears of commits and of a log that was not whole.
    """

    def __init__(self, folder: Path, vault: Vault = Vault(), hook: Hook = deaf) -> None:  # noqa: B008 - frozen
        self.vault = vault
        self.path = folder / DATABASE
        with ExitStack() as opened:
            self.lock = _folder_lock(folder)
            opened.callback(self.lock.release)
            self._writing = engine(self._open_writer, "BEGIN IMMEDIATE")
            self._reading = engine(lambda: open_reader(self.path), "BEGIN", READERS)
            opened.callback(self._reading.dispose)
            self._dictionary = Dictionary(self._writing.dialect, locks=False)
            self._prepare(hook)
            self._writer = GroupWriter(self._writing.connect, self._tx, self._checkpoint, Commits(hook))
            opened.pop_all()
        self._closed = False

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Have the closure run in the next transaction."""
        return self._writer.submit(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        """`submit`, and wait."""
        return self._writer.submit(work).result()

    def change(self, work: Callable[[SqlTx], T]) -> T:
        """`write` with the SQL under it."""
        return self._writer.submit(work).result()

    def read(self, work: Callable[[SqlTx], T]) -> T:
        """Run the closure on a snapshot of what is committed."""
        if self._closed:
            raise StoreUnavailableError(reason="it is closed")
        with disk_faults(), no_writing(), self._reading.begin() as connection:
            return work(self._tx(connection))

    def scrub(self) -> bool:
        """Empty the log, where deleted text may still stand; False where a reader was in the way."""
        return self._writer.between(_scrub).result()

    def close(self) -> None:
        """Commit what was accepted, empty the log and let go of the folder."""
        if self._closed:
            return
        self._closed = True
        self._reading.dispose()
        self._writer.close()
        self.lock.release()

    def _prepare(self, hook: Hook) -> None:
        with disk_faults():
            index, log = index_of(self.path), log_of(self.path)
        with disk_faults(), self._writing.connect() as connection:
            if index is not None or log is not None:
                wrong = damage(index, log, _frames(driver(connection)))
                if wrong is not None:
                    hook(wrong)
            bring_up(connection, str(self.path))
            with connection.begin():
                self.vault.check(self._tx(connection).sql)

    def _tx(self, connection: Connection) -> SqlTx:
        return SqlTx.over(connection, self._dictionary, self.vault)

    def _open_writer(self) -> sqlite3.Connection:
        # The log and its index take the mode of the database.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            connection.close()
            raise StoreUnavailableError(reason=f"{self.path} lies where a write-ahead log cannot be kept")
        return with_pragmas(connection, _WRITER_PRAGMAS)

    def _checkpoint(self, connection: Connection) -> None:
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size > _WAL_BYTES:
            driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def driver(connection: Connection) -> sqlite3.Connection:
    """The sqlite3 connection under SQLAlchemy's."""
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def _folder_lock(folder: Path) -> FolderLock:
    with disk_faults():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)  # or a power cut could take a new folder away with all that is in it
        return FolderLock(folder)


def _frames(connection: sqlite3.Connection) -> int:
    """How many frames of the log SQLite could use when it opened it, -1 where it cannot say: it tells only while it
    copies them, for which a full disk has no room. Nothing is lost by that."""
    try:
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
    except sqlite3.OperationalError:
        return -1


def _scrub(connection: sqlite3.Connection) -> bool:
    connection.execute(f"PRAGMA busy_timeout = {_SCRUB_MS}")
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not busy
