"""The reused answers of the store in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tamiz.domain.records import Record, Reuse, Verdict
from tamiz.testing.memory_table import Journal, Table


class MemoryReuses:
    """The Reuses port."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Table[tuple[str, str], Reuse] = Table(journal)
        self._judged: Table[tuple[str, str], int] = Table(journal)
        self._turns: Table[str, int] = Table(journal)

    def put(self, reuse: Reuse) -> None:
        key = (reuse.tenant, reuse.ticket_id)
        self._rows.put(key, reuse)
        if reuse.verdict:
            self._number(key)
        elif self._judged.get(key):
            self._judged.drop(key)

    def of(self, tenant: str, ticket_id: str) -> Reuse | None:
        return self._rows.get((tenant, ticket_id))

    def judge(self, tenant: str, ticket_id: str, verdict: Verdict) -> bool:
        key = (tenant, ticket_id)
        row = self._rows.get(key)
        if row is not None and row.verdict is not Verdict.WRONG:
            self._rows.put(key, replace(row, verdict=verdict))
            self._number(key)
        return row is not None

    def disputed(self, tenant: str, sources: Collection[str]) -> set[str]:
        return {
            row.source_id
            for row in self._rows.rows.values()
            if row.tenant == tenant and row.source_id in sources and row.verdict is Verdict.WRONG
        }

    def of_source(self, tenant: str, source_id: str, limit: int = 1000) -> list[Reuse]:
        found = (
            row for row in self._rows.rows.values() if (row.tenant, row.source_id) == (tenant, source_id)
        )
        return sorted(found, key=lambda row: row.ticket_id)[:limit]

    def record(self, tenant: str, model_hash: str, newest: int) -> Record:
        judged = [
            (number, self._rows.rows[key])
            for key, number in self._judged.rows.items()
            if key[0] == tenant and self._rows.rows[key].model_hash == model_hash
        ]
        last = [row for _, row in sorted(judged, key=lambda pair: -pair[0])[:newest]]
        return Record(len(last), sum(row.verdict is Verdict.WRONG for row in last))

    def _number(self, key: tuple[str, str]) -> None:
        number = (self._turns.get(key[0]) or 0) + 1
        self._turns.put(key[0], number)
        self._judged.put(key, number)
