"""What goes wrong at a fake desk, and when: by script, or drawn by rates from a seeded Random."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What may become of a call. The first three end with a lost connection."""

    RESET_BEFORE = "reset before apply"
    RESET_AFTER = "applied, then reset"
    LATE = "reset, and applied late"
    THROTTLED = "429 with Retry-After"
    UNAVAILABLE = "503"
    CONFLICT = "409"
    GONE = "404"
    INVALID = "422"
    REVOKED = "401 from now on"


WRITING = frozenset({Fault.RESET_AFTER, Fault.LATE, Fault.CONFLICT, Fault.INVALID})
"""Faults that only a call that writes can meet."""


@dataclass
class FaultPlan:
    """`rates` are probabilities per call, which together are at most 1. A late apply comes within `late` seconds; what a
    search, or the search for a marker, finds is `lag` seconds old. `retry_after` is what a 429 says, as an HTTP date
    with `as_date`."""

    random: Random = field(default_factory=lambda: Random(0))
    rates: Mapping[Fault, float] = field(default_factory=dict)
    late: float = 60.0
    lag: float = 0.0
    retry_after: float = 120.0
    as_date: bool = False
    _script: dict[str, deque[Fault | None]] = field(default_factory=lambda: defaultdict(deque))

    def then(self, call: str, faults: Iterable[Fault | None]) -> FaultPlan:
        """What the next calls of this name meet, one after the other (None: nothing); the rates rule after that."""
        self._script[call].extend(faults)
        return self

    def draw(self, call: str, *, writes: bool) -> Fault | None:
        """What this call meets."""
        if self._script[call]:
            return self._script[call].popleft()
        chance = self.random.random()
        for fault, rate in self.rates.items():
            if chance < rate:
                return fault if writes or fault not in WRITING else None
            chance -= rate
        return None

    def delay(self) -> float:
        """Seconds until a late apply."""
        return self.random.uniform(0.0, self.late)
