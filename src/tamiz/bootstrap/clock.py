"""The machine's own clocks, for everything that is handed one."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """A Clock over the operating system."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
