"""The embeddings of the store in memory."""

from __future__ import annotations

from dataclasses import replace

from tamiz.domain.records import SpaceState, Vector
from tamiz.testing.memory_table import Journal, Table

Space = tuple[str, str]


class MemoryVectors:
    """The Vectors port; no ticket is ever erased from this store."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Table[tuple[str, str, int], Vector] = Table(journal)
        self._numbers: Table[tuple[str, str, str], int] = Table(journal)
        self._heads: Table[Space, int] = Table(journal)
        self._erasures: Table[str, int] = Table(journal)

    def add(self, vector: Vector, keep: int) -> int:
        space, ticket = (vector.tenant, vector.model_hash), vector.ticket_id
        before, sequence = self._numbers.get((*space, ticket)), (self._heads.get(space) or 0) + 1
        self._heads.put(space, sequence)
        if before is not None:
            self._drop((*space, before))
        self._rows.put((*space, sequence), replace(vector, sequence=sequence))
        self._numbers.put((*space, ticket), sequence)
        for old in self.sequences(*space) if sequence > keep else ():
            if old <= sequence - keep:
                self._drop((*space, old))
        return sequence

    def of(self, tenant: str, model_hash: str, ticket_id: str) -> bytes | None:
        sequence = self._numbers.get((tenant, model_hash, ticket_id))
        return None if sequence is None else self._rows.rows[tenant, model_hash, sequence].data

    def after(self, tenant: str, model_hash: str, sequence: int = 0, limit: int = 1000) -> list[Vector]:
        numbers = [number for number in self.sequences(tenant, model_hash) if number > sequence]
        return [self._rows.rows[tenant, model_hash, number] for number in numbers[:limit]]

    def holding(self, tenant: str, ticket_id: str) -> list[str]:
        found = (space for owner, space, one in self._numbers.rows if (owner, one) == (tenant, ticket_id))
        return sorted(found)

    def sequences(self, tenant: str, model_hash: str) -> list[int]:
        return sorted(number for *space, number in self._rows.rows if space == [tenant, model_hash])

    def state(self, tenant: str, model_hash: str) -> SpaceState:
        return SpaceState(self._heads.get((tenant, model_hash)) or 0, self._erasures.get(tenant) or 0)

    def spaces(self) -> list[tuple[str, str, int]]:
        return [(*space, head) for space, head in sorted(self._heads.rows.items())]

    def equal(self, tenant: str, model_hash: str, digest: str, limit: int = 8) -> list[Vector]:
        numbers = reversed(self.sequences(tenant, model_hash))
        rows = (self._rows.rows[tenant, model_hash, number] for number in numbers)
        return [row for row in rows if digest and row.digest == digest][:limit]

    def mark(self, tenant: str, model_hash: str, ticket_id: str, digest: str) -> None:
        sequence = self._numbers.get((tenant, model_hash, ticket_id))
        if sequence is not None:
            key = (tenant, model_hash, sequence)
            self._rows.put(key, replace(self._rows.rows[key], digest=digest))

    def copy(self, tenant: str, model_hash: str, ticket_id: str, into: str, keep: int) -> bool:
        sequence = self._numbers.get((tenant, model_hash, ticket_id))
        if sequence is not None:
            self.add(replace(self._rows.rows[tenant, model_hash, sequence], model_hash=into), keep)
        return sequence is not None

    def remove(self, tenant: str, model_hash: str, ticket_id: str) -> bool:
        sequence = self._numbers.get((tenant, model_hash, ticket_id))
        if sequence is not None:
            self._drop((tenant, model_hash, sequence))
            self._erasures.put(tenant, (self._erasures.get(tenant) or 0) + 1)
        return sequence is not None

    def _drop(self, key: tuple[str, str, int]) -> None:
        row = self._rows.rows[key]
        self._rows.drop(key)
        self._numbers.drop((row.tenant, row.model_hash, row.ticket_id))
