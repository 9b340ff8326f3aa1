"""One person's data: found by looking through all that is kept of every ticket, erased ticket by ticket.

Raw text is opened in memory, a batch at a time, and only the reason of a find is kept. An index of addresses would be
faster and would itself be personal data in the clear.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from tamiz.domain.records import AuditEntry
from tamiz.domain.ticket import Ticket
from tamiz.store.tx import SqlStore, SqlTx
from tamiz.store.upkeep import CHUNK, Erasure, remove
from tamiz.text.mentions import Person, readable

_TICKETS = """
SELECT id, subject, body, external_id, request_key FROM tickets WHERE tenant = :tenant AND id > :after
ORDER BY id LIMIT :limit
"""
_APART = "\n" * 8
"""Between texts that are looked through at once: no name reaches across."""
_DERIVED = {
    "triage": "SELECT data FROM triages WHERE tenant = :tenant AND ticket_id = :id",
    "correction": 'SELECT value, "before", note FROM corrections WHERE tenant = :tenant AND ticket_id = :id',
    "outbox": """
        SELECT wanted, "before", leaves, reason, note FROM outbox WHERE tenant = :tenant AND ticket_id = :id
    """,
}


@dataclass(frozen=True, slots=True)
class Trace:
    """A ticket that belongs to a person or speaks of one: `where` is requester, text, view, triage, correction, outbox."""

    ticket_id: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found, how many tickets it went through, those of which not everything could be read, and the API keys
    whose name is the person's."""

    traces: tuple[Trace, ...]
    tickets: int
    unread: tuple[str, ...]
    keys: tuple[str, ...]


def find(
    store: SqlStore, tenant: str, person: Person, told: Callable[[int], None] = lambda n: None
) -> Search:
    """Look through a tenant's tickets for a person. `told` hears how many were looked through, batch by batch.

    StoreError where raw text cannot be opened.
    """
    traces: list[Trace] = []
    unread: list[str] = []
    tickets, after = 0, ""
    while rows := store.read(partial(_kept, tenant=tenant, after=after)):
        for row in rows:
            complete, where = _traced(row, person)
            unread += [] if complete else [row.ticket_id]
            traces += [Trace(row.ticket_id, where)] if where else []
        tickets, after = tickets + len(rows), rows[-1].ticket_id
        told(len(rows))
    keys = store.read(lambda tx: tx.keys.all(tenant))
    named = tuple(key.id for key in keys if person.in_any([key.name]))
    return Search(tuple(traces), tickets, tuple(unread), named)


def erase_person(
    store: SqlStore, tenant: str, person: Person, found: Search, actor: str, at: datetime
) -> Erasure:
    """Erase what was found, CHUNK tickets at a time, so that a search that follows finds nothing. The audit trail keeps an
    entry per ticket, and one of the whole with counts and, where there is a vault key, a keyed hash of the address."""
    gone = 0
    for start in range(0, len(found.traces), CHUNK):
        ids = [trace.ticket_id for trace in found.traces[start : start + CHUNK]]
        gone += store.change(partial(_erased, tenant=tenant, ids=ids, actor=actor, at=at))
    counts = {"erased": str(gone), "searched": str(found.tickets), "unread": str(len(found.unread))}

    def conclude(tx: SqlTx) -> None:
        tag = tx.vault.tag(tenant, person.address) if person.address else ""
        detail = {**counts, **({"person": tag} if tag else {})}
        tx.audit.add(AuditEntry(tenant, at, actor, "erase_person", "", detail))

    store.change(conclude)
    return Erasure(gone, store.scrub())


@dataclass(frozen=True, slots=True)
class _Kept:
    """All that is kept of a ticket: its raw form (None where its data key was dropped), and by place what was made of it."""

    ticket_id: str
    raw: Ticket | None
    derived: dict[str, list[str]]


def _kept(tx: SqlTx, tenant: str, after: str) -> list[_Kept]:
    rows = tx.sql.all(_TICKETS, tenant=tenant, after=after, limit=CHUNK)
    raw = {ticket.id: ticket for ticket in tx.tickets.raw([(tenant, row[0]) for row in rows])}
    found = []
    for ticket_id, *view in rows:
        derived = {
            place: [_APART.join(_texts(row)) for row in tx.sql.all(query, tenant=tenant, id=ticket_id)]
            for place, query in _DERIVED.items()
        }
        found.append(_Kept(ticket_id, raw.get(ticket_id), {"view": view, **derived}))
    return found


def _traced(kept: _Kept, person: Person) -> tuple[bool, tuple[str, ...]]:
    """Whether all of it could be read, and where the person stands."""
    where, complete = [], False
    if kept.raw is not None:
        message = kept.raw.message
        read = readable(message)
        complete = read.complete
        asks = person.asks(message.requester) or person.in_any([message.requester])
        where += ["requester"] if asks else []
        where += ["text"] if person.in_any(read.texts) else []
    where += [place for place, texts in kept.derived.items() if person.in_any(texts)]
    return complete, tuple(where)


def _erased(tx: SqlTx, tenant: str, ids: list[str], actor: str, at: datetime) -> int:
    for ticket_id in ids:
        tx.audit.add(AuditEntry(tenant, at, actor, "erase", ticket_id, {"reason": "person"}))
    return remove(tx, [(tenant, ticket_id) for ticket_id in ids])


def _texts(row: Iterable[Any]) -> Iterator[str]:
    """The strings of a row, also those inside of JSON."""
    for value in row:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                yield from _strings(json.loads(value))
            except ValueError:
                yield value
        elif isinstance(value, str):
            yield value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
