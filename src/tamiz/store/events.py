"""What a store tells: frozen values for a hook, which must not raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from sqlalchemy import Transaction


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction of so many closures was written to the disk in so many seconds, or could not be."""

    seconds: float
    closures: int
    kept: bool = True


class Damage(StrEnum):
    """What a log lacked when it was opened: commits that its index knew of, or the end of a transaction that had not
    been acknowledged."""

    SHORTENED = "shortened"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class LogDamaged:
    """The log was not whole: `found` frames could be used, `expected` were known (0: unknown)."""

    damage: Damage
    found: int
    expected: int = 0


StoreEvent = Committed | LogDamaged
Hook = Callable[[StoreEvent], None]


def deaf(event: StoreEvent) -> None:
    """A hook that listens to nothing."""


class Commits:
    """Commits transactions, and tells each. `clock` gives seconds; both are injected."""

    def __init__(self, hook: Hook = deaf, clock: Callable[[], float] = monotonic) -> None:
        self._hook, self._clock = hook, clock

    def commit(self, transaction: Transaction, closures: int) -> None:
        """Commit, raising what the database raises."""
        started, kept = self._clock(), False
        try:
            transaction.commit()
            kept = True
        finally:
            self._hook(Committed(self._clock() - started, closures, kept))
