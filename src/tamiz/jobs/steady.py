"""A wall clock that no jump of the wall clock moves: for leases and due times."""

from __future__ import annotations

from datetime import datetime, timedelta

from tamiz.domain.ports import Clock


class SteadyClock:
    """The wall time at its making and the monotonic time since.

    All that is compared with one another must come from the same one: who adds jobs gives them due times of the clock
    that the workers read. It drifts from the wall clock with every correction of that; a restart sets it right. Those of
    several processes differ by the jumps between their starts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now()
        self._started = clock.monotonic()

    def now(self) -> datetime:
        """The wall time that it would be, had nobody touched the wall clock."""
        return self._wall + timedelta(seconds=self._clock.monotonic() - self._started)

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return self._clock.monotonic()
