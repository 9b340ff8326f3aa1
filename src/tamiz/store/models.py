"""Which model each tenant has taken into use, in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tamiz.domain.records import Activation
from tamiz.store.sql import Sql, insert_into, micros, moment
from tamiz.store.tables import MODELS

_COLUMNS = 'tenant, name, content_hash, classes_hash, prose_hash, at, "by", number'
_PUSH = insert_into(MODELS)
_TOP = "SELECT COALESCE(MAX(number), 0) FROM models WHERE tenant = :tenant"
_POP = f"DELETE FROM models WHERE tenant = :tenant AND number = ({_TOP})"
_PILE = f"SELECT {_COLUMNS} FROM models WHERE tenant = :tenant ORDER BY number DESC LIMIT :limit"
_ACTIVE = f"""
SELECT {_COLUMNS} FROM models AS m
WHERE number = (SELECT MAX(number) FROM models WHERE tenant = m.tenant) ORDER BY tenant
"""
# A tenant's row of this counter is all that two transactions that change its pile have to wait for.
_TURN = "models"


def _activation(row: Any) -> Activation:
    return Activation(row[0], row[1], row[2], row[3], row[4], moment(row[5]), row[6], row[7])


class SqlModels:
    """The Models port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def hold(self, tenant: str) -> None:
        """From here to the end of the transaction nobody else changes the tenant's pile."""
        self._sql.next_number(tenant, _TURN)

    def push(self, activation: Activation) -> Activation:
        """Another model on top, with the next number."""
        self.hold(activation.tenant)
        stored = replace(activation, number=self._top(activation.tenant) + 1)
        self._sql.run(
            _PUSH,
            tenant=stored.tenant,
            number=stored.number,
            name=stored.name,
            content_hash=stored.content_hash,
            classes_hash=stored.classes_hash,
            prose_hash=stored.prose_hash,
            at=micros(stored.at),
            by=stored.by,
        )
        return stored

    def pop(self, tenant: str) -> bool:
        """Take the top away; False where there is nothing."""
        self.hold(tenant)
        return self._sql.run(_POP, tenant=tenant) > 0

    def pile(self, tenant: str, limit: int = 20) -> list[Activation]:
        """The tenant's models, the active one first."""
        return [_activation(row) for row in self._sql.all(_PILE, tenant=tenant, limit=limit)]

    def active(self) -> list[Activation]:
        """The active model of every tenant that has one, by tenant."""
        return [_activation(row) for row in self._sql.all(_ACTIVE)]

    def _top(self, tenant: str) -> int:
        row = self._sql.one(_TOP, tenant=tenant)
        assert row is not None
        return int(row[0])
