"""The models in use, of the store in memory."""

from __future__ import annotations

from dataclasses import replace

from tamiz.domain.records import Activation
from tamiz.testing.memory_table import Journal, Table


class MemoryModels:
    """The Models port."""

    def __init__(self, journal: Journal) -> None:
        self._piles: Table[str, tuple[Activation, ...]] = Table(journal)

    def hold(self, tenant: str) -> None:
        """Nobody else does anything until a transaction ends."""

    def push(self, activation: Activation) -> Activation:
        pile = self._piles.get(activation.tenant) or ()
        stored = replace(activation, number=len(pile) + 1)
        self._piles.put(activation.tenant, (*pile, stored))
        return stored

    def pop(self, tenant: str) -> bool:
        pile = self._piles.get(tenant) or ()
        if pile:
            self._piles.put(tenant, pile[:-1])
        return bool(pile)

    def pile(self, tenant: str, limit: int = 20) -> list[Activation]:
        pile = self._piles.get(tenant) or ()
        return list(reversed(pile))[:limit]

    def active(self) -> list[Activation]:
        return [pile[-1] for _, pile in sorted(self._piles.rows.items()) if pile]
