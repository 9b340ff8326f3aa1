"""A worker with everything around it in reach: the store, the time, the events, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from random import Random
from threading import Condition
from typing import Any

from tamiz.domain.errors import StoreUnavailableError
from tamiz.domain.records import DeadJob, Job, Lease, QueueState
from tamiz.jobs import Event, LoopSettings, RetryPolicy, SteadyClock, What, Worker
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore

QUICK = LoopSettings(lease=60.0, poll=0.01, longest_pause=0.001)
"""Heartbeats too rare to come by themselves, and hardly a pause where the store is away."""


class FaultyStore(MemoryStore):
    """A store that can be away, for good or for so many transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.misses = 0
        self._count = 0
        self._changed = Condition()

    def submit(self, work: Callable[[Any], Any]) -> Future[Any]:
        self._check()
        return super().submit(work)

    def write(self, work: Callable[[Any], Any]) -> Any:
        try:
            self._check()
            return super().write(work)
        finally:
            with self._changed:
                self._count += 1
                self._changed.notify_all()

    def wait_for_writes(self, number: int) -> bool:
        """Wait until so many more transactions have been tried."""
        with self._changed:
            enough = self._count + number
            return self._changed.wait_for(lambda: self._count >= enough, timeout=10.0)

    def _check(self) -> None:
        if self.away or self.misses:
            self.misses = max(0, self.misses - 1)
            raise StoreUnavailableError(reason="the disk is full")


class Rig:
    """One store, one time, any number of workers."""

    def __init__(self) -> None:
        self.store = FaultyStore()
        self.time = ManualClock()
        self.clock = SteadyClock(self.time)
        self.events: list[Event] = []
        self.done: list[str] = []

    def add(self, *ids: str, kind: str = "triage", lane: int = 0, due: float = 0.0) -> None:
        moment = self.clock.now() + timedelta(seconds=due)
        jobs = [Job(name, "default", kind, f"ticket of {name}", moment, lane) for name in ids]
        self.store.write(lambda tx: [tx.jobs.add(job) for job in jobs])

    def worker(
        self, handlers: Mapping[str, Callable[[Sequence[Lease]], None]], owner: str = "one", **rest: Any
    ) -> Worker:
        rest = {"settings": QUICK, "hook": self.events.append} | rest
        return Worker(self.store, handlers, owner, self.clock, Random(7), **rest)

    def finish(self, leases: Sequence[Lease]) -> None:
        """A handler: all that is leased is done."""
        self.store.write(lambda tx: [tx.jobs.finish(lease) for lease in leases])
        self.done += [lease.job.id for lease in leases]

    def poisoned(self, *bad: str) -> Callable[[Sequence[Lease]], None]:
        """A handler that fails whenever one of these jobs is among the others."""

        def handler(leases: Sequence[Lease]) -> None:
            if any(lease.job.id in bad for lease in leases):
                raise ValueError("my password is hunter2")
            self.finish(leases)

        return handler

    def lease(self, owner: str, limit: int = 8, seconds: float = 60.0) -> list[Lease]:
        """Take leases as another process would."""
        now = self.clock.now()
        end = now + timedelta(seconds=seconds)
        return self.store.write(lambda tx: tx.jobs.lease(["triage"], owner, limit, now, end))

    def state(self, kind: str = "triage") -> QueueState:
        states = self.store.read(lambda tx: tx.jobs.states())
        return next((one for one in states if one.kind == kind), QueueState(kind))

    def dead(self) -> list[DeadJob]:
        return self.store.read(lambda tx: tx.jobs.dead("default"))

    def told(self, what: What) -> list[str]:
        """The jobs that something has happened to, in order."""
        return [name for event in self.events if event.what is what for name in event.ids]


def patient(**policy: Any) -> LoopSettings:
    """Settings with another policy."""
    return LoopSettings(poll=0.01, longest_pause=0.001, retry=RetryPolicy(**policy))
