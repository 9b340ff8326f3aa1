"""What follows a try that failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamiz.domain.errors import ProviderUnavailableError, RateLimitedError, StoreUnavailableError
from tamiz.domain.records import Job, Lease
from tamiz.jobs import RetryPolicy, SteadyClock
from tamiz.jobs.retry import Bury, Release, Retry, demanded, describe
from tamiz.testing.manual_clock import ManualClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lease(failures: int = 0, crashes: int = 0) -> Lease:
    return Lease(Job("a", "default", "triage", "t", NOW), "one", 1, NOW, failures, crashes)


def told(value: object) -> RateLimitedError:
    return RateLimitedError(provider="x", reason="busy", retry_after=value)


@given(st.integers(0, 400), st.integers())
def test_waits_are_drawn_below_a_bound_that_doubles_up_to_the_cap(failures: int, seed: int):
    policy = RetryPolicy(failures=10_000)
    verdict = policy.after(lease(failures), ValueError(), NOW, Random(seed))
    assert isinstance(verdict, Retry)
    assert 0.0 <= verdict.wait <= min(300.0, 2.0 ** min(failures, 20))


def test_waits_fill_the_whole_range():
    random = Random(1)
    waits = [RetryPolicy().after(lease(3), ValueError(), NOW, random) for _ in range(1000)]
    seconds = sorted(verdict.wait for verdict in waits if isinstance(verdict, Retry))
    assert seconds[0] < 0.1
    assert seconds[-1] > 7.9
    assert 3.7 < sum(seconds) / 1000 < 4.3


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("120", 120.0),
        (1.5, 1.5),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", 0.0),
        (None, 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
    ],
)
def test_demands_are_read_as_seconds_or_dates(value: object, seconds: float):
    assert demanded(told(value), NOW) == seconds


def test_a_demand_is_never_undercut_and_believed_up_to_a_day():
    policy, random = RetryPolicy(), Random(3)
    for value, least, most in (("120", 120.0, 121.0), ("999999999", 86_400.0, 86_401.0)):
        verdict = policy.after(lease(), told(value), NOW, random)
        assert isinstance(verdict, Retry)
        assert least <= verdict.wait <= most


def test_other_errors_demand_nothing():
    error = ProviderUnavailableError(provider="x", reason="gone")
    assert demanded(error, NOW) == demanded(ValueError("120"), NOW) == 0.0


def test_verdicts():
    policy = RetryPolicy()
    assert policy.before(lease(failures=4, crashes=2)) is None
    assert policy.before(lease(crashes=3)) == Bury("its worker died 3 times")
    assert policy.before(lease(failures=5)) == Bury("it failed 5 times")
    assert policy.after(lease(4), ValueError(), NOW, Random(0)) == Bury(
        "it failed 5 times, at last with ValueError"
    )
    away = StoreUnavailableError(reason="the disk is full")
    assert isinstance(policy.after(lease(4), away, NOW, Random(0)), Release)


def test_errors_of_others_are_described_without_their_message():
    try:
        int("hunter2")
    except ValueError as error:
        words = describe(error)
    assert words.startswith("ValueError in test_errors_of_others_are_described_without_their_message, line ")
    assert describe(told("1")).startswith("RateLimitedError: The language model x")


@pytest.mark.parametrize("hours", [1, -1, 24 * 365])
def test_steady_time_knows_no_jumps(hours: int):
    time = ManualClock()
    clock = SteadyClock(time)
    time.start += timedelta(hours=hours)
    time.pause(2.5)
    assert clock.now() == ManualClock().start + timedelta(seconds=2.5)
    assert clock.monotonic() == 2.5
