"""Workers in threads of their own: waking, draining, stopping, heartbeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from threading import Event, Lock, Thread, current_thread
from time import monotonic

import pytest

from tamiz.domain.records import Lease
from tamiz.jobs import LoopSettings, Pool, SteadyClock, What, Worker

from .rig import QUICK, Rig

SOON = 10.0
"""Seconds within which anything must have happened; nothing waits for that long."""

ASLEEP = LoopSettings(poll=600.0)
"""A worker that sees new jobs only when it is woken."""


class Gate:
    """A handler that says when it has begun and goes on when it is let."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.begun, self.go, self.left = Event(), Event(), Event()

    def __call__(self, leases: Sequence[Lease]) -> None:
        self.begun.set()
        try:
            assert self.go.wait(SOON)
            self.rig.finish(leases)
        finally:
            self.left.set()


def started(worker: Worker) -> Thread:
    thread = Thread(target=worker.run)
    thread.start()
    return thread


def ended(thread: Thread) -> bool:
    thread.join(SOON)
    return not thread.is_alive()


def at_work() -> tuple[Rig, Gate, Worker, Thread]:
    """A worker in the middle of a handler that waits at its gate."""
    rig = Rig()
    gate = Gate(rig)
    rig.add("a")
    worker = rig.worker({"triage": gate}, settings=ASLEEP)
    thread = started(worker)
    assert gate.begun.wait(SOON)
    return rig, gate, worker, thread


def test_a_woken_worker_sees_a_job_at_once():
    rig = Rig()
    gate = Gate(rig)
    gate.go.set()
    worker = rig.worker({"triage": gate}, settings=ASLEEP)
    thread = started(worker)
    for name in ("a", "b", "c"):
        gate.left.clear()
        rig.add(name)
        worker.wake()
        assert gate.left.wait(SOON)
    assert worker.stop(SOON)
    assert ended(thread)
    assert rig.done == ["a", "b", "c"]


def test_without_a_wake_a_job_is_seen_by_the_next_poll():
    rig = Rig()
    gate = Gate(rig)
    gate.go.set()
    worker = rig.worker({"triage": gate})
    thread = started(worker)
    rig.add("a")
    assert gate.left.wait(SOON)
    assert worker.stop(SOON)
    assert ended(thread)


def test_work_in_hand_may_finish_within_the_grace():
    rig, gate, worker, thread = at_work()
    with ThreadPoolExecutor(1) as other:
        stopped = other.submit(worker.stop, SOON)
        rig.add("new")
        gate.go.set()
        assert stopped.result(SOON) is True
    assert ended(thread)
    assert rig.done == ["a"]
    assert rig.state().waiting == 1


def test_what_has_not_begun_is_released_at_once():
    rig = Rig()
    gate = Gate(rig)
    rig.add("begun")
    rig.add("waiting", kind="push", lane=1)
    worker = rig.worker({"triage": gate, "push": rig.finish}, settings=ASLEEP)
    thread = started(worker)
    assert gate.begun.wait(SOON)
    assert rig.state("push").leased == 1
    worker.halt()
    assert (rig.state("push").waiting, rig.state("triage").leased) == (1, 1)
    gate.go.set()
    assert worker.drain(SOON)
    assert ended(thread)
    assert (rig.done, rig.told(What.RELEASED)) == (["begun"], ["waiting"])


def test_neighbours_of_a_poison_job_that_have_not_begun_are_released():
    rig = Rig()
    gate = Gate(rig)
    gate.go.set()

    def handler(leases: Sequence[Lease]) -> None:
        if len(leases) > 1:
            worker.halt()
            raise ValueError
        gate(leases)

    worker = rig.worker({"triage": handler})
    rig.add("a", "b")
    worker.step()
    assert (rig.done, rig.told(What.RELEASED)) == ([], ["a", "b"])


def test_work_that_outlasts_the_grace_is_released_and_its_late_result_refused():
    rig, gate, worker, thread = at_work()
    assert worker.stop(0.01) is False
    assert rig.state().waiting == 1
    gate.go.set()
    assert ended(thread)
    assert rig.done == []
    assert [(lease.failures, lease.crashes) for lease in rig.lease("two")] == [(0, 0)]
    assert [event.what for event in rig.events] == [What.LEASED, What.RELEASED]


