"""Steps are timed by the clock that was given, also those that fail."""

from __future__ import annotations

import pytest

from tamiz.domain.stages import Stage, Watch
from tamiz.testing.manual_clock import ManualClock


def test_a_step_is_told_with_its_tickets_its_time_and_its_error() -> None:
    clock, told = ManualClock(), list[Stage]()
    began = clock.now()
    watch = Watch(clock, told.append)
    with watch.stage("encode", ["a", "b"]):
        clock.pause(2.0)
    with pytest.raises(ValueError), watch.stage("decide", ["a"]):
        raise ValueError("my password is hunter2")
    assert told[0] == Stage("encode", ("a", "b"), began, 2.0)
    assert (told[1].error, told[1].tickets) == ("ValueError", ("a",))
    assert "hunter2" not in repr(told)


def test_without_a_clock_nothing_is_told() -> None:
    told: list[Stage] = []
    with Watch(hook=told.append).stage("encode", []):
        pass
    assert told == []
