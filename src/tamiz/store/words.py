"""Whose words are believed, in SQL."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.records import Account, Correction, Hold, TicketRecord, WordQuery
from tamiz.domain.status import Status, give_back
from tamiz.store.sql import Sql, insert_into, micros, moment
from tamiz.store.tables import HOLDS
from tamiz.store.tickets import SqlTickets
from tamiz.store.word_rows import COLUMNS, correction

_REVOKE = """
UPDATE corrections SET revoked_at = :at, revoked_by = :by
WHERE tenant = :tenant AND sequence = :sequence AND ticket_id = :id AND revoked_at IS NULL
"""
_LEFT = """
SELECT 1 FROM corrections WHERE tenant = :tenant AND ticket_id = :id AND revoked_at IS NULL LIMIT 1
"""
_RELEASE = """
UPDATE corrections SET waits = 0 WHERE tenant = :tenant AND "by" = :by AND waits = 1 AND revoked_at IS NULL
"""
_ACCOUNTS = """
SELECT "by", COUNT(*), COUNT(revoked_at), SUM(CASE WHEN revoked_at IS NULL THEN waits ELSE 0 END),
    SUM(CASE WHEN against IN ('model', 'people') THEN 1 ELSE 0 END), MAX(at)
FROM corrections WHERE tenant = :tenant GROUP BY "by" ORDER BY "by"
"""
_HOLD = 'account, since, reason, "by", lifted_at, lifted_by, number'
_ADD = insert_into(HOLDS)
_NUMBER = "SELECT COALESCE(MAX(number), 0) + 1 FROM holds WHERE tenant = :tenant AND account = :account"
_LIFT = """
UPDATE holds SET lifted_at = :at, lifted_by = :by
WHERE tenant = :tenant AND account = :account AND lifted_at IS NULL
"""
_HELD = f"SELECT {_HOLD} FROM holds WHERE tenant = :tenant AND lifted_at IS NULL ORDER BY account"
_IS_HELD = "SELECT 1 FROM holds WHERE tenant = :tenant AND account = :account AND lifted_at IS NULL"
_ALL = f"SELECT {_HOLD} FROM holds WHERE tenant = :tenant ORDER BY since, account, number"
_OF = f"SELECT {_HOLD} FROM holds WHERE tenant = :tenant AND account = :account ORDER BY number"

# A tenant's row of this counter is all that two transactions that hold accounts back have to wait for.
_TURN = "holds"


class SqlWords:
    """The Words port."""

    def __init__(self, sql: Sql, tickets: SqlTickets) -> None:
        self._sql = sql
        self._tickets = tickets

    def find(self, tenant: str, query: WordQuery) -> list[Correction]:
        """The corrections that a query asks for."""
        where = ["tenant = :tenant", "sequence > :after"]
        values: dict[str, Any] = {"tenant": tenant, "after": query.after, "limit": query.limit}
        if query.ticket_id:
            where.append("ticket_id = :ticket_id")
            values["ticket_id"] = query.ticket_id
        if query.by:
            where.append('"by" = :by')
            values["by"] = query.by
        if query.since is not None:
            where.append("at >= :since")
            values["since"] = micros(query.since)
        if not query.revoked:
            where.append("revoked_at IS NULL")
        order = "sequence DESC" if query.newest_first else "sequence"
        statement = (
            f"SELECT {COLUMNS} FROM corrections WHERE {' AND '.join(where)} ORDER BY {order} LIMIT :limit"
        )
        return [correction(row) for row in self._sql.all(statement, **values)]

    def revoke(
        self, tenant: str, ticket_id: str, sequences: Collection[int], status: Status, by: str, at: datetime
    ) -> TicketRecord:
        """Take words on a ticket back. UnknownTicketError, TransitionError."""
        old = self._tickets.get(tenant, ticket_id)
        if old is None:
            raise UnknownTicketError(ticket=ticket_id)
        place = {"tenant": tenant, "id": ticket_id}
        gone = 0
        for sequence in sorted(set(sequences)):
            gone += self._sql.run(_REVOKE, **place, sequence=sequence, by=by, at=micros(at))
        if not gone:
            return old
        left = self._sql.one(_LEFT, **place) is not None
        return self._tickets.moved(old, old.status if left else give_back(old.status, status), at)

    def release(self, tenant: str, by: str) -> int:
        """The waiting words of an account wait no more."""
        return self._sql.run(_RELEASE, tenant=tenant, by=by)

    def accounts(self, tenant: str) -> list[Account]:
        """Every account that has said something, by name."""
        rows = self._sql.all(_ACCOUNTS, tenant=tenant)
        return [
            Account(by, words, revoked, int(waiting), int(against), moment(newest))
            for by, words, revoked, waiting, against, newest in rows
        ]

    def hold(self, hold: Hold) -> bool:
        """Hold an account back; False where it is held already."""
        self._sql.next_number(hold.tenant, _TURN)
        if self._sql.one(_IS_HELD, tenant=hold.tenant, account=hold.account) is not None:
            return False
        self._sql.run(
            _ADD,
            tenant=hold.tenant,
            account=hold.account,
            number=self._number(hold),
            since=micros(hold.since),
            reason=hold.reason,
            by=hold.by,
            lifted_at=None if hold.lifted_at is None else micros(hold.lifted_at),
            lifted_by=hold.lifted_by,
        )
        return True

    def lift(self, tenant: str, account: str, by: str, at: datetime) -> bool:
        """End the hold of an account; False where it is not held."""
        return self._sql.run(_LIFT, tenant=tenant, account=account, by=by, at=micros(at)) > 0

    def held(self, tenant: str) -> list[Hold]:
        """The holds that nobody has lifted, by account."""
        return [_hold(tenant, row) for row in self._sql.all(_HELD, tenant=tenant)]

    def holds(self, tenant: str, account: str = "") -> list[Hold]:
        """All holds there ever were."""
        rows = (
            self._sql.all(_OF, tenant=tenant, account=account)
            if account
            else self._sql.all(_ALL, tenant=tenant)
        )
        return [_hold(tenant, row) for row in rows]

    def _number(self, hold: Hold) -> int:
        row = self._sql.one(_NUMBER, tenant=hold.tenant, account=hold.account)
        assert row is not None
        return int(row[0])


def _hold(tenant: str, row: Any) -> Hold:
    account, since, reason, by, lifted_at, lifted_by, number = row
    lifted = None if lifted_at is None else moment(lifted_at)
    return Hold(tenant, account, moment(since), reason, by, lifted, lifted_by, number)
