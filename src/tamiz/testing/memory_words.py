"""Whose words are believed, in the store in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.records import Account, Against, Correction, Hold, TicketRecord, WordQuery
from tamiz.domain.status import Status, give_back
from tamiz.testing.memory_table import Journal, Table
from tamiz.testing.memory_tickets import MemoryTickets

_COUNTED = (Against.MODEL, Against.PEOPLE)


class MemoryWords:
    """The Words port."""

    def __init__(self, journal: Journal, tickets: MemoryTickets) -> None:
        self._tickets = tickets
        self._holds: Table[tuple[str, str], tuple[Hold, ...]] = Table(journal)

    def find(self, tenant: str, query: WordQuery) -> list[Correction]:
        found = [one for one in self._tickets.said(tenant, query.ticket_id) if _matches(one, query)]
        return (found[::-1] if query.newest_first else found)[: query.limit]

    def revoke(
        self, tenant: str, ticket_id: str, sequences: Collection[int], status: Status, by: str, at: datetime
    ) -> TicketRecord:
        record = self._tickets.get(tenant, ticket_id)
        if record is None:
            raise UnknownTicketError(ticket=ticket_id)
        standing = [one for one in self._tickets.said(tenant, ticket_id) if one.revoked_at is None]
        gone = [one for one in standing if one.sequence in sequences]
        for one in gone:
            self._tickets.reword(replace(one, revoked_at=at, revoked_by=by))
        if not gone:
            return record
        left = len(standing) > len(gone)
        return self._tickets.moved(record, record.status if left else give_back(record.status, status), at)

    def release(self, tenant: str, by: str) -> int:
        waiting = [one for one in self.find(tenant, WordQuery(by=by, limit=10**9)) if one.waits]
        for one in waiting:
            self._tickets.reword(replace(one, waits=False))
        return len(waiting)

    def accounts(self, tenant: str) -> list[Account]:
        words = self._tickets.said(tenant)
        names = sorted({one.by for one in words})
        return [_account(name, [one for one in words if one.by == name]) for name in names]

    def hold(self, hold: Hold) -> bool:
        place = (hold.tenant, hold.account)
        before = self._holds.get(place) or ()
        if any(one.lifted_at is None for one in before):
            return False
        self._holds.put(place, (*before, replace(hold, number=len(before) + 1)))
        return True

    def lift(self, tenant: str, account: str, by: str, at: datetime) -> bool:
        *before, last = self._holds.get((tenant, account)) or (None,)
        if last is None or last.lifted_at is not None:
            return False
        lifted = replace(last, lifted_at=at, lifted_by=by)
        self._holds.put((tenant, account), (*(one for one in before if one), lifted))
        return True

    def held(self, tenant: str) -> list[Hold]:
        found = (one for one in self.holds(tenant) if one.lifted_at is None)
        return sorted(found, key=lambda one: one.account)

    def holds(self, tenant: str, account: str = "") -> list[Hold]:
        own = (
            holds
            for (owner, name), holds in self._holds.rows.items()
            if owner == tenant and account in ("", name)
        )
        return sorted((one for holds in own for one in holds), key=_order)


def _order(one: Hold) -> tuple[datetime, str, int]:
    return one.since, one.account, one.number


def _matches(one: Correction, query: WordQuery) -> bool:
    return (
        one.sequence > query.after
        and query.by in ("", one.by)
        and (query.since is None or one.at >= query.since)
        and (query.revoked or one.revoked_at is None)
    )


def _account(name: str, words: list[Correction]) -> Account:
    standing = [one for one in words if one.revoked_at is None]
    return Account(
        name,
        len(words),
        len(words) - len(standing),
        sum(one.waits for one in standing),
        sum(one.against in _COUNTED for one in words),
        max(one.at for one in words),
    )
