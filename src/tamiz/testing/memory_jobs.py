"""The queue of the store in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import nsmallest

from tamiz.domain.errors import DuplicateError, LeaseLostError
from tamiz.domain.records import DeadJob, Job, JobState, Lease, QueueState
from tamiz.testing.memory_table import Journal, Table

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _JobRow:
    """A job and what became of it. `epoch`, `owner` and `expires` are those of its newest lease."""

    job: Job
    state: JobState = JobState.READY
    epoch: int = 0
    owner: str = ""
    expires: datetime = NEVER
    failures: int = 0
    crashes: int = 0
    reason: str = ""
    buried_at: datetime = NEVER

    def crashed(self) -> _JobRow:
        """Ready again after its owner was never heard of again."""
        return replace(self, state=JobState.READY, crashes=self.crashes + 1)

    def leased(self, owner: str, expires: datetime) -> _JobRow:
        """In new hands."""
        return replace(self, state=JobState.LEASED, owner=owner, epoch=self.epoch + 1, expires=expires)

    def lease(self) -> Lease:
        """The lease that it is under."""
        return Lease(self.job, self.owner, self.epoch, self.expires, self.failures, self.crashes)

    def dead(self) -> DeadJob:
        """What people see of it."""
        return DeadJob(self.job, self.reason, self.failures, self.crashes, self.buried_at)

    def ready(self, due: datetime) -> _JobRow:
        """Waiting, until then."""
        return replace(self, state=JobState.READY, job=replace(self.job, due=due))


class MemoryJobs:
    """The Jobs port."""

    def __init__(self, journal: Journal) -> None:
        self._jobs: Table[tuple[str, str], _JobRow] = Table(journal)

    def add(self, job: Job) -> None:
        if self._jobs.get((job.tenant, job.id)):
            raise DuplicateError(what=f"Job '{job.id}'")
        self._put(_JobRow(job))

    def lease(
        self, kinds: Collection[str], owner: str, limit: int, now: datetime, expires: datetime
    ) -> list[Lease]:
        own = [row for row in self._jobs.rows.values() if row.job.kind in kinds]
        for row in own:
            if row.state is JobState.LEASED and row.expires < now:
                self._put(row.crashed())
        rows = (self._jobs.rows[row.job.tenant, row.job.id] for row in own)
        due = (row for row in rows if row.state is JobState.READY and row.job.due <= now)
        first = nsmallest(limit, due, key=lambda row: (row.job.lane, row.job.due, row.job.id))
        taken = [row.leased(owner, expires) for row in _company(first)]
        for row in taken:
            self._put(row)
        return [row.lease() for row in taken]

    def extend(self, leases: Sequence[Lease], expires: datetime) -> list[Lease]:
        extended = [replace(row, expires=expires) for row in map(self._find, leases) if row]
        for row in extended:
            self._put(row)
        return [row.lease() for row in extended]

    def finish(self, lease: Lease) -> None:
        job = self._held(lease).job
        self._jobs.drop((job.tenant, job.id))

    def retry(self, lease: Lease, due: datetime, reason: str) -> None:
        row = self._held(lease)
        self._put(replace(row.ready(due), failures=row.failures + 1, reason=reason))

    def release(self, lease: Lease) -> None:
        self._put(replace(self._held(lease), state=JobState.READY))

    def bury(self, lease: Lease, reason: str, at: datetime) -> None:
        self._put(replace(self._held(lease), state=JobState.DEAD, reason=reason, buried_at=at))

    def reclaim(self, keep: str) -> int:
        rows = self._jobs.rows.values()
        lost = [row for row in rows if row.state is JobState.LEASED and row.owner != keep]
        for row in lost:
            self._put(row.crashed())
        return len(lost)

    def dead(self, tenant: str, limit: int = 100) -> list[DeadJob]:
        rows = self._jobs.rows.values()
        dead = [row.dead() for row in rows if row.state is JobState.DEAD and row.job.tenant == tenant]
        return sorted(dead, key=lambda one: (one.at, one.job.id), reverse=True)[:limit]

    def revive(self, tenant: str, job_id: str, due: datetime) -> bool:
        row = self._jobs.get((tenant, job_id))
        if row is None or row.state is not JobState.DEAD:
            return False
        self._put(replace(row.ready(due), failures=0, crashes=0))
        return True

    def states(self) -> list[QueueState]:
        rows = list(self._jobs.rows.values())
        return [
            _queue_state(kind, [row for row in rows if row.job.kind == kind])
            for kind in sorted({row.job.kind for row in rows})
        ]

    def left(self, tenant: str, kind: str, lane: int) -> int:
        place = (tenant, kind, lane)
        return sum(
            (row.job.tenant, row.job.kind, row.job.lane) == place and row.state is not JobState.DEAD
            for row in self._jobs.rows.values()
        )

    def _find(self, lease: Lease) -> _JobRow | None:
        row = self._jobs.get((lease.job.tenant, lease.job.id))
        if row is None or row.state is not JobState.LEASED:
            return None
        return row if (row.owner, row.epoch) == (lease.owner, lease.epoch) else None

    def _held(self, lease: Lease) -> _JobRow:
        row = self._find(lease)
        if row is None:
            raise LeaseLostError(job=lease.job.id, epoch=lease.epoch)
        return row

    def _put(self, row: _JobRow) -> None:
        self._jobs.put((row.job.tenant, row.job.id), row)


def _company(rows: Sequence[_JobRow]) -> Sequence[_JobRow]:
    """A job that has crashed comes alone, so that it can take no other with it."""
    return rows[:1] if rows and rows[0].crashes else [row for row in rows if not row.crashes]


def _queue_state(kind: str, rows: Sequence[_JobRow]) -> QueueState:
    waiting = [row.job.due for row in rows if row.state is JobState.READY]
    leased = sum(row.state is JobState.LEASED for row in rows)
    return QueueState(
        kind, len(waiting), leased, len(rows) - len(waiting) - leased, min(waiting, default=None)
    )
