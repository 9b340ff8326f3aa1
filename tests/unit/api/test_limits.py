"""How much anybody may ask for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.api.limits import Buckets
from tamiz.api.waiting import Bell, Seats
from tamiz.domain.records import Role
from tamiz.testing.manual_clock import ManualClock

from .rig import TEXT, Limits, generous, running


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = ManualClock()
    bucket = Buckets(clock, rate=2.0, burst=4.0, remembered=10)
    assert [bucket.take("a") for _ in range(4)] == [0.0] * 4
    assert bucket.take("a") == 0.5
    assert bucket.take("b") == 0.0
    clock.pause(0.5)
    assert (bucket.take("a"), bucket.take("a")) == (0.0, 0.5)
    clock.pause(1000)
    assert [bucket.take("a") for _ in range(5)] == [0.0] * 4 + [0.5], "it never holds more than its burst"


def test_more_than_a_bucket_holds_waits_for_a_full_one_and_empties_it_for_longer() -> None:
    clock = ManualClock()
    bucket = Buckets(clock, rate=1.0, burst=10.0, remembered=10)
    assert bucket.take("a", 30) == 0.0
    assert bucket.take("a") == 21.0


def test_buckets_forget_the_idlest() -> None:
    bucket = Buckets(ManualClock(), rate=1.0, burst=1.0, remembered=100)
    for number in range(10_000):
        bucket.take(str(number))
    assert len(bucket) == 100


def test_too_many_requests_are_told_when_to_come_back(runner: asyncio.Runner) -> None:
    with running(runner, limits=Limits(rate=1.0, burst=3.0)) as service:
        answers = [service.post("/classify", TEXT) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429] * 2
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].json()["retryable"] is True
        assert service.post("/classify", TEXT, tenant="b").status_code == 202
        assert service.post("/classify", TEXT, role=Role.SUBMIT).status_code == 202, (
            "another key of the tenant"
        )
        service.clock.pause(1)
        assert service.post("/classify", TEXT).status_code == 202


def test_a_batch_counts_for_each_of_its_tickets(runner: asyncio.Runner) -> None:
    with running(runner, limits=Limits(rate=1.0, burst=10.0)) as service:
        assert service.post("/tickets/batch", {"tickets": [TEXT] * 9}).status_code == 202
        assert service.post("/tickets/batch", {"tickets": [TEXT] * 2}).status_code == 429
        assert service.post("/predict_batch", [TEXT] * 9, tenant="b").status_code == 200
        assert service.post("/predict_batch", [TEXT] * 2, tenant="b").status_code == 429


def test_one_tenant_at_a_hundred_times_its_rate_does_not_slow_another(runner: asyncio.Runner) -> None:
    with running(runner, limits=Limits(rate=8.0, burst=8.0)) as service:

        async def ask(tenant: str) -> int:
            return (await service.asked("POST", "/classify", Role.SUBMIT, tenant, json=TEXT)).status_code

        async def both() -> tuple[list[int], list[int]]:
            loud, calm = [], []
            for _ in range(10):
                loud += [await ask("a") for _ in range(100)]
                calm.append(await ask("b"))
                service.clock.pause(0.125)
            return loud, calm

        loud, calm = runner.run(both())
        assert calm == [202] * 10
        assert loud.count(202) == 8 + 9
        assert loud.count(429) == 1000 - 17


def test_one_request_more_than_fit_is_sent_away_at_once(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous(concurrent=2)) as service:
        ticket = service.submit()

        async def crowd() -> list[Any]:
            inside = [
                asyncio.create_task(service.asked("GET", f"/tickets/{ticket}?wait=0.5")) for _ in range(2)
            ]
            await asyncio.sleep(0.1)
            refused = await service.client.get("/health/live")
            return [refused, *await asyncio.gather(*inside), await service.client.get("/health/live")]

        refused, *served = runner.run(crowd())
        assert refused.status_code == 503
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
        assert [answer.status_code for answer in served] == [200, 200, 200]


def test_predictions_that_wait_are_limited(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous(predicting=3)) as service:
        model = service.parts.judges("a").model
        answer_of = model.script
        model.script = lambda text: time.sleep(0.3) or answer_of(text)

        async def crowd() -> list[int]:
            asked = [service.asked("POST", "/predict", json=TEXT) for _ in range(6)]
            live = service.client.get("/health/live")
            return [answer.status_code for answer in await asyncio.gather(*asked, live)]

        *predicted, live = runner.run(crowd())
        assert sorted(predicted) == [200] * 3 + [503] * 3
        assert live == 200
        assert service.post("/predict", TEXT).status_code == 200


def test_seats_are_counted_in_all_and_per_key() -> None:
    seats = Seats(total=3, per_key=2)
    assert [seats.take(key) for key in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    seats.leave("a")
    assert seats.take("c")


def test_a_bell_wakes_those_who_listen_for_its_ticket_from_any_thread() -> None:
    bell = Bell()

    async def hear() -> list[bool]:
        with bell.listening("a", "1") as one, bell.listening("a", "2") as other:
            await asyncio.to_thread(bell.ring, "a", "1")
            bell.ring("b", "1")
            await asyncio.sleep(0)
            return [one.is_set(), other.is_set()]

    assert asyncio.run(hear()) == [True, False]
    bell.ring("a", "1")
