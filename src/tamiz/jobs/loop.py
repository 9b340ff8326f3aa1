"""The loop over the queue: lease, keep the lease alive, run a handler, settle what it left.

A handler gets leases of one kind and completes each with `tx.jobs.finish(lease)` inside the transaction that saves its
result: both are one commit, and a result that comes after its lease was lost is refused together with it. What is still
held when the handler returns or raises is the loop's to settle: of a batch each job is tried again alone, and a job
that was alone goes back into the queue for later, or is buried when its patience is used up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from threading import Event as Flag
from threading import Lock

from tamiz.domain.errors import StoreUnavailableError
from tamiz.domain.ports import Clock
from tamiz.domain.records import Lease
from tamiz.domain.storage import Store, Tx
from tamiz.jobs.attempt import Failed, attempt
from tamiz.jobs.events import Hook, Teller, What, deaf
from tamiz.jobs.hand import Heartbeat, Place
from tamiz.jobs.settings import LoopSettings
from tamiz.jobs.settle import Buried, Settler, by_kind

Handler = Callable[[Sequence[Lease]], None]
"""Works on leases of one kind and completes each. It may raise anything."""

BEATS = 3
"""Heartbeats in the time of a lease: two may fail before it ends."""


class UnfinishedError(RuntimeError):
    """A handler returned and left a lease as it was: a mistake in the handler."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker is doing. `beat` is its last sign of life, `busy` for how many seconds the present handler has been
    running, `counts` how many jobs each thing has happened to."""

    owner: str
    kinds: tuple[str, ...]
    running: bool
    stopping: bool
    beat: datetime
    jobs: tuple[str, ...]
    busy: float
    counts: Mapping[What, int]


def unmourned(tx: Tx, lease: Lease) -> None:
    """Nothing is to be done for a buried job."""


class Worker:
    """Works on the jobs of the kinds that it has handlers for. `run` is the body of one thread, once; the rest may be
    called from any. `clock` gives leases their ends: a SteadyClock, the one that gives jobs their due times."""

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        owner: str,
        clock: Clock,
        random: Random,
        settings: LoopSettings = LoopSettings(),  # noqa: B008 - frozen
        buried: Buried = unmourned,
        hook: Hook = deaf,
    ) -> None:
        self.owner, self.kinds = owner, tuple(handlers)
        self._store, self._handlers, self._clock, self._random = store, handlers, clock, random
        self._settings, self._teller = settings, Teller(hook)
        self._settler = Settler(store, owner, clock, random, settings, buried, self._teller)
        self._hand = self._settler.hand
        self._bell, self._stopping, self._ended, self._halting = Flag(), Flag(), Flag(), Lock()
        self._beat = clock.now()
        self._began: float | None = None
        self._ended.set()

    def reclaim(self) -> int:
        """End the leases of all other owners and count them: for start-up, where no other process can be alive."""
        return self._store.write(lambda tx: tx.jobs.reclaim(self.owner))

    def run(self) -> None:
        """Work until told to stop."""
        self._ended.clear()
        misses = 0
        try:
            while not self._stopping.is_set():
                outcome = attempt(self.step)
                if isinstance(outcome, Failed):
                    self._settler.stalled(outcome.error)
                    self._stopping.wait(self._settler.pause(misses))
                    misses += 1
                else:
                    misses = 0
                    self._rest(self._settings.poll if outcome == 0 else 0.0)
        finally:
            self._ended.set()
            self._settler.over.set()

    def step(self) -> int:
        """One round: lease jobs and work on them. Returns how many there were; StoreUnavailableError."""
        self._beat = self._clock.now()
        leases = self._settler.lease(self.kinds)
        if leases:
            with Heartbeat(self.beat, self._settings.lease / BEATS):
                try:
                    for own in by_kind(leases).values():
                        self._start(own)
                finally:
                    self._settler.release(self._hand.give_up(Place.WAITING))
        return len(leases)

    def beat(self) -> None:
        """Extend what is in hand, and drop what is lost."""
        self._beat = self._clock.now()
        self._settler.beat()

    def wake(self) -> None:
        """There is a new job: look at once."""
        self._bell.set()

    def halt(self) -> bool:
        """Lease no more, and release at once what has not begun. True where it had been told before."""
        with self._halting:
            before = self._stopping.is_set()
            self._stopping.set()
        self._bell.set()
        self._settler.release(self._hand.give_up(Place.WAITING))
        return before

    def drain(self, grace: float) -> bool:
        """Once halted: let the work in hand finish within so many seconds, then release it. Did it finish?

        A handler that goes on regardless finds that its leases hold no more.
        """
        if not self._ended.is_set():
            self._settler.over.wait(grace)
        drained = self._ended.is_set()
        self._settler.over.set()
        self._settler.release(self._hand.give_up(Place.WAITING, Place.BEGUN))
        return drained

    def stop(self, grace: float) -> bool:
        """Halt and drain. A second stop returns at once, and ends the grace of the first."""
        return self.drain(0.0 if self.halt() else grace)

    def state(self) -> WorkerState:
        """What it is doing now."""
        began = self._began
        busy = 0.0 if began is None else self._clock.monotonic() - began
        jobs = tuple(lease.job.id for lease in self._hand.held())
        return WorkerState(
            self.owner,
            self.kinds,
            running=not self._ended.is_set(),
            stopping=self._stopping.is_set(),
            beat=self._beat,
            jobs=jobs,
            busy=busy,
            counts=self._teller.counts,
        )

    def _rest(self, seconds: float) -> None:
        """Wait for the bell. It is silenced before the next look at the queue, so no ring goes unheard."""
        if seconds:
            self._bell.wait(seconds)
        self._bell.clear()

    def _start(self, leases: Sequence[Lease]) -> None:
        if self._stopping.is_set():
            return
        begun = self._hand.begin(leases)
        for lease in begun:
            verdict = self._settings.retry.before(lease)
            if verdict is not None:
                self._settler.settle(lease, verdict)
        left = self._hand.among(begun, Place.BEGUN)
        if left:
            self._work(left)

    def _work(self, begun: Sequence[Lease]) -> None:
        self._began = started = self._clock.monotonic()
        outcome = attempt(lambda: self._handlers[begun[0].job.kind](begun))
        self._began, seconds = None, self._clock.monotonic() - started
        error = outcome.error if isinstance(outcome, Failed) else UnfinishedError()
        held = self._settler.close(begun, seconds)
        outage = isinstance(outcome, Failed) and isinstance(error, StoreUnavailableError)
        if len(begun) > 1 and not outage:
            self._one_by_one(self._hand.put_back(held))
            return
        for lease in held:
            verdict = self._settings.retry.after(lease, error, self._clock.now(), self._random)
            self._settler.settle(lease, verdict, seconds)
        if outage:
            raise error

    def _one_by_one(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if self._stopping.is_set():
                return
            self.beat()
            begun = self._hand.begin([lease])
            if begun:
                self._work(begun)