def test_a_second_stop_returns_at_once_and_ends_the_grace_of_the_first():
    rig, gate, worker, thread = at_work()
    with ThreadPoolExecutor(1) as other:
        first = other.submit(worker.stop, 600.0)
        while not worker.state().stopping:
            pass
        before = monotonic()
        assert worker.stop(600.0) is False
        assert first.result(SOON) is False
        assert monotonic() - before < SOON
    assert rig.state().waiting == 1
    gate.go.set()
    assert ended(thread)


def test_a_worker_stopped_before_it_started_takes_nothing():
    rig = Rig()
    rig.add("a")
    worker = rig.worker({"triage": rig.finish})
    assert worker.stop(600.0)
    assert ended(started(worker))
    assert rig.state().waiting == 1


def test_a_worker_outlives_a_store_that_is_away():
    rig = Rig()
    gate = Gate(rig)
    gate.go.set()
    rig.add("a")
    rig.store.away = True
    worker = rig.worker({"triage": gate})
    thread = started(worker)
    assert rig.store.wait_for_writes(5)
    rig.store.away = False
    assert gate.left.wait(SOON)
    assert worker.stop(SOON)
    assert ended(thread)
    assert rig.done == ["a"]


def test_a_stop_is_not_held_up_by_a_store_that_is_away():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        rig.store.away = True
        raise ValueError

    rig.add("a")
    worker = rig.worker({"triage": handler})
    thread = started(worker)
    assert rig.store.wait_for_writes(5)
    assert worker.stop(0.01) is False
    assert ended(thread)
    rig.store.away = False
    assert rig.state().leased == 1
    assert rig.worker({"triage": rig.finish}, owner="next start").reclaim() == 1


def test_heartbeats_come_while_a_handler_runs():
    rig, beats = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        beats.append(rig.store.wait_for_writes(2))
        rig.finish(leases)

    rig.add("a")
    rig.worker({"triage": handler}, settings=LoopSettings(lease=0.03)).step()
    assert (beats, rig.done) == ([True], ["a"])


def test_a_pool_works_wakes_tells_and_drains():
    rig = Rig()
    gate = Gate(rig)
    begun_in: list[str] = []
    pool = Pool(
        [
            rig.worker({"triage": gate, "push": gate}, settings=ASLEEP),
            rig.worker({"enrich": gate}, settings=ASLEEP),
        ],
        rig.clock,
        lambda: begun_in.append(current_thread().name),
    )
    assert pool.reclaim() == 0
    pool.start()
    rig.add("a")
    pool.wake("triage")
    assert gate.begun.wait(SOON)
    busy, idle = pool.states()
    assert (busy.kinds, busy.running, busy.jobs, busy.counts) == (
        ("triage", "push"),
        True,
        ("a",),
        {What.LEASED: 1},
    )
    assert (idle.kinds, idle.jobs) == (("enrich",), ())
    gate.go.set()
    assert pool.stop(SOON)
    assert pool.stop(SOON)
    assert [state.running for state in pool.states()] == [False, False]
    assert rig.done == ["a"]
    assert sorted(begun_in) == ["tamiz-worker-enrich", "tamiz-worker-triage-push"]


def test_the_workers_of_a_pool_have_one_owner():
    rig = Rig()
    with pytest.raises(ValueError, match="one owner"):
        Pool([rig.worker({"triage": rig.finish}, owner=name) for name in ("a", "b")], rig.clock)


class RealClock:
    """Time as it is."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic()


def counting(rig: Rig, total: int) -> tuple[Callable[[Sequence[Lease]], None], Event]:
    """A handler for many threads, and the event that all is done."""
    lock, all_done = Lock(), Event()

    def handler(leases: Sequence[Lease]) -> None:
        rig.store.write(lambda tx: [tx.jobs.finish(lease) for lease in leases])
        with lock:
            rig.done += [lease.job.id for lease in leases]
            if len(rig.done) >= total:
                all_done.set()

    return handler, all_done


def test_four_workers_that_race_do_each_job_once():
    rig, total = Rig(), 2000
    rig.clock = SteadyClock(RealClock())
    handler, all_done = counting(rig, total)
    rig.add(*(f"job {n}" for n in range(total)))
    workers = [
        Worker(rig.store, {"triage": handler}, "one", rig.clock, Random(n), QUICK, hook=rig.events.append)
        for n in range(4)
    ]
    pool = Pool(workers, rig.clock)
    pool.start()
    assert all_done.wait(60.0)
    assert pool.stop(SOON)
    assert sorted(rig.done) == sorted(f"job {n}" for n in range(total))
    assert len(rig.told(What.LEASED)) == len(rig.told(What.FINISHED)) == total
