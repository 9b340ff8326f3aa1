"""Reused answers in SQL."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tamiz.domain.records import Record, Reuse, Verdict
from tamiz.domain.triage import Tier
from tamiz.store.sql import Sql, insert_into, micros, moment
from tamiz.store.tables import REUSES

_PUT = insert_into(
    REUSES,
    """ON CONFLICT (tenant, ticket_id) DO UPDATE SET source_id = excluded.source_id, model_hash = excluded.model_hash,
    tier = excluded.tier, similarity = excluded.similarity, at = excluded.at, again = excluded.again,
    verdict = excluded.verdict, judged = excluded.judged""",
)
_COLUMNS = "tenant, ticket_id, source_id, model_hash, tier, similarity, at, again, verdict"
_OF = f"SELECT {_COLUMNS} FROM reuses WHERE tenant = :tenant AND ticket_id = :id"
_JUDGE = """
UPDATE reuses SET verdict = :verdict, judged = :judged WHERE tenant = :tenant AND ticket_id = :id AND verdict <> 'wrong'
"""
_DISPUTED = "SELECT 1 FROM reuses WHERE tenant = :tenant AND source_id = :id AND verdict = 'wrong' LIMIT 1"
_OF_SOURCE = f"""
SELECT {_COLUMNS} FROM reuses WHERE tenant = :tenant AND source_id = :id ORDER BY ticket_id LIMIT :limit
"""
_RECORD = """
SELECT COUNT(*), COALESCE(SUM(CASE WHEN verdict = 'wrong' THEN 1 ELSE 0 END), 0) FROM (
    SELECT verdict FROM reuses WHERE tenant = :tenant AND model_hash = :model_hash AND judged > 0
    ORDER BY judged DESC LIMIT :newest
) AS newest
"""
_TURN = "reuses judged"


class SqlReuses:
    """The Reuses port. `judged` counts the tenant's verdicts, so that the newest are found without reading the others."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def put(self, reuse: Reuse) -> None:
        """A reuse, in place of an earlier one of the ticket."""
        self._sql.run(
            _PUT,
            tenant=reuse.tenant,
            ticket_id=reuse.ticket_id,
            source_id=reuse.source_id,
            model_hash=reuse.model_hash,
            tier=reuse.tier.value,
            similarity=reuse.similarity,
            at=micros(reuse.at),
            again=int(reuse.again),
            verdict=reuse.verdict.value,
            judged=self._sql.next_number(reuse.tenant, _TURN) if reuse.verdict else 0,
        )

    def of(self, tenant: str, ticket_id: str) -> Reuse | None:
        """Where a ticket's answer came from."""
        row = self._sql.one(_OF, tenant=tenant, id=ticket_id)
        return None if row is None else _reuse(row)

    def judge(self, tenant: str, ticket_id: str, verdict: Verdict) -> bool:
        """Say whether the answer was right; that it was wrong is never taken back."""
        if self.of(tenant, ticket_id) is None:
            return False
        judged = self._sql.next_number(tenant, _TURN)
        self._sql.run(_JUDGE, tenant=tenant, id=ticket_id, verdict=verdict.value, judged=judged)
        return True

    def disputed(self, tenant: str, sources: Collection[str]) -> set[str]:
        """Those of these tickets whose answer was wrong for a ticket that it was served to."""
        return {name for name in sources if self._sql.one(_DISPUTED, tenant=tenant, id=name) is not None}

    def of_source(self, tenant: str, source_id: str, limit: int = 1000) -> list[Reuse]:
        """The reuses of a ticket's answer, by the id of the ticket that got it."""
        return [_reuse(row) for row in self._sql.all(_OF_SOURCE, tenant=tenant, id=source_id, limit=limit)]

    def record(self, tenant: str, model_hash: str, newest: int) -> Record:
        """The newest judged reuses of a model's answers."""
        row = self._sql.one(_RECORD, tenant=tenant, model_hash=model_hash, newest=newest)
        assert row is not None
        return Record(int(row[0]), int(row[1]))


def _reuse(row: Any) -> Reuse:
    tenant, ticket_id, source_id, model_hash, tier, similarity, at, again, verdict = row
    return Reuse(
        tenant,
        ticket_id,
        source_id,
        model_hash,
        Tier(tier),
        similarity,
        moment(at),
        bool(again),
        Verdict(verdict),
    )
