"""The audit trail in SQL: entries are only ever added."""

from __future__ import annotations

import json

from tamiz.domain.chain import link
from tamiz.domain.records import AuditEntry
from tamiz.store.sql import Sql, insert_into, micros, moment
from tamiz.store.tables import AUDIT

_ADD = insert_into(AUDIT)
_CHAIN = "SELECT chain FROM audit WHERE tenant = :tenant AND number = :number"
_AFTER = """
SELECT tenant, at, actor, act, subject, detail, number, chain FROM audit
WHERE tenant = :tenant AND number > :number ORDER BY number LIMIT :limit
"""


class SqlAudit:
    """The Audit port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def add(self, entry: AuditEntry) -> None:
        """Append. The tenant's counter keeps two transactions from taking the same place, and leaves a gap behind it
        where somebody cut off the end."""
        number = self._sql.next_number(entry.tenant, "audit")
        last = self._sql.one(_CHAIN, tenant=entry.tenant, number=number - 1)
        self._sql.run(
            _ADD,
            tenant=entry.tenant,
            number=number,
            at=micros(entry.at),
            actor=entry.actor,
            act=entry.act,
            subject=entry.subject,
            detail=json.dumps(dict(entry.detail)),
            chain=link(entry, number, last[0] if last else ""),
        )

    def after(self, tenant: str, number: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Entries above a number, in order."""
        rows = self._sql.all(_AFTER, tenant=tenant, number=number, limit=limit)
        return [AuditEntry(r[0], moment(r[1]), r[2], r[3], r[4], json.loads(r[5]), r[6], r[7]) for r in rows]
