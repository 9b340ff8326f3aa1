"""Embeddings in SQL. They go with their ticket: whatever deletes it deletes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tamiz.domain.records import SpaceState, Vector
from tamiz.store.sql import Sql, insert_into
from tamiz.store.tables import VECTORS

_ADD = insert_into(
    VECTORS,
    """ON CONFLICT (tenant, ticket_id, model_hash)
    DO UPDATE SET sequence = excluded.sequence, data = excluded.data, digest = excluded.digest""",
)
_SPACE = "tenant = :tenant AND model_hash = :model_hash"
_CUT = f"DELETE FROM vectors WHERE {_SPACE} AND sequence <= :last"
_WHOLE = f"SELECT ticket_id, data, sequence, digest FROM vectors WHERE {_SPACE} AND ticket_id = :id"
_REMOVE = f"DELETE FROM vectors WHERE {_SPACE} AND ticket_id = :id"
# The rows are chosen from the index alone: SQLite would rather read the whole space by its primary key.
_EQUAL = f"""
SELECT ticket_id, data, sequence, digest FROM vectors WHERE {_SPACE} AND sequence IN (
    SELECT sequence FROM vectors WHERE {_SPACE} AND digest = :digest AND digest <> '' ORDER BY sequence DESC LIMIT :limit
) ORDER BY sequence DESC
"""
_MARK = f"UPDATE vectors SET digest = :digest WHERE {_SPACE} AND ticket_id = :id"
_OF = f"SELECT data FROM vectors WHERE {_SPACE} AND ticket_id = :id"
_AFTER = f"""
SELECT ticket_id, data, sequence, digest FROM vectors WHERE {_SPACE} AND sequence > :after ORDER BY sequence LIMIT :limit
"""
_HOLDING = "SELECT model_hash FROM vectors WHERE tenant = :tenant AND ticket_id = :id ORDER BY model_hash"
_SEQUENCES = f"SELECT sequence FROM vectors WHERE {_SPACE} ORDER BY sequence"
_STATE = "SELECT name, value FROM counters WHERE tenant = :tenant AND name IN (:space, :erasures)"
_PREFIX = "vectors "
_SPACES = f"SELECT tenant, name, value FROM counters WHERE name LIKE '{_PREFIX}%' AND name <> :erasures ORDER BY tenant, name"
_ERASURES = f"{_PREFIX}erased"


def _space(model_hash: str) -> str:
    return f"{_PREFIX}{model_hash}"


class SqlVectors:
    """The Vectors port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def add(self, vector: Vector, keep: int) -> int:
        """Keep an embedding under its space's next number, and of the space the newest `keep`."""
        space = {"tenant": vector.tenant, "model_hash": vector.model_hash}
        sequence = self._sql.next_number(vector.tenant, _space(vector.model_hash))
        self._sql.run(
            _ADD,
            **space,
            sequence=sequence,
            ticket_id=vector.ticket_id,
            data=vector.data,
            digest=vector.digest,
        )
        if sequence > keep:
            self._sql.run(_CUT, **space, last=sequence - keep)
        return sequence

    def of(self, tenant: str, model_hash: str, ticket_id: str) -> bytes | None:
        """The embedding of a ticket in a model's space."""
        row = self._sql.one(_OF, tenant=tenant, model_hash=model_hash, id=ticket_id)
        return None if row is None else bytes(row[0])

    def after(self, tenant: str, model_hash: str, sequence: int = 0, limit: int = 1000) -> list[Vector]:
        """Embeddings of a space above a number, in order."""
        rows = self._sql.all(_AFTER, tenant=tenant, model_hash=model_hash, after=sequence, limit=limit)
        return [_vector(tenant, model_hash, row) for row in rows]

    def equal(self, tenant: str, model_hash: str, digest: str, limit: int = 8) -> list[Vector]:
        """The newest embeddings of texts with this digest in a space, newest first."""
        rows = self._sql.all(_EQUAL, tenant=tenant, model_hash=model_hash, digest=digest, limit=limit)
        return [_vector(tenant, model_hash, row) for row in rows]

    def mark(self, tenant: str, model_hash: str, ticket_id: str, digest: str) -> None:
        """Give a ticket's embedding another digest, where it has one."""
        self._sql.run(_MARK, tenant=tenant, model_hash=model_hash, id=ticket_id, digest=digest)

    def copy(self, tenant: str, model_hash: str, ticket_id: str, into: str, keep: int) -> bool:
        """Add a ticket's embedding of one space to another one, too. False where it has none."""
        row = self._sql.one(_WHOLE, tenant=tenant, model_hash=model_hash, id=ticket_id)
        if row is not None:
            self.add(replace(_vector(tenant, model_hash, row), model_hash=into), keep)
        return row is not None

    def remove(self, tenant: str, model_hash: str, ticket_id: str) -> bool:
        """Take a ticket out of a space. False where it was not there."""
        gone = self._sql.run(_REMOVE, tenant=tenant, model_hash=model_hash, id=ticket_id) > 0
        if gone:
            self.erased(tenant)
        return gone

    def holding(self, tenant: str, ticket_id: str) -> list[str]:
        """The spaces that a ticket is in, in order."""
        return [row[0] for row in self._sql.all(_HOLDING, tenant=tenant, id=ticket_id)]

    def sequences(self, tenant: str, model_hash: str) -> list[int]:
        """The numbers of all that a space holds, in order."""
        return [row[0] for row in self._sql.all(_SEQUENCES, tenant=tenant, model_hash=model_hash)]

    def state(self, tenant: str, model_hash: str) -> SpaceState:
        """How far a space has come."""
        space = _space(model_hash)
        found = dict(
            tuple(row) for row in self._sql.all(_STATE, tenant=tenant, space=space, erasures=_ERASURES)
        )
        return SpaceState(found.get(space, 0), found.get(_ERASURES, 0))

    def spaces(self) -> list[tuple[str, str, int]]:
        """Every space that ever held a vector."""
        rows = self._sql.all(_SPACES, erasures=_ERASURES)
        return [(tenant, name.removeprefix(_PREFIX), value) for tenant, name, value in rows]

    def erased(self, tenant: str) -> None:
        """Tell every searcher of the tenant that vectors were taken out."""
        self._sql.next_number(tenant, _ERASURES)


def _vector(tenant: str, model_hash: str, row: Any) -> Vector:
    return Vector(tenant, model_hash, row[0], bytes(row[1]), row[2], row[3])
