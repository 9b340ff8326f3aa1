"""Careful calls to a provider: retries that back off, a circuit breaker, caps on tokens and money, cancellation.

A wait is drawn evenly from nothing up to a bound that doubles (full jitter: Brooker 2015, "Exponential Backoff And
Jitter", AWS Architecture Blog), on top of what Retry-After demands. Time, randomness and waiting are injected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import NamedTuple, TypeVar

from tamiz.domain.errors import (
    BadReplyError,
    CancelledError,
    CircuitOpenError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RefusedError,
    SpentError,
)
from tamiz.domain.ports import Clock
from tamiz.domain.retry_after import seconds_told
from tamiz.models.llm.runtime import Reply

T = TypeVar("T")

Pause = Callable[[float], None]
"""Waits so many seconds; `time.sleep` outside tests."""

SLICE = 0.25
"""Seconds of a wait after which cancellation is looked at again."""


def never() -> bool:
    """The answer of a caller who does not cancel."""
    return False


class Tokens(NamedTuple):
    """Tokens of prompts and of completions."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient calls to a provider are, and how dear they may become.

    Times are seconds: `read` between two pieces of an answer, `answer` for a whole one, `longest_wait` for all waits of
    one call together. A Retry-After beyond `longest_retry_after` is not waited for. `failures` in a row open the
    circuit for `open_for` seconds. `token_cap` and `money_cap` hold for the life of the process, None is no cap; prices
    are per million tokens, in the money of the cap.
    """

    connect: float = 5.0
    read: float = 60.0
    answer: float = 180.0
    tries: int = 4
    backoff: float = 0.5
    backoff_cap: float = 20.0
    longest_retry_after: float = 60.0
    longest_wait: float = 120.0
    failures: int = 5
    open_for: float = 60.0
    token_cap: int | None = None
    money_cap: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def price(self, tokens: Tokens) -> float:
        """What so many tokens cost."""
        return (tokens.prompt * self.prompt_price + tokens.completion * self.completion_price) / 1e6


class Circuit(StrEnum):
    """Closed lets calls through, open none; half-open a single one, which decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Caller:
    """Calls one provider within limits. Threads may share it: they share its circuit and its caps."""

    def __init__(
        self,
        provider: str,
        clock: Clock,
        pause: Pause,
        chance: Callable[[], float],
        limits: Limits = Limits(),
        cancelled: Callable[[], bool] = never,
    ) -> None:
        """`chance` draws from [0, 1); `cancelled` is asked before every try and while waiting."""
        self.provider = provider
        self._clock, self._pause, self._chance = clock, pause, chance
        self._limits, self._cancelled = limits, cancelled
        self._breaker = _Breaker(provider, limits, clock)
        self._purse = _Purse(provider, limits)

    @property
    def circuit(self) -> Circuit:
        """The state of the circuit."""
        return self._breaker.state

    @property
    def spent(self) -> Tokens:
        """The tokens used so far."""
        return self._purse.spent

    def call(self, attempt: Callable[[], Reply], read: Callable[[Reply], T], most: Tokens = Tokens()) -> T:  # noqa: B008 - frozen
        """`read` of the first reply that it accepts; what it rejects with BadReplyError is asked for again.

        `most` bounds what one try may use: it is held back while the try runs, and counted where the provider does not
        tell. Raises the last try's ProviderError; CircuitOpenError, SpentError or CancelledError before a try.
        """
        waited, number = 0.0, 0
        while True:
            number += 1
            try:
                return self._try(attempt, read, most)
            except ProviderError as error:
                seconds = self._wait_after(error, number)
                if seconds is None or waited + seconds > self._limits.longest_wait:
                    raise
            self._wait(seconds)
            waited += seconds

    def _try(self, attempt: Callable[[], Reply], read: Callable[[Reply], T], most: Tokens) -> T:
        self._check_cancelled()
        with self._breaker.watched():
            self._purse.hold(most)
            used = Tokens()  # what never reached the model, or failed there, is not billed
            try:
                reply = attempt()
                used = Tokens(reply.prompt_tokens or most.prompt, reply.completion_tokens or most.completion)
            except (BadReplyError, RefusedError):
                used = most
                raise
            finally:
                self._purse.settle(most, used)
            return read(reply)

    def _wait_after(self, error: ProviderError, number: int) -> float | None:
        """Seconds until the next try; None where there is none."""
        limits = self._limits
        hopeless = not error.retryable or error.facts.get("final", False)
        if hopeless or number >= limits.tries or self._breaker.state is not Circuit.CLOSED:
            return None
        told = seconds_told(error.facts.get("retry_after"), self._clock.now())
        if told > limits.longest_retry_after:
            return None
        return told + self._chance() * min(limits.backoff_cap, limits.backoff * 2.0 ** (number - 1))

    def _wait(self, seconds: float) -> None:
        while seconds > 0.0:
            self._check_cancelled()
            self._pause(min(SLICE, seconds))
            seconds -= SLICE

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise CancelledError(provider=self.provider)


