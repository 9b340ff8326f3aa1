"""How a worker works."""

from __future__ import annotations

from dataclasses import dataclass, field

from tamiz.jobs.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Times are seconds. A worker takes up to `batch` jobs at a time for `lease`, looks for new ones every `poll`
    unless it is woken, and waits at most `longest_pause` between two tries to reach a store that is away."""

    batch: int = 8
    lease: float = 60.0
    poll: float = 1.0
    longest_pause: float = 5.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
