"""Careful calls: how often, how long, and when not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tamiz.domain.errors import (
    BadReplyError,
    CancelledError,
    CircuitOpenError,
    ProviderError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
    RefusedError,
    SpentError,
)
from tamiz.models.llm.calls import SLICE, Caller, Circuit, Limits, Tokens
from tamiz.models.llm.runtime import Reply
from tamiz.testing.manual_clock import ManualClock

GOOD = Reply("yes", 100, 10)
DOWN = ProviderUnavailableError(provider="p", reason="down")


def limited(retry_after: str) -> RateLimitedError:
    return RateLimitedError(provider="p", reason="slow down", retry_after=retry_after)


class Script:
    """An attempt that gives or raises the outcomes in turn, the last one for ever."""

    def __init__(self, *outcomes: Reply | ProviderError) -> None:
        self.outcomes, self.tries = outcomes, 0

    def __call__(self) -> Reply:
        self.tries += 1
        outcome = self.outcomes[min(self.tries, len(self.outcomes)) - 1]
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome


def caller(clock: ManualClock, *, chance=lambda: 0.5, cancelled=lambda: False, **limits) -> Caller:
    return Caller("p", clock, clock.pause, chance, Limits(**limits), cancelled)


def text(reply: Reply) -> str:
    return reply.text


def test_a_good_answer_needs_one_try_and_no_wait() -> None:
    clock, attempt = ManualClock(), Script(GOOD)
    assert caller(clock).call(attempt, text) == "yes"
    assert (attempt.tries, clock.pauses) == (1, [])


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (DOWN, 4),
        (limited(""), 4),
        (BadReplyError(provider="p", reason="garbage"), 4),
        (BadReplyError(provider="p", reason="too long", final=True), 1),
        (ProviderRejectedError(provider="p", reason="wrong key"), 1),
        (RefusedError(provider="p", reason="no"), 1),
        (SpentError(provider="p", reason="its own account is used up"), 1),
    ],
)
def test_only_what_may_pass_is_tried_again_and_not_for_ever(error: ProviderError, tries: int) -> None:
    attempt = Script(error)
    with pytest.raises(type(error)) as raised:
        caller(ManualClock()).call(attempt, text)
    assert attempt.tries == tries
    assert raised.value is error
    assert "\n" not in error.one_line()


@pytest.mark.parametrize(
    ("chance", "waited"), [(0.0, 0.0), (0.5, 0.25 + 0.5 + 1.0), (0.999, 0.999 * (0.5 + 1.0 + 2.0))]
)
def test_waits_are_drawn_from_a_bound_that_doubles(chance: float, waited: float) -> None:
    clock = ManualClock()
    with pytest.raises(ProviderUnavailableError):
        caller(clock, chance=lambda: chance).call(Script(DOWN), text)
    assert clock.elapsed == pytest.approx(waited)


def test_the_bound_of_a_wait_is_capped() -> None:
    clock = ManualClock()
    with pytest.raises(ProviderUnavailableError):
        caller(clock, chance=lambda: 1.0, tries=9, backoff_cap=2.0, failures=99).call(Script(DOWN), text)
    assert clock.elapsed == pytest.approx(0.5 + 1.0 + 6 * 2.0)


@pytest.mark.parametrize("told", ["7", "Thu, 01 Jan 2026 00:00:07 GMT"])
def test_a_provider_is_left_alone_as_long_as_it_asks_for(told: str) -> None:
    clock = ManualClock()
    assert caller(clock).call(Script(limited(told), GOOD), text) == "yes"
    assert clock.elapsed == pytest.approx(7.25)


@pytest.mark.parametrize("told", ["61", "Thu, 01 Jan 2026 00:02:00 GMT", "999999999"])
def test_a_wait_that_is_too_long_is_not_begun(told: str) -> None:
    clock, attempt = ManualClock(), Script(limited(told))
    with pytest.raises(RateLimitedError):
        caller(clock).call(attempt, text)
    assert (attempt.tries, clock.pauses) == (1, [])


def test_waits_are_bounded_together() -> None:
    clock = ManualClock()
    with pytest.raises(RateLimitedError):
        caller(clock, tries=9, failures=99, longest_wait=100.0).call(Script(limited("40")), text)
    assert 80.0 < clock.elapsed <= 100.0


def test_a_reply_that_cannot_be_read_is_asked_for_again() -> None:
    def read(reply: Reply) -> str:
        if reply.text == "garbage":
            raise BadReplyError(provider="p", reason="garbage")
        return reply.text

    attempt = Script(Reply("garbage", 5, 5), GOOD)
    careful = caller(ManualClock())
    assert careful.call(attempt, read) == "yes"
    assert careful.spent == Tokens(105, 15)


class TestCircuit:
    def broken(self, clock: ManualClock, **limits) -> Caller:
        careful = caller(clock, tries=1, failures=3, open_for=60.0, **limits)
        for _ in range(3):
            with pytest.raises(ProviderUnavailableError):
                careful.call(Script(DOWN), text)
        return careful

    def test_opens_after_failures_in_a_row_and_asks_nobody(self) -> None:
        careful, attempt = self.broken(ManualClock()), Script(GOOD)
        assert careful.circuit is Circuit.OPEN
        with pytest.raises(CircuitOpenError, match="failed 3 times in a row and is left alone for 60 s"):
            careful.call(attempt, text)
        assert attempt.tries == 0

    def test_a_good_probe_closes_it(self) -> None:
        clock = ManualClock()
        careful = self.broken(clock)
        clock.pause(60.0)
        assert careful.circuit is Circuit.HALF_OPEN
        assert careful.call(Script(GOOD), text) == "yes"
        assert careful.circuit is Circuit.CLOSED

    def test_a_failed_probe_opens_it_again_at_once(self) -> None:
        clock = ManualClock()
        careful = self.broken(clock)
        clock.pause(60.0)
        with pytest.raises(ProviderUnavailableError):
            careful.call(Script(DOWN), text)
        assert careful.circuit is Circuit.OPEN

    def test_half_open_lets_a_single_call_through(self) -> None:
        clock = ManualClock()
        careful = self.broken(clock)
        clock.pause(60.0)
        inside, leave = Event(), Event()

        def probe() -> Reply:
            inside.set()
            assert leave.wait(5)
            return GOOD

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(careful.call, probe, text)
            assert inside.wait(5)
            with pytest.raises(CircuitOpenError):
                careful.call(Script(GOOD), text)
            leave.set()
            assert first.result() == "yes"
        assert careful.circuit is Circuit.CLOSED

    def test_a_cancelled_probe_leaves_the_place_to_the_next(self) -> None:
        clock = ManualClock()
        careful = self.broken(clock)
        clock.pause(60.0)
        with pytest.raises(CancelledError):
            careful.call(Script(CancelledError(provider="p")), text)
        assert careful.call(Script(GOOD), text) == "yes"

    def test_opens_in_the_middle_of_a_call_and_ends_its_tries(self) -> None:
        attempt = Script(DOWN)
        with pytest.raises(ProviderUnavailableError):
            caller(ManualClock(), tries=9, failures=3).call(attempt, text)
        assert attempt.tries == 3

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (DOWN, Circuit.OPEN),
            (limited(""), Circuit.OPEN),
            (BadReplyError(provider="p", reason="garbage"), Circuit.OPEN),
            (RefusedError(provider="p", reason="no"), Circuit.CLOSED),
            (ProviderRejectedError(provider="p", reason="wrong key"), Circuit.CLOSED),
            (CancelledError(provider="p"), Circuit.CLOSED),
        ],
    )
    def test_counts_what_is_the_providers_fault(self, error: ProviderError, state: Circuit) -> None:
        careful = caller(ManualClock(), tries=1, failures=3)
        for _ in range(5):
            with pytest.raises(ProviderError):
                careful.call(Script(error), text)
        assert careful.circuit is state

    def test_an_answer_in_between_starts_the_count_anew(self) -> None:
        careful = caller(ManualClock(), tries=1, failures=3)
        for outcome in (DOWN, DOWN, RefusedError(provider="p", reason="no"), DOWN, DOWN):
            with pytest.raises(ProviderError):
                careful.call(Script(outcome), text)
        assert careful.circuit is Circuit.CLOSED


class TestCaps:
    def test_no_call_starts_over_the_token_cap(self) -> None:
        careful, attempt = caller(ManualClock(), token_cap=200), Script(GOOD)
        careful.call(attempt, text)
        careful.call(attempt, text)
        with pytest.raises(SpentError, match="used up its cap: 220 of 200 tokens"):
            careful.call(attempt, text)
        assert attempt.tries == 2

    def test_money_is_counted_by_kind_of_token(self) -> None:
        careful = caller(ManualClock(), money_cap=1.0, prompt_price=2000.0, completion_price=30_000.0)
        careful.call(Script(GOOD), text)
        careful.call(Script(GOOD), text)
        with pytest.raises(SpentError, match=r"1\.00 of 1\.00"):
            careful.call(Script(GOOD), text)

    def test_what_a_provider_does_not_tell_counts_in_full(self) -> None:
        careful = caller(ManualClock(), tries=1)
        careful.call(Script(Reply("yes")), text, Tokens(50, 20))
        with pytest.raises(BadReplyError):
            careful.call(Script(BadReplyError(provider="p", reason="truncated")), text, Tokens(50, 20))
        assert careful.spent == Tokens(100, 40)

    def test_what_never_reached_the_model_is_free(self) -> None:
        careful = caller(ManualClock())
        with pytest.raises(ProviderUnavailableError):
            careful.call(Script(DOWN), text, Tokens(50, 20))
        assert careful.spent == Tokens()

    def test_calls_side_by_side_do_not_pass_the_cap_together(self) -> None:
        careful, inside, leave = caller(ManualClock(), token_cap=100), Event(), Event()

        def slow() -> Reply:
            inside.set()
            assert leave.wait(5)
            return Reply("yes", 90, 10)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(careful.call, slow, text, Tokens(90, 10))
            assert inside.wait(5)
            with pytest.raises(SpentError):
                careful.call(Script(GOOD), text, Tokens(90, 10))
            leave.set()
            assert first.result() == "yes"


class TestCancellation:
    def test_before_the_first_try(self) -> None:
        attempt = Script(GOOD)
        with pytest.raises(CancelledError):
            caller(ManualClock(), cancelled=lambda: True).call(attempt, text)
        assert attempt.tries == 0

    def test_while_waiting(self) -> None:
        clock, attempt = ManualClock(), Script(limited("30"))
        with pytest.raises(CancelledError):
            caller(clock, cancelled=lambda: clock.elapsed >= 1.0).call(attempt, text)
        assert attempt.tries == 1
        assert clock.elapsed == pytest.approx(1.0)
        assert max(clock.pauses) <= SLICE


def test_threads_share_what_is_spent() -> None:
    careful = caller(ManualClock())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: careful.call(Script(GOOD), text), range(200)))
    assert answers == ["yes"] * 200
    assert careful.spent == Tokens(20_000, 2_000)
