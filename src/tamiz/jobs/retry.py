"""What becomes of a job that did not get done: a verdict is a value, and this policy is where it comes from.

Waits have full jitter: drawn evenly from nothing up to a bound that doubles (Brooker 2015, "Exponential Backoff And
Jitter", AWS Architecture Blog).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random
from traceback import extract_tb

from tamiz.domain.errors import StoreUnavailableError, TamizError
from tamiz.domain.records import Lease
from tamiz.domain.retry_after import seconds_told


@dataclass(frozen=True, slots=True)
class Retry:
    """Once more after so many seconds; a failure is counted."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Bury:
    """Not again, until a person says so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """Back into the queue with nothing counted: it was not the job's fault."""

    reason: str = ""


Verdict = Retry | Bury | Release


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the loop is with a job. Times are seconds.

    The n-th wait is drawn from [0, min(cap, base · 2ⁿ⁻¹)], and comes on top of what an error demands in its fact
    `retry_after`, which is believed up to `longest_demand`. A job is buried with its `failures`-th failure, and once
    `crashes` owners have died over it.
    """

    base: float = 1.0
    cap: float = 300.0
    failures: int = 5
    crashes: int = 3
    longest_demand: float = 86_400.0

    def before(self, lease: Lease) -> Bury | None:
        """Must this job be buried without another try?"""
        if lease.crashes >= self.crashes:
            return Bury(f"its worker died {lease.crashes} times")
        if lease.failures >= self.failures:
            return Bury(f"it failed {lease.failures} times")
        return None

    def after(self, lease: Lease, error: Exception, now: datetime, random: Random) -> Verdict:
        """What follows a try that ended with an error."""
        reason = describe(error)
        if isinstance(error, StoreUnavailableError):
            return Release(reason)
        failures = lease.failures + 1
        if failures >= self.failures:
            return Bury(f"it failed {failures} times, at last with {reason}")
        demand = min(self.longest_demand, demanded(error, now))
        return Retry(demand + full_jitter(lease.failures, self.base, self.cap, random), reason)


def full_jitter(number: int, base: float, cap: float, random: Random) -> float:
    """Seconds before the try that follows `number` earlier waits."""
    return random.uniform(0.0, min(cap, base * 2.0 ** min(number, 64)))


def demanded(error: Exception, now: datetime) -> float:
    """The seconds that an error's fact `retry_after` asks to wait; 0 where it asks for none."""
    return seconds_told(error.facts.get("retry_after"), now) if isinstance(error, TamizError) else 0.0


def describe(error: Exception) -> str:
    """An error in words that may be stored and logged. The message of one that is not ours could quote a ticket, so
    only its type and place are told."""
    if isinstance(error, TamizError):
        return f"{type(error).__name__}: {error}"
    frames = extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
