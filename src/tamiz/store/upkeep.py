"""Forgetting: tickets past their time, and those that somebody wants erased.

Both take the raw text, the canonical view, triages, corrections, vectors and jobs; the audit trail keeps ids. Sequence numbers of
erased corrections are not given again. Backups taken before keep what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from tamiz.domain.records import AuditEntry
from tamiz.domain.status import Status
from tamiz.store.sql import micros
from tamiz.store.tx import SqlStore, SqlTx

CHUNK = 200
"""Tickets per transaction: other writers wait for one of them at most."""

_OLD = """
SELECT id FROM tickets WHERE tenant = :tenant AND status = :status AND received_at < :before
ORDER BY received_at LIMIT :limit
"""
_TICKET = "DELETE FROM tickets WHERE tenant = :tenant AND id = :id"
_JOBS = "DELETE FROM jobs WHERE tenant = :tenant AND subject = :id"


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many tickets went, and whether nothing of them is left in the files; if not, `SqlStore.scrub` again later."""

    tickets: int
    scrubbed: bool


def remove(tx: SqlTx, ids: Sequence[tuple[str, str]]) -> int:
    """Delete tickets by (tenant, id) with all that hangs on them, and count those that were there."""
    gone = 0
    for tenant, ticket_id in ids:
        tx.sql.run(_JOBS, tenant=tenant, id=ticket_id)
        gone += tx.sql.run(_TICKET, tenant=tenant, id=ticket_id)
    for tenant in sorted({tenant for tenant, _ in ids}):
        tx.vectors.erased(tenant)
    return gone


def erase(store: SqlStore, ids: Sequence[tuple[str, str]], entries: Sequence[AuditEntry] = ()) -> Erasure:
    """Erase tickets by (tenant, id) everywhere in the store; `entries` go into the audit trail with it."""

    def work(tx: SqlTx) -> int:
        for entry in entries:
            tx.audit.add(entry)
        return remove(tx, ids)

    return Erasure(store.change(work), store.scrub())


def retain(store: SqlStore, tenant: str, since: datetime) -> Erasure:
    """Delete a tenant's tickets that were received before `since`."""
    gone = 0
    for status in Status:
        expire = partial(_expire, tenant=tenant, status=status, since=since)
        while found := store.change(expire):
            gone += found
    return Erasure(gone, store.scrub())


def _expire(tx: SqlTx, tenant: str, status: Status, since: datetime) -> int:
    rows = tx.sql.all(_OLD, tenant=tenant, status=status.value, before=micros(since), limit=CHUNK)
    return remove(tx, [(tenant, row[0]) for row in rows])