class _Breaker:
    """The circuit. Whatever shows that the provider works closes it: an answer, a refusal, a rejected request."""

    def __init__(self, provider: str, limits: Limits, clock: Clock) -> None:
        self._provider, self._limits, self._clock = provider, limits, clock
        self._lock = Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> Circuit:
        with self._lock:
            return self._state()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """One try. CircuitOpenError where it may not be made."""
        probe = self._enter()
        failed: bool | None = None
        try:
            yield
            failed = False
        except (ProviderUnavailableError, BadReplyError):
            failed = True
            raise
        except (ProviderRejectedError, RefusedError):
            failed = False
            raise
        finally:
            self._leave(failed, probe)

    def _state(self) -> Circuit:
        if self._open_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if self._clock.monotonic() < self._open_until else Circuit.HALF_OPEN

    def _enter(self) -> bool:
        with self._lock:
            state = self._state()
            if state is Circuit.OPEN or self._probing:
                left = max(0.0, (self._open_until or 0.0) - self._clock.monotonic())
                raise CircuitOpenError(
                    provider=self._provider, failures=self._failures, seconds=math.ceil(left)
                )
            self._probing = state is Circuit.HALF_OPEN
            return self._probing

    def _leave(self, failed: bool | None, probe: bool) -> None:
        with self._lock:
            if probe:
                self._probing = False
            if failed:
                self._failures += 1
                if self._failures >= self._limits.failures:
                    self._open_until = self._clock.monotonic() + self._limits.open_for
            elif failed is False and (probe or self._open_until is None):
                self._failures, self._open_until = 0, None


class _Purse:
    """What was spent. Tries under way hold their most, so that threads do not pass a cap side by side."""

    def __init__(self, provider: str, limits: Limits) -> None:
        self._provider, self._limits = provider, limits
        self._lock = Lock()
        self.spent = Tokens()
        self._held = Tokens()

    def hold(self, most: Tokens) -> None:
        """SpentError where a cap is reached by what was spent and what is held."""
        limits = self._limits
        with self._lock:
            total = _sum(self.spent, self._held)
            if limits.token_cap is not None and sum(total) >= limits.token_cap:
                raise SpentError(provider=self._provider, reason=f"{sum(total)} of {limits.token_cap} tokens")
            if limits.money_cap is not None and limits.price(total) >= limits.money_cap:
                reason = f"{limits.price(total):.2f} of {limits.money_cap:.2f}"
                raise SpentError(provider=self._provider, reason=reason)
            self._held = _sum(self._held, most)

    def settle(self, most: Tokens, used: Tokens) -> None:
        with self._lock:
            self._held = Tokens(self._held.prompt - most.prompt, self._held.completion - most.completion)
            self.spent = _sum(self.spent, used)


def _sum(a: Tokens, b: Tokens) -> Tokens:
    return Tokens(a.prompt + b.prompt, a.completion + b.completion)
