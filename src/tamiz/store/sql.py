"""Fixed SQL over one connection, and the few places where the engines differ.

Statements are written once with `:name` parameters, in the SQL that SQLite and PostgreSQL share, compiled once for each
engine, and run by the driver itself: an insert costs 3 µs of Python instead of 11 (`exec_driver_sql`) or 60 (`execute`).
So errors are the driver's, sqlite3.Error and psycopg.Error; the stores translate them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Table, text
from sqlalchemy.engine import Dialect

LOCK = "/*lock*/"
"""In a SELECT: hold the rows until the transaction ends, so that what is read does not change before it is written."""
SKIP = "/*skip*/"
"""In a SELECT: hold the rows and leave out those that another transaction holds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Microseconds since 1970. ValueError for a moment without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """The UTC moment of `micros`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def insert_into(table: Table, tail: str = "") -> str:
    """An INSERT of every column, its parameters named like them."""
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join(f':{name}' for name in names)}) {tail}".rstrip()


class Dictionary:
    """Statements as one engine wants them. Thread-safe: at worst a statement is compiled twice."""

    def __init__(self, dialect: Dialect, *, locks: bool) -> None:
        self._dialect = dialect
        self._lock = " FOR UPDATE" if locks else ""
        self._skip = " FOR UPDATE SKIP LOCKED" if locks else ""
        self._compiled: dict[str, str] = {}

    def __getitem__(self, statement: str) -> str:
        compiled = self._compiled.get(statement)
        if compiled is None:
            plain = statement.replace(LOCK, self._lock).replace(SKIP, self._skip)
            compiled = self._compiled[statement] = str(text(plain).compile(dialect=self._dialect))
        return compiled


class Cursor(Protocol):
    """What both drivers' cursors can do."""

    @property
    def rowcount(self) -> int: ...

    def executemany(self, statement: str, values: Sequence[dict[str, Any]], /) -> object: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Sql:
    """Runs statements over one connection, in the transaction that it has open."""

    def __init__(self, connection: Connection, dictionary: Dictionary) -> None:
        driver: Any = connection.connection.driver_connection
        self._execute: Callable[[str, dict[str, Any]], Cursor] = driver.execute
        self._cursor: Callable[[], Cursor] = driver.cursor
        self._dictionary = dictionary

    def run(self, statement: str, **values: Any) -> int:
        """The number of rows that it changed."""
        return self._execute(self._dictionary[statement], values).rowcount

    def run_many(self, statement: str, values: Sequence[dict[str, Any]]) -> None:
        """The statement once for each of the values."""
        if values:
            self._cursor().executemany(self._dictionary[statement], values)

    def one(self, statement: str, **values: Any) -> Any | None:
        """The first row, if any."""
        return self._execute(self._dictionary[statement], values).fetchone()

    def all(self, statement: str, **values: Any) -> list[Any]:
        """Every row."""
        return self._execute(self._dictionary[statement], values).fetchall()

    def next_number(self, tenant: str, name: str) -> int:
        """The next number of a tenant's sequence, from 1. The row stays locked until the transaction ends, and a
        transaction that is undone gives its number back: no gaps."""
        row = self.one(_NEXT, tenant=tenant, name=name)
        assert row is not None
        return int(row[0])


_NEXT = """
INSERT INTO counters (tenant, name, value) VALUES (:tenant, :name, 1)
ON CONFLICT (tenant, name) DO UPDATE SET value = counters.value + 1 RETURNING value
"""
