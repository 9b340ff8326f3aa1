"""Pages of tickets, newest first, at a cost that does not grow with the table.

One index is ordered by status, another by desk. A page asks for each wanted status by itself, at most `limit` rows, and
merges: a single query over several statuses would sort all tickets that have them.
"""

from __future__ import annotations

from typing import Any

from tamiz.domain.records import TicketQuery, TicketRecord
from tamiz.domain.status import Status
from tamiz.store.sql import Sql, micros
from tamiz.store.ticket_rows import COLUMNS, record

_PLACE = "SELECT received_at FROM tickets WHERE tenant = :tenant AND id = :id"
_NEWEST_FIRST = "ORDER BY received_at DESC, id DESC LIMIT :limit"


def page(sql: Sql, tenant: str, query: TicketQuery) -> list[TicketRecord]:
    """The tickets that the query asks for; none behind a ticket that is not there."""
    where, values = ["tenant = :tenant"], {"tenant": tenant, "limit": query.limit}
    if query.since is not None:
        where.append("received_at >= :since")
        values["since"] = micros(query.since)
    if query.until is not None:
        where.append("received_at < :until")
        values["until"] = micros(query.until)
    if query.after:
        place = sql.one(_PLACE, tenant=tenant, id=query.after)
        if place is None:
            return []
        where.append("(received_at, id) < (:place, :after)")
        values |= {"place": place[0], "after": query.after}
    statuses = sorted(query.statuses or Status)
    if query.desk:
        rows = _of_desk(sql, where, {**values, "desk": query.desk}, statuses)
    else:
        rows = _of_statuses(sql, where, values, statuses)
    return [record(row) for row in rows]


def _of_desk(sql: Sql, where: list[str], values: dict[str, Any], statuses: list[Status]) -> list[Any]:
    names = {f"status{i}": status.value for i, status in enumerate(statuses)}
    # Spelled so that no engine takes the index by status, whose rows it would have to sort.
    wanted = f"status || '' IN ({', '.join(f':{name}' for name in names)})"
    return list(_rows(sql, [*where, "desk = :desk", wanted], {**values, **names}))


def _of_statuses(sql: Sql, where: list[str], values: dict[str, Any], statuses: list[Status]) -> list[Any]:
    found = [
        row
        for status in statuses
        for row in _rows(sql, [*where, "status = :status"], {**values, "status": status.value})
    ]
    newest = sorted(found, key=lambda row: (row[8], row[0]), reverse=True)
    return newest[: values["limit"]]


def _rows(sql: Sql, where: list[str], values: dict[str, Any]) -> Any:
    return sql.all(f"SELECT {COLUMNS} FROM tickets WHERE {' AND '.join(where)} {_NEWEST_FIRST}", **values)
