"""Group commit: one thread, one writing connection, many closures per transaction.

A commit to disk costs milliseconds, a ticket's rows some 0.1 ms. So the writer takes all closures that wait, runs them in
one transaction, commits once and only then tells their callers. It hopes that all of them succeed; if one raises, the
whole transaction is undone and run again with a savepoint for each closure, so that only the failing one is lost.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tamiz.domain.errors import StoreUnavailableError
from tamiz.store.events import Commits
from tamiz.store.faults import unavailable
from tamiz.store.tx import SqlTx

T = TypeVar("T")

MOST = 256
"""Closures per commit at most: beyond some dozens a bigger group gains nothing and makes the last one wait."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A closure over the transaction, or `alone` over the connection between two transactions."""

    work: Callable[[Any], Any]
    future: Future[Any]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a future will hold once the commit is on disk."""

    value: Any = None
    error: BaseException | None = None

    def settle(self, future: Future[Any]) -> None:
        if self.error is None:
            future.set_result(self.value)
        else:
            future.set_exception(self.error)


class GroupWriter:
    """The only one who writes. `connect` opens the writing connection, now and again after a failure of the disk;
    `after` runs on it after every commit, when the callers have their answers; `commits` does the commits."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        over: Callable[[Connection], SqlTx],
        after: Callable[[Connection], None],
        commits: Commits,
    ) -> None:
        self._connect, self._over, self._after, self._commits = connect, over, after, commits
        self._connection: Connection | None = connect()
        self._waiting: deque[_Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="tamiz-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[SqlTx], T]) -> Future[T]:
        """Have the closure run in a transaction. StoreUnavailableError when closed."""
        return self._put(_Item(work, Future()))

    def between(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have the closure run on the writing connection while no transaction is open."""
        return self._put(_Item(work, Future(), alone=True))

    def close(self) -> None:
        """Commit what was accepted, end the thread and close the connection."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _put(self, item: _Item) -> Future[Any]:
        with self._changed:
            if self._closed:
                raise StoreUnavailableError(reason="it is closed")
            self._waiting.append(item)
            self._changed.notify()
        return item.future

    def _run(self) -> None:
        while batch := self._take():
            started = [item for item in batch if item.future.set_running_or_notify_cancel()]
            if started:
                self._serve(started)
        self._let_go()

    def _take(self) -> list[_Item]:
        """What waits, at most `MOST`, or one closure that wants to be alone; nothing at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch: list[_Item] = []
            while self._waiting and len(batch) < MOST and not (batch and self._waiting[0].alone):
                batch.append(self._waiting.popleft())
                if batch[0].alone:
                    break
            return batch

    def _serve(self, batch: list[_Item]) -> None:
        try:
            connection = self._connection = self._connection or self._connect()
            outcomes = self._outcomes(connection, batch)
        except (SQLAlchemyError, sqlite3.Error, OSError, StoreUnavailableError) as error:
            self._let_go()
            outcomes = [_Outcome(error=unavailable(error) or error)] * len(batch)
        for item, outcome in zip(batch, outcomes, strict=True):
            outcome.settle(item.future)
        if self._connection is not None:
            self._tidy(self._connection)

    def _outcomes(self, connection: Connection, batch: list[_Item]) -> list[_Outcome]:
        if batch[0].alone:
            return [_attempt(batch[0].work, connection.connection.driver_connection)]
        tx = self._over(connection)
        return _together(connection, tx, batch, self._commits) or _apart(connection, tx, batch, self._commits)

    def _tidy(self, connection: Connection) -> None:
        """What was committed stays so whatever happens here; a full disk will be told to the next caller."""
        try:
            self._after(connection)
        except sqlite3.OperationalError:
            self._let_go()

    def _let_go(self) -> None:
        """Close the connection and with it whatever state a failure left it in."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _together(connection: Connection, tx: SqlTx, batch: list[_Item], commits: Commits) -> list[_Outcome]:
    """All closures in one transaction; nothing where one of several failed and all are undone."""
    outcomes: list[_Outcome] = []
    with connection.begin() as transaction:
        for item in batch:
            outcomes.append(_attempt(item.work, tx))
            if outcomes[-1].error is not None:
                transaction.rollback()
                return outcomes if len(batch) == 1 else []
        commits.commit(transaction, len(batch))
    return outcomes


def _apart(connection: Connection, tx: SqlTx, batch: list[_Item], commits: Commits) -> list[_Outcome]:
    """All closures in one transaction, each behind a savepoint."""
    outcomes: list[_Outcome] = []
    with connection.begin() as transaction:
        for item in batch:
            savepoint = connection.begin_nested()
            outcomes.append(_attempt(item.work, tx))
            if outcomes[-1].error is None:
                savepoint.commit()
            else:
                savepoint.rollback()
        commits.commit(transaction, len(batch))
    return outcomes


def _attempt(work: Callable[[Any], Any], argument: Any) -> _Outcome:
    """StoreUnavailableError where the disk fails: then no other closure can do better."""
    try:
        return _Outcome(work(argument))
    except BaseException as error:  # as any future: what a closure raises belongs to its caller
        down = unavailable(error)
        if down is not None:
            raise down from error
        return _Outcome(error=error)
