"""API keys in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tamiz.domain.errors import DuplicateError
from tamiz.domain.records import ApiKey, Role
from tamiz.store.sql import Sql, insert_into, micros, moment
from tamiz.store.tables import API_KEYS

_COLUMNS = "id, tenant, name, role, digest, created_at, revoked_at"
_ADD = insert_into(API_KEYS, "ON CONFLICT DO NOTHING")
_BY_DIGEST = f"SELECT {_COLUMNS} FROM api_keys WHERE digest = :digest"
_ALL = f"SELECT {_COLUMNS} FROM api_keys WHERE tenant = :tenant ORDER BY created_at, id"
_REVOKE = """
UPDATE api_keys SET revoked_at = :at WHERE tenant = :tenant AND id = :id AND revoked_at IS NULL
"""


def _key(row: Any) -> ApiKey:
    revoked = None if row[6] is None else moment(row[6])
    return ApiKey(row[0], row[1], row[2], Role(row[3]), row[4], moment(row[5]), revoked)


class SqlKeys:
    """The Keys port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def add(self, key: ApiKey) -> None:
        """A new key. DuplicateError where its id or its digest is there already."""
        added = self._sql.run(
            _ADD,
            tenant=key.tenant,
            id=key.id,
            name=key.name,
            role=key.role.value,
            digest=key.digest,
            created_at=micros(key.created_at),
            revoked_at=None if key.revoked_at is None else micros(key.revoked_at),
        )
        if not added:
            raise DuplicateError(what=f"API key {key.id}")

    def by_digest(self, digest: str) -> ApiKey | None:
        """The key with this SHA-256, revoked or not."""
        row = self._sql.one(_BY_DIGEST, digest=digest)
        return None if row is None else _key(row)

    def all(self, tenant: str) -> list[ApiKey]:
        """The tenant's keys, oldest first."""
        return [_key(row) for row in self._sql.all(_ALL, tenant=tenant)]

    def revoke(self, tenant: str, key_id: str, at: datetime) -> bool:
        """False where there is no such living key."""
        return self._sql.run(_REVOKE, tenant=tenant, id=key_id, at=micros(at)) > 0
