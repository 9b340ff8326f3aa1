"""Time that passes only when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class ManualClock:
    """A Clock whose `pause` does not wait but moves it on; `pauses` keeps all waits. With a `step` every look at
    `monotonic` moves it on too, by so many seconds."""

    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    step: float = 0.0
    elapsed: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """The start and what has passed since."""
        return self.start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """Seconds since the start."""
        self.elapsed += self.step
        return self.elapsed

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.pauses.append(seconds)
        self.elapsed += seconds
