"""One worker, one round at a time, in time that is moved by hand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tamiz.domain.errors import LeaseLostError, RateLimitedError, StoreUnavailableError
from tamiz.domain.records import AuditEntry, Job, Lease
from tamiz.domain.storage import Tx
from tamiz.jobs import LoopSettings, RetryPolicy, SteadyClock, What

from .rig import Rig, patient


def test_leases_are_handed_over_by_kind_lowest_lane_first():
    rig, seen = Rig(), []
    rig.add("slow", kind="push", lane=1)
    rig.add("a", "b")

    def handler(leases: Sequence[Lease]) -> None:
        seen.append([lease.job.id for lease in leases])
        rig.finish(leases)

    worker = rig.worker({"push": handler, "triage": handler})
    assert worker.step() == 3
    assert seen == [["a", "b"], ["slow"]]
    assert worker.step() == 0
    assert [event.what for event in rig.events] == [What.LEASED, What.LEASED, What.FINISHED, What.FINISHED]


def test_only_own_kinds_due_jobs_and_a_batch_are_taken():
    rig = Rig()
    rig.add("other", kind="enrich")
    rig.add("later", due=5.0)
    rig.add("a", "b", "c")
    worker = rig.worker({"triage": rig.finish}, settings=LoopSettings(batch=2))
    assert [worker.step() for _ in range(3)] == [2, 1, 0]
    rig.time.pause(5.0)
    assert worker.step() == 1
    assert rig.done == ["a", "b", "c", "later"]
    assert rig.state("enrich").waiting == 1


def test_events_tell_how_long_jobs_waited_and_handlers_ran():
    rig = Rig()
    rig.add("a")
    rig.time.pause(3.0)

    def handler(leases: Sequence[Lease]) -> None:
        rig.time.pause(0.5)
        rig.finish(leases)

    rig.worker({"triage": handler}).step()
    assert [(event.what, event.seconds) for event in rig.events] == [(What.LEASED, 3.0), (What.FINISHED, 0.5)]


def test_a_poison_job_in_a_batch_fails_alone():
    rig = Rig()
    rig.add("a", "bad", "c")
    worker = rig.worker({"triage": rig.poisoned("bad")})
    worker.step()
    assert rig.done == ["a", "c"]
    assert rig.told(What.RETRIED) == ["bad"]
    rig.time.pause(1.0)
    (lease,) = rig.lease("two")
    assert (lease.job.id, lease.failures, lease.crashes) == ("bad", 1, 0)


def test_what_a_failing_batch_has_finished_is_not_done_again():
    rig, runs = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        for lease in leases:
            runs.append(lease.job.id)
            if lease.job.id == "bad" and len(runs) < 3:
                raise ValueError
            rig.finish([lease])

    rig.add("a", "bad", "c")
    rig.worker({"triage": handler}).step()
    assert runs == ["a", "bad", "bad", "c"]
    assert rig.told(What.FINISHED) == ["a", "bad", "c"]


def test_a_job_is_buried_with_its_fifth_failure_and_the_hook_runs_in_the_same_transaction():
    rig = Rig()

    def buried(tx: Tx, lease: Lease) -> None:
        assert [job.job.id for job in tx.jobs.dead("default")] == ["bad"]
        tx.audit.add(AuditEntry("default", rig.clock.now(), "worker", "buried", lease.job.subject))

    rig.add("bad")
    worker = rig.worker({"triage": rig.poisoned("bad")}, buried=buried)
    for _ in range(9):
        worker.step()
        rig.time.pause(300.0)
    assert rig.told(What.LEASED) == ["bad"] * 5
    assert (rig.told(What.RETRIED), rig.told(What.BURIED)) == (["bad"] * 4, ["bad"])
    assert rig.dead()[0].reason.startswith("it failed 5 times, at last with ValueError")
    assert [entry.subject for entry in rig.store.read(lambda tx: tx.audit.after("default"))] == [
        "ticket of bad"
    ]


def test_reasons_quote_no_text_of_errors_that_are_not_ours():
    rig = Rig()
    rig.add("bad")
    rig.worker({"triage": rig.poisoned("bad")}, settings=patient(failures=1)).step()
    told = [event.reason for event in rig.events] + [job.reason for job in rig.dead()]
    assert "hunter2" not in " ".join(told)


def test_a_burial_that_fails_is_put_off_and_the_job_is_not_run_again():
    rig, runs, broken = Rig(), [], [True]

    def handler(leases: Sequence[Lease]) -> None:
        runs.append(leases[0].job.id)
        raise ValueError

    def buried(tx: Tx, lease: Lease) -> None:
        if broken:
            raise KeyError(lease.job.subject)

    rig.add("bad")
    worker = rig.worker({"triage": handler}, settings=patient(failures=1), buried=buried)
    worker.step()
    assert (rig.state().waiting, rig.state().dead) == (1, 0)
    broken.clear()
    rig.time.pause(300.0)
    worker.step()
    assert rig.dead()[0].job.id == "bad"
    assert runs == ["bad"]


class Killed(BaseException):
    """The end of the process."""


def test_a_job_that_kills_its_worker_is_dead_after_three_crashes_and_takes_nobody_along():
    rig, runs = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        if "killer" in [lease.job.id for lease in leases]:
            runs.append(len(leases))
            raise Killed
        rig.finish(leases)

    rig.add("a", "killer", "z")
    working = True
    while working:
        worker = rig.worker({"triage": handler}, owner=f"process {len(runs)}")
        try:
            working = worker.step() > 0
        except Killed:
            rig.time.pause(61.0)
    assert runs == [3, 1, 1]
    assert sorted(rig.done) == ["a", "z"]
    assert [(job.job.id, job.reason) for job in rig.dead()] == [("killer", "its worker died 3 times")]


def test_a_handler_that_asks_to_exit_has_failed():
    rig = Rig()
    rig.add("a")
    rig.worker({"triage": lambda leases: sys.exit(1)}).step()
    assert rig.told(What.RETRIED) == ["a"]


def test_a_job_that_has_crashed_runs_alone():
    rig, seen = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        seen.append([lease.job.id for lease in leases])
        rig.finish(leases)

    rig.add("a", "b")
    rig.lease("dead process")
    rig.add("c", "d")
    rig.time.pause(61.0)
    worker = rig.worker({"triage": handler})
    while worker.step():
        pass
    assert seen == [["a"], ["b"], ["c", "d"]]


def test_a_handler_that_returns_without_finishing_has_failed():
    rig = Rig()
    rig.add("a", "b")
    rig.worker({"triage": lambda leases: rig.finish(leases[:1]) if len(leases) > 1 else None}).step()
    assert rig.told(What.FINISHED) == ["a"]
    (event,) = (event for event in rig.events if event.what is What.RETRIED)
    assert (event.ids, event.reason) == (("b",), "UnfinishedError")


@pytest.mark.parametrize("passes_over", [False, True], ids=["raises", "passes over"])
def test_the_late_result_of_a_zombie_is_refused(passes_over: bool):
    rig = Rig()
    other = rig.worker({"triage": rig.finish}, owner="two", hook=lambda event: None)

    def zombie(leases: Sequence[Lease]) -> None:
        rig.time.pause(61.0)  # stopped for longer than its lease
        assert other.step() == 1
        with pytest.raises(LeaseLostError) as refused:
            rig.finish(leases)
        if not passes_over:
            raise refused.value

    rig.add("a")
    rig.worker({"triage": zombie}).step()
    assert rig.done == ["a"]
    assert [event.what for event in rig.events] == [What.LEASED, What.LOST]
    assert rig.state().waiting == rig.state().dead == 0


def test_what_was_lost_while_a_batch_failed_is_not_begun():
    rig, runs = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        runs.append([lease.job.id for lease in leases])
        if len(leases) > 1:
            raise ValueError
        rig.finish(leases)
        worker.beat()
        rig.time.pause(61.0)
        rig.lease("two", limit=1)

    worker = rig.worker({"triage": handler})
    rig.add("a", "b", "c")
    worker.step()
    assert runs == [["a", "b", "c"], ["a"]]
    assert rig.told(What.LOST) == ["b", "c"]


def test_heartbeats_keep_a_lease():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        for _ in range(3):
            rig.time.pause(50.0)
            worker.beat()
            assert rig.lease("two") == []
        rig.finish(leases)

    worker = rig.worker({"triage": handler})
    rig.add("a")
    worker.step()
    assert rig.done == ["a"]


def test_a_lease_outlives_a_store_that_is_away_for_some_heartbeats():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        rig.store.away = True
        for _ in range(2):
            rig.time.pause(25.0)
            worker.beat()
        rig.store.away = False
        worker.beat()
        rig.time.pause(50.0)
        assert rig.lease("two") == []
        rig.finish(leases)

    worker = rig.worker({"triage": handler})
    rig.add("a")
    worker.step()
    assert [event.what for event in rig.events] == [What.LEASED, What.STALLED, What.STALLED, What.FINISHED]


def test_an_outage_while_a_failure_is_written_down_is_waited_out():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        rig.store.misses = 3
        raise ValueError

    rig.add("a")
    rig.worker({"triage": handler}).step()
    rig.time.pause(1.0)
    (lease,) = rig.lease("two")
    assert (lease.failures, lease.crashes) == (1, 0)
    assert [event.what for event in rig.events].count(What.STALLED) == 3


def test_an_outage_in_the_handler_is_no_failure_of_the_job():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        rig.store.misses = 1
        rig.finish(leases)

    rig.add("a", "b")
    rig.add("unbegun", kind="push")
    worker = rig.worker({"triage": handler, "push": rig.finish})
    with pytest.raises(StoreUnavailableError):
        worker.step()
    assert rig.told(What.RELEASED) == ["a", "b", "unbegun"]
    assert [(lease.failures, lease.crashes) for lease in rig.lease("two")] == [(0, 0), (0, 0)]


def test_a_result_is_saved_together_with_its_completion_or_not_at_all():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        def work(tx: Tx) -> None:
            tx.jobs.finish(leases[0])
            tx.jobs.add(Job("follow-up", "default", "push", leases[0].job.subject, rig.clock.now()))
            raise ValueError

        rig.store.write(work)

    rig.add("a")
    rig.worker({"triage": handler}).step()
    assert (rig.state("triage").waiting, rig.state("push").waiting) == (1, 0)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_wall_clock_ends_no_lease_and_hurries_no_retry(hours: int):
    rig = Rig()
    rig.add("leased")
    rig.add("later", due=10.0)
    other = SteadyClock(rig.time)
    rig.lease("one")
    rig.time.start = rig.time.start + timedelta(hours=hours)
    for clock in (rig.clock, other):
        rig.clock = clock
        assert rig.lease("two") == []
    rig.time.pause(10.5)
    assert [lease.job.id for lease in rig.lease("two")] == ["later"]
    rig.time.pause(61.0)
    assert rig.lease("three")[0].job.id == "leased"


def test_a_demand_to_wait_wins():
    rig = Rig()

    def handler(leases: Sequence[Lease]) -> None:
        raise RateLimitedError(provider="x", reason="slow down", retry_after="120")

    rig.add("a")
    worker = rig.worker({"triage": handler})
    worker.step()
    rig.time.pause(119.0)
    assert worker.step() == 0
    rig.time.pause(3.0)
    assert worker.step() == 1


def test_a_hook_that_fails_hurts_nobody(caplog: pytest.LogCaptureFixture):
    rig = Rig()
    rig.add("a")

    def hook(event: object) -> None:
        raise ValueError("boom")

    worker = rig.worker({"triage": rig.finish}, hook=hook)
    worker.step()
    assert rig.done == ["a"]
    assert worker.state().counts == {What.LEASED: 1, What.FINISHED: 1}
    assert "ValueError" in caplog.text


def test_state_tells_what_is_in_hand():
    rig, states = Rig(), []

    def handler(leases: Sequence[Lease]) -> None:
        rig.time.pause(2.0)
        states.append(worker.state())
        rig.finish(leases)

    worker = rig.worker({"triage": handler})
    rig.add("a", "b")
    began = rig.clock.now()
    worker.step()
    (state,) = states
    assert (state.jobs, state.busy, state.beat) == (("a", "b"), 2.0, began)
    assert (worker.state().jobs, worker.state().busy) == ((), 0.0)


def test_reclaiming_at_start_up_converges_however_often_it_is_repeated():
    rig = Rig()
    rig.add("a", "b")
    assert len(rig.lease("before")) == 2
    counts = [rig.worker({"triage": rig.finish}, owner=f"start {n}").reclaim() for n in range(5)]
    assert counts == [2, 0, 0, 0, 0]
    assert [(lease.job.id, lease.crashes) for lease in rig.lease("now")] == [("a", 1)]


def test_the_default_policy_is_the_documented_one():
    assert (RetryPolicy().failures, RetryPolicy().crashes) == (5, 3)
