"""The life of a job against a model of it: one machine for all stores; a subclass names another `open_store`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tamiz.domain.errors import DuplicateError, LeaseLostError
from tamiz.domain.records import Job, JobState, Lease, QueueState
from tamiz.domain.storage import Store, Tx
from tamiz.testing.manual_clock import ManualClock

TENANT = "default"
KINDS = ("triage", "enrich")
OWNERS = st.sampled_from(("one", "two"))
SECONDS = st.integers(0, 40)


@dataclass(frozen=True)
class Row:
    """What the model knows of a job."""

    job: Job
    state: JobState = JobState.READY
    epoch: int = 0
    owner: str = ""
    expires: datetime | None = None
    failures: int = 0
    crashes: int = 0
    reason: str = ""


class UndoError(Exception):
    """Raised at the end of a closure that must leave nothing behind."""


class JobLife(RuleBasedStateMachine):
    """Two owners and a queue. A lease stays in the bundle after its end, so that late writes are tried all the time."""

    leases: Bundle[Lease] = Bundle("leases")

    def open_store(self) -> Store:
        """An empty store."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.store = self.open_store()
        self.time = ManualClock()
        self.rows: dict[str, Row] = {}
        self.finished: set[str] = set()
        self.epochs: dict[str, int] = {}

    @initialize()
    def first_jobs(self) -> None:
        for lane in (0, 0, 1):
            self.add(KINDS[0], lane, 0)

    @rule(kind=st.sampled_from(KINDS), lane=st.integers(0, 1), wait=SECONDS)
    def add(self, kind: str, lane: int, wait: int) -> None:
        number = len(self.rows) + len(self.finished)
        job = Job(f"job {number:03}", TENANT, kind, f"ticket {number}", self.later(wait), lane)
        self.store.write(lambda tx: tx.jobs.add(job))
        self.rows[job.id] = Row(job)

    @rule()
    def add_again(self) -> None:
        jobs = [row.job for row in self.rows.values()]
        if jobs:
            self.refused(DuplicateError, lambda tx: tx.jobs.add(jobs[0]))

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds: int) -> None:
        self.time.pause(float(seconds))

    @rule(
        target=leases,
        owner=OWNERS,
        kinds=st.sets(st.sampled_from(KINDS), min_size=1),
        limit=st.integers(1, 3),
        seconds=st.integers(1, 40),
    )
    def lease(self, owner: str, kinds: set[str], limit: int, seconds: int) -> Any:
        now, expires = self.time.now(), self.later(seconds)
        leases = self.store.write(lambda tx: tx.jobs.lease(kinds, owner, limit, now, expires))
        expected = self.model_lease(kinds, owner, limit, now, expires)
        assert leases == expected
        for lease in leases:
            assert lease.epoch > self.epochs.get(lease.job.id, 0)
            self.epochs[lease.job.id] = lease.epoch
        return multiple(*leases)

    @rule(target=leases, lease=consumes(leases), seconds=st.integers(1, 40))
    def extend(self, lease: Lease, seconds: int) -> Any:
        expires = self.later(seconds)
        kept = self.store.write(lambda tx: tx.jobs.extend([lease], expires))
        if not self.holds(lease):
            assert kept == []
            return lease
        assert kept == [replace(lease, expires=expires)]
        self.rows[lease.job.id] = replace(self.rows[lease.job.id], expires=expires)
        return kept[0]

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        if self.fenced(lease, lambda tx: tx.jobs.finish(lease)):
            del self.rows[lease.job.id]
            self.finished.add(lease.job.id)

    @rule(lease=leases, wait=SECONDS)
    def retry(self, lease: Lease, wait: int) -> None:
        due = self.later(wait)
        if self.fenced(lease, lambda tx: tx.jobs.retry(lease, due, "an error")):
            row = self.rows[lease.job.id]
            job = replace(row.job, due=due)
            self.rows[job.id] = replace(row, job=job, state=JobState.READY, failures=row.failures + 1)

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        if self.fenced(lease, lambda tx: tx.jobs.release(lease)):
            self.rows[lease.job.id] = replace(self.rows[lease.job.id], state=JobState.READY)

    @rule(lease=leases)
    def bury(self, lease: Lease) -> None:
        reason = f"epoch {lease.epoch}"
        if self.fenced(lease, lambda tx: tx.jobs.bury(lease, reason, self.time.now())):
            row = self.rows[lease.job.id]
            self.rows[lease.job.id] = replace(row, state=JobState.DEAD, reason=reason)

    @rule(keep=OWNERS)
    def reclaim(self, keep: str) -> None:
        lost = [row for row in self.in_state(JobState.LEASED) if row.owner != keep]
        assert self.store.write(lambda tx: tx.jobs.reclaim(keep)) == len(lost)
        self.crash(lost)

    @rule(wait=SECONDS, data=st.data())
    def revive(self, wait: int, data: st.DataObject) -> None:
        known = sorted({*self.rows, *self.finished, "nobody"})
        job_id, due = data.draw(st.sampled_from(known)), self.later(wait)
        assert not self.store.write(lambda tx: tx.jobs.revive("another tenant", job_id, due))
        dead = job_id in self.rows and self.rows[job_id].state is JobState.DEAD
        assert self.store.write(lambda tx: tx.jobs.revive(TENANT, job_id, due)) == dead
        if dead:
            row = self.rows[job_id]
            job = replace(row.job, due=due)
            self.rows[job_id] = replace(row, job=job, state=JobState.READY, failures=0, crashes=0)

    @rule(lease=leases)
    def a_transaction_that_raises_leaves_nothing(self, lease: Lease) -> None:
        now = self.time.now()

        def work(tx: Tx) -> None:
            tx.jobs.lease(KINDS, "nobody", 9, now, now)
            tx.jobs.reclaim("nobody")
            for job_id in self.rows:
                tx.jobs.revive(TENANT, job_id, now)
            tx.jobs.add(Job("undone", TENANT, "triage", "x", now))
            if tx.jobs.extend([lease], now):
                tx.jobs.finish(lease)
            raise UndoError

        self.refused(UndoError, work)

    @invariant()
    def every_job_is_waiting_leased_dead_or_finished(self) -> None:
        assert self.states() == [self.model_state(kind) for kind in KINDS if self.of_kind(kind)]
        dead = self.store.read(lambda tx: tx.jobs.dead(TENANT))
        assert {(one.job.id, one.reason, one.failures, one.crashes) for one in dead} == {
            (row.job.id, row.reason, row.failures, row.crashes) for row in self.in_state(JobState.DEAD)
        }

    def teardown(self) -> None:
        """At the end all that is not dead can be leased once more, with the counts of its whole life."""
        self.time.pause(1000.0)
        now = self.time.now()
        while leases := self.store.write(lambda tx: tx.jobs.lease(KINDS, "last", 9, now, now)):
            assert leases == self.model_lease(set(KINDS), "last", 9, now, now)
            for lease in leases:
                self.finish(lease)
        assert all(row.state is JobState.DEAD for row in self.rows.values())
        self.every_job_is_waiting_leased_dead_or_finished()
        self.store.close()

    def model_lease(
        self, kinds: set[str], owner: str, limit: int, now: datetime, expires: datetime
    ) -> list[Lease]:
        own = [row for row in self.rows.values() if row.job.kind in kinds]
        self.crash(
            [r for r in own if r.state is JobState.LEASED and r.expires is not None and r.expires < now]
        )
        own = [self.rows[row.job.id] for row in own]
        due = [row for row in own if row.state is JobState.READY and row.job.due <= now]
        due = sorted(due, key=lambda row: (row.job.lane, row.job.due, row.job.id))[:limit]
        if due and due[0].crashes:
            due = due[:1]
        taken = [
            replace(row, state=JobState.LEASED, owner=owner, epoch=row.epoch + 1, expires=expires)
            for row in due
            if len(due) == 1 or not row.crashes
        ]
        self.rows |= {row.job.id: row for row in taken}
        return [Lease(row.job, owner, row.epoch, expires, row.failures, row.crashes) for row in taken]

    def model_state(self, kind: str) -> QueueState:
        rows = self.of_kind(kind)
        due = [row.job.due for row in rows if row.state is JobState.READY]
        leased, dead = (sum(row.state is state for row in rows) for state in (JobState.LEASED, JobState.DEAD))
        return QueueState(kind, len(due), leased, dead, min(due, default=None))

    def crash(self, rows: list[Row]) -> None:
        for row in rows:
            self.rows[row.job.id] = replace(row, state=JobState.READY, crashes=row.crashes + 1)

    def holds(self, lease: Lease) -> bool:
        row = self.rows.get(lease.job.id)
        return row is not None and row.state is JobState.LEASED and row.epoch == lease.epoch

    def fenced(self, lease: Lease, work: Callable[[Tx], None]) -> bool:
        """Do it if the lease holds; if not, it must be refused."""
        if self.holds(lease):
            self.store.write(work)
            return True
        self.refused(LeaseLostError, work)
        return False

    def refused(self, error: type[Exception], work: Callable[[Tx], object]) -> None:
        before = self.states()
        try:
            self.store.write(work)
        except error:
            assert self.states() == before
        else:
            raise AssertionError(f"not refused with {error.__name__}")

    def states(self) -> list[QueueState]:
        states = self.store.read(lambda tx: tx.jobs.states())
        return sorted(states, key=lambda state: KINDS.index(state.kind))

    def of_kind(self, kind: str) -> list[Row]:
        return [row for row in self.rows.values() if row.job.kind == kind]

    def in_state(self, state: JobState) -> list[Row]:
        return [row for row in self.rows.values() if row.state is state]

    def later(self, seconds: int) -> datetime:
        return self.time.now() + timedelta(seconds=seconds)
