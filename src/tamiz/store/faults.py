"""Which failures of SQLite mean that the disk is at fault, and not the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tamiz.domain.errors import StoreUnavailableError

_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def unavailable(error: BaseException) -> StoreUnavailableError | None:
    """The error to raise instead where the disk failed, None where something else is wrong."""
    orig = error.orig if isinstance(error, DBAPIError) else error
    # The low byte is the primary code; the others tell, say, a failed fsync from a failed read.
    if isinstance(orig, sqlite3.Error) and getattr(orig, "sqlite_errorcode", 0) & 0xFF in _CODES:
        return StoreUnavailableError(reason=str(orig))
    if isinstance(orig, OSError | PoolTimeoutError):
        return StoreUnavailableError(reason=str(orig))
    return None


@contextmanager
def disk_faults() -> Iterator[None]:
    """Raise StoreUnavailableError for what the disk did; let everything else pass."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        down = unavailable(error)
        if down is None:
            raise
        raise down from error
