"""One transaction: the repositories over a connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tamiz.domain.storage import Store
from tamiz.store.audit import SqlAudit
from tamiz.store.jobs import SqlJobs
from tamiz.store.keys import SqlKeys
from tamiz.store.models import SqlModels
from tamiz.store.outbox import SqlOutbox
from tamiz.store.reuses import SqlReuses
from tamiz.store.sql import Dictionary, Sql
from tamiz.store.tickets import SqlTickets
from tamiz.store.vault import Vault
from tamiz.store.vectors import SqlVectors
from tamiz.store.words import SqlWords

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlTx:
    """The Tx port, and what upkeep needs beside it."""

    tickets: SqlTickets
    jobs: SqlJobs
    keys: SqlKeys
    audit: SqlAudit
    outbox: SqlOutbox
    models: SqlModels
    vectors: SqlVectors
    reuses: SqlReuses
    words: SqlWords
    sql: Sql
    vault: Vault

    @classmethod
    def over(cls, connection: Connection, dictionary: Dictionary, vault: Vault) -> SqlTx:
        """The repositories; they keep nothing between transactions."""
        sql = Sql(connection, dictionary)
        tickets = SqlTickets(sql, vault)
        return cls(
            tickets,
            SqlJobs(sql),
            SqlKeys(sql),
            SqlAudit(sql),
            SqlOutbox(sql),
            SqlModels(sql),
            SqlVectors(sql),
            SqlReuses(sql),
            SqlWords(sql, tickets),
            sql,
            vault,
        )


class SqlStore(Store, Protocol):
    """A store in SQL, as upkeep sees it."""

    def change(self, work: Callable[[SqlTx], T]) -> T:
        """`write` with the SQL under it."""
        ...

    def read(self, work: Callable[[SqlTx], T]) -> T:
        """Run the closure on a snapshot, with the SQL under it; it must not write."""
        ...

    def scrub(self) -> bool:
        """Overwrite what deleted rows left in the files; False where a reader was in the way."""
        ...
