"""The queue in SQL.

A job waits, is leased or is dead; each state has its own index, so that a lease costs the same whatever else is queued.
An expired lease goes back into the queue with a crash more, and then the job is leased like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tamiz.domain.errors import DuplicateError, LeaseLostError
from tamiz.domain.records import DeadJob, Job, JobState, Lease, QueueState
from tamiz.store.sql import SKIP, Sql, insert_into, micros, moment
from tamiz.store.tables import JOBS

_COLUMNS = "id, tenant, kind, subject, due, lane, epoch, failures, crashes"
_ADD = insert_into(JOBS, "ON CONFLICT DO NOTHING")
# The next lane is looked up behind the last one: there are few, however many jobs each of them holds. Not by min():
# without statistics PostgreSQL reads all jobs for it.
_LANES = """
WITH RECURSIVE lanes (lane) AS (
    SELECT (SELECT jobs.lane FROM jobs WHERE state = 'ready' AND kind = :kind ORDER BY jobs.lane LIMIT 1)
    UNION ALL
    SELECT (
        SELECT jobs.lane FROM jobs WHERE state = 'ready' AND kind = :kind AND jobs.lane > lanes.lane
        ORDER BY jobs.lane LIMIT 1
    )
    FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM lanes WHERE lane IS NOT NULL
"""
_DUE = f"""
SELECT {_COLUMNS} FROM jobs WHERE state = 'ready' AND kind = :kind AND lane = :lane AND due <= :now
ORDER BY due, id LIMIT :limit {SKIP}
"""
_EXPIRED = f"""
SELECT tenant, id FROM jobs WHERE state = 'leased' AND kind = :kind AND expires < :now {SKIP}
"""
_CRASHED = (
    "UPDATE jobs SET state = 'ready', owner = '', crashes = crashes + 1 WHERE tenant = :tenant AND id = :id"
)
_TAKE = """
UPDATE jobs SET state = 'leased', owner = :owner, epoch = epoch + 1, expires = :expires
WHERE tenant = :tenant AND id = :id
"""
_HELD = "WHERE tenant = :tenant AND id = :id AND state = 'leased' AND owner = :owner AND epoch = :epoch"
_EXTEND = f"UPDATE jobs SET expires = :expires {_HELD}"
_FINISH = f"DELETE FROM jobs {_HELD}"
_RETRY = f"""
UPDATE jobs SET state = 'ready', owner = '', failures = failures + 1, due = :due, reason = :reason {_HELD}
"""
_RELEASE = f"UPDATE jobs SET state = 'ready', owner = '' {_HELD}"
_BURY = f"UPDATE jobs SET state = 'dead', owner = '', reason = :reason, died_at = :at {_HELD}"
_RECLAIM = """
UPDATE jobs SET state = 'ready', owner = '', crashes = crashes + 1 WHERE state = 'leased' AND owner <> :keep
"""
_DEAD = f"""
SELECT {_COLUMNS}, reason, died_at FROM jobs WHERE state = 'dead' AND tenant = :tenant
ORDER BY died_at DESC, id DESC LIMIT :limit
"""
_REVIVE = """
UPDATE jobs SET state = 'ready', failures = 0, crashes = 0, reason = '', due = :due
WHERE tenant = :tenant AND id = :id AND state = 'dead'
"""
# State by state, each from its own index: a pass over the table would take five times as long.
_STATES = """
SELECT kind, state, count(*), min(due) FROM jobs WHERE state = 'ready' GROUP BY kind, state
UNION ALL SELECT kind, state, count(*), 0 FROM jobs WHERE state = 'leased' GROUP BY kind, state
UNION ALL SELECT kind, state, count(*), 0 FROM jobs WHERE state = 'dead' GROUP BY kind, state
"""
_LEFT = """
SELECT (SELECT count(*) FROM jobs WHERE state = 'ready' AND kind = :kind AND lane = :lane AND tenant = :tenant)
     + (SELECT count(*) FROM jobs WHERE state = 'leased' AND kind = :kind AND lane = :lane AND tenant = :tenant)
"""


def _job(row: Any) -> Job:
    return Job(id=row[0], tenant=row[1], kind=row[2], subject=row[3], due=moment(row[4]), lane=row[5])


class SqlJobs:
    """The Jobs port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def add(self, job: Job) -> None:
        """A new job, ready from `job.due`. DuplicateError where the tenant has this id already."""
        added = self._sql.run(
            _ADD,
            tenant=job.tenant,
            id=job.id,
            kind=job.kind,
            subject=job.subject,
            lane=job.lane,
            due=micros(job.due),
            state=JobState.READY.value,
            owner="",
            epoch=0,
            expires=0,
            failures=0,
            crashes=0,
            reason="",
            died_at=0,
        )
        if not added:
            raise DuplicateError(what=f"job {job.id}")

    def lease(
        self, kinds: Collection[str], owner: str, limit: int, now: datetime, expires: datetime
    ) -> list[Lease]:
        """Take up to `limit` jobs that are due; see the port."""
        for kind in kinds:
            expired = self._sql.all(_EXPIRED, kind=kind, now=micros(now))
            self._sql.run_many(_CRASHED, [{"tenant": tenant, "id": job} for tenant, job in expired])
        taken = _company(list(self._due(kinds, micros(now), limit))[:limit])
        end = micros(expires)
        self._sql.run_many(
            _TAKE, [{"tenant": r[1], "id": r[0], "owner": owner, "expires": end} for r in taken]
        )
        return [
            Lease(_job(row), owner, row[6] + 1, expires, failures=row[7], crashes=row[8]) for row in taken
        ]

    def _due(self, kinds: Collection[str], now: int, limit: int) -> Iterator[Any]:
        """At least the first `limit` due rows, lowest lane and oldest first."""
        lanes: dict[int, list[str]] = {}
        for kind in kinds:
            for (lane,) in self._sql.all(_LANES, kind=kind):
                lanes.setdefault(lane, []).append(kind)
        wanted = limit
        for lane in sorted(lanes):
            if wanted <= 0:
                return
            rows: list[Any] = []
            for kind in lanes[lane]:
                rows += self._sql.all(_DUE, kind=kind, lane=lane, now=now, limit=wanted)
            yield from sorted(rows, key=lambda row: (row[4], row[0]))
            wanted -= len(rows)

    def extend(self, leases: Sequence[Lease], expires: datetime) -> list[Lease]:
        """Those leases that still hold, with their new end."""
        end = micros(expires)
        return [
            replace(lease, expires=expires)
            for lease in leases
            if self._sql.run(_EXTEND, expires=end, **_held(lease))
        ]

    def finish(self, lease: Lease) -> None:
        """The job is done and gone. LeaseLostError where the lease does not hold any more."""
        self._fenced(lease, _FINISH)

    def retry(self, lease: Lease, due: datetime, reason: str) -> None:
        """Back into the queue, a failure more. LeaseLostError."""
        self._fenced(lease, _RETRY, due=micros(due), reason=reason)

    def release(self, lease: Lease) -> None:
        """Back into the queue as if it had never been leased, but for its epoch. LeaseLostError."""
        self._fenced(lease, _RELEASE)

    def bury(self, lease: Lease, reason: str, at: datetime) -> None:
        """The job is dead. LeaseLostError."""
        self._fenced(lease, _BURY, reason=reason, at=micros(at))

    def reclaim(self, keep: str) -> int:
        """End the leases of every owner but `keep`, each a crash more, and count them."""
        return self._sql.run(_RECLAIM, keep=keep)

    def dead(self, tenant: str, limit: int = 100) -> list[DeadJob]:
        """Dead jobs, newest first."""
        rows = self._sql.all(_DEAD, tenant=tenant, limit=limit)
        return [DeadJob(_job(row), row[9], row[7], row[8], moment(row[10])) for row in rows]

    def revive(self, tenant: str, job_id: str, due: datetime) -> bool:
        """A dead job is ready again, its counts at zero; False where there is none."""
        return self._sql.run(_REVIVE, tenant=tenant, id=job_id, due=micros(due)) > 0

    def states(self) -> list[QueueState]:
        """The queue by kind of job."""
        found: dict[str, QueueState] = {}
        for kind, state, number, due in self._sql.all(_STATES):
            counted = (
                {"waiting": number, "oldest": moment(due)} if state == JobState.READY else {state: number}
            )
            found[kind] = replace(found.get(kind, QueueState(kind)), **counted)
        return [found[kind] for kind in sorted(found)]

    def left(self, tenant: str, kind: str, lane: int) -> int:
        """How many jobs of a tenant's lane wait or are leased."""
        row = self._sql.one(_LEFT, tenant=tenant, kind=kind, lane=lane)
        assert row is not None
        return int(row[0])

    def _fenced(self, lease: Lease, statement: str, **values: Any) -> None:
        if not self._sql.run(statement, **_held(lease), **values):
            raise LeaseLostError(job=lease.job.id, epoch=lease.epoch)


def _company(rows: list[Any]) -> list[Any]:
    """A job that has crashed comes alone, so that it can take no other with it."""
    if rows and rows[0][8]:
        return rows[:1]
    return [row for row in rows if not row[8]]


def _held(lease: Lease) -> dict[str, Any]:
    return {"tenant": lease.job.tenant, "id": lease.job.id, "owner": lease.owner, "epoch": lease.epoch}
