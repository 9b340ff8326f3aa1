"""The store on a PostgreSQL server, for more than one process.

Each closure has its own transaction, READ COMMITTED: a ticket that a closure reads stays locked until it ends, and rows of
`counters` keep sequences without gaps, so tenants do not wait for one another. Closures that get in each other's way are
run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import psycopg
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from tamiz.domain.errors import ConfigError, StoreError, StoreUnavailableError
from tamiz.domain.storage import Tx
from tamiz.store.events import Commits, Hook, deaf
from tamiz.store.schema import bring_up
from tamiz.store.sql import Dictionary
from tamiz.store.tx import SqlTx
from tamiz.store.vault import Vault

T = TypeVar("T")

WRITERS = 8
"""Transactions at the same time; other closures wait in a queue of this process."""
READERS = 8
TRIES = 20
"""How often a closure runs at most when others are in its way."""

_IN_THE_WAY = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_DOWN = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeoutError)
_SCRUBBED = ["tickets", "triages", "corrections", "jobs", "outbox", "data_keys", "vectors", "near_vectors"]
_THERE = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(%(names)s)"


class PostgresStore:
    """The Store port over a server's database; `url` is `postgresql://user:password@host:port/database`.

    Opening it brings the tables up to date. StoreVersionError, StoreUnavailableError; ConfigError for a broken address;
    StoreError where the raw text is encrypted and `vault` has another key. `hook` hears of commits.
    """

    def __init__(self, url: str, vault: Vault = Vault(), hook: Hook = deaf) -> None:  # noqa: B008 - frozen
        self.vault, self._commits = vault, Commits(hook)
        try:
            address = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise ConfigError(key="store.url", mistake="not an address of a database") from error
        self._engine = create_engine(
            address,
            isolation_level="READ COMMITTED",
            pool_size=WRITERS + READERS,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,  # a message must not quote a ticket
        )
        event.listen(self._engine, "connect", _durable)
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._writes = Dictionary(self._engine.dialect, locks=True)
        self._reads = Dictionary(self._engine.dialect, locks=False)
        self._closed = False
        with ExitStack() as opened:
            opened.callback(self._engine.dispose)
            self._prepare(address.render_as_string(hide_password=True))
            opened.pop_all()
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="tamiz-store-writer")

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Have the closure run in a transaction of its own."""
        return self._submit(work)

    def write(self, work: Callable[[Tx], T]) -> T:
        """`submit`, and wait."""
        return self._submit(work).result()

    def change(self, work: Callable[[SqlTx], T]) -> T:
        """`write` with the SQL under it."""
        return self._submit(work).result()

    def read(self, work: Callable[[SqlTx], T]) -> T:
        """Run the closure on a snapshot of what is committed."""
        self._check_open()
        with _server_faults(), self._reading.begin() as connection:
            return work(SqlTx.over(connection, self._reads, self.vault))

    def scrub(self) -> bool:
        """Have the server drop deleted rows from its files; its own logs and copies keep them for their time."""
        self._check_open()
        vacuum = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with _server_faults(), vacuum.connect() as connection:
            for (table,) in connection.exec_driver_sql(_THERE, {"names": _SCRUBBED}).fetchall():
                connection.exec_driver_sql(f"VACUUM {table}")
        return True

    def close(self) -> None:
        """Commit what was accepted and end the connections."""
        self._closed = True
        self._pool.shutdown(wait=True)
        self._engine.dispose()

    def _prepare(self, place: str) -> None:
        with _server_faults(), self._engine.connect() as connection:
            bring_up(connection, place)
        with _server_faults(), self._reading.begin() as connection:
            self.vault.check(SqlTx.over(connection, self._reads, self.vault).sql)

    def _submit(self, work: Callable[[SqlTx], T]) -> Future[T]:
        self._check_open()
        try:
            return self._pool.submit(self._run, work)
        except RuntimeError as error:  # closed between the check and here
            raise StoreUnavailableError(reason="it is closed") from error

    def _run(self, work: Callable[[SqlTx], T]) -> T:
        with _server_faults():
            for _ in range(TRIES - 1):
                try:
                    return self._once(work)
                except (DBAPIError, psycopg.Error) as error:
                    if not isinstance(_driver_error(error), _IN_THE_WAY):
                        raise
            return self._once(work)

    def _once(self, work: Callable[[SqlTx], T]) -> T:
        with self._engine.connect() as connection, connection.begin() as transaction:
            found = work(SqlTx.over(connection, self._writes, self.vault))
            self._commits.commit(transaction, 1)
            return found

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError(reason="it is closed")


def _durable(connection: psycopg.Connection[tuple[object, ...]], _: ConnectionPoolEntry) -> None:
    """An acknowledged commit is on disk even where the server is set to acknowledge earlier."""
    with connection.cursor() as cursor:
        row = cursor.execute("SHOW synchronous_commit").fetchone()
        if row == ("off",):
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _driver_error(error: Exception) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


@contextmanager
def _server_faults() -> Iterator[None]:
    """Raise StoreUnavailableError where the server failed or cannot be reached; let everything else pass."""
    try:
        yield
    except (DBAPIError, psycopg.Error, PoolTimeoutError) as error:
        orig = _driver_error(error)
        if isinstance(orig, psycopg.errors.ReadOnlySqlTransaction):
            raise StoreError(reason="a closure given to read has written") from error
        if not isinstance(orig, _DOWN):
            raise
        raise StoreUnavailableError(reason=str(orig).strip()) from error
