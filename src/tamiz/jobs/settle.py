"""Writes what becomes of leases, and tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from threading import Event as Flag
from typing import TypeVar

from tamiz.domain.errors import LeaseLostError, StoreUnavailableError
from tamiz.domain.ports import Clock
from tamiz.domain.records import Lease
from tamiz.domain.storage import Store, Tx
from tamiz.jobs.attempt import Failed, attempt
from tamiz.jobs.events import Event, Teller, What
from tamiz.jobs.hand import Hand, Place, gone
from tamiz.jobs.retry import Bury, Release, Retry, Verdict, describe, full_jitter
from tamiz.jobs.settings import LoopSettings

T = TypeVar("T")

Buried = Callable[[Tx, Lease], None]
"""Runs in the transaction that buries a job, so that people see what it left behind."""

Write = Callable[[Callable[[Tx], T]], T]
"""Runs a closure in a transaction."""

TOLD: Mapping[type[Verdict], What] = {Retry: What.RETRIED, Bury: What.BURIED, Release: What.RELEASED}
LEFT: Mapping[Place, What] = {Place.FINISHED: What.FINISHED, Place.LOST: What.LOST}


class Settler:
    """One worker's side of the store. A store that is away is waited for until `over` is set."""

    def __init__(
        self,
        store: Store,
        owner: str,
        clock: Clock,
        random: Random,
        settings: LoopSettings,
        buried: Buried,
        teller: Teller,
    ) -> None:
        self.over = Flag()
        self.hand = Hand()
        self._store, self._owner, self._clock, self._random = store, owner, clock, random
        self._settings, self._buried, self._teller = settings, buried, teller

    def lease(self, kinds: Sequence[str]) -> list[Lease]:
        """Take what is due. StoreUnavailableError."""
        batch, now = self._settings.batch, self._clock.now()
        leases = self._store.write(lambda tx: tx.jobs.lease(kinds, self._owner, batch, now, self._end()))
        self.hand.take(leases)
        for own in by_kind(leases).values():
            due = min(lease.job.due for lease in own)
            self._tell(What.LEASED, own, seconds=max(0.0, (now - due).total_seconds()))
        return leases

    def beat(self) -> None:
        """Extend what is in hand; where the store fails, the next beat tries again."""
        outcome = attempt(lambda: self._extend(self.hand.held(), self._store.write))
        if isinstance(outcome, Failed):
            self.stalled(outcome.error)

    def close(self, begun: Sequence[Lease], seconds: float) -> list[Lease]:
        """After a handler: tell which of its leases were finished and which lost; those that hold are returned."""
        self._extend(self.hand.among(begun, Place.BEGUN), self._commit)
        for place, what in LEFT.items():
            self._tell(what, self.hand.take_out(begun, place), seconds=seconds)
        return self.hand.among(begun, Place.BEGUN)

    def settle(self, lease: Lease, verdict: Verdict, seconds: float = 0.0) -> None:
        """Do with a begun lease what the verdict says. A burial that fails is put off: the job must not be stuck."""
        for own in self.hand.take_out([lease], Place.BEGUN):
            outcome = self._put(own, verdict, self._commit)
            if isinstance(verdict, Bury) and isinstance(outcome, Failed) and not _foreseen(outcome.error):
                self.stalled(outcome.error)
                verdict = Retry(self._settings.retry.cap, f"{verdict.reason}, and its burial failed")
                outcome = self._put(own, verdict, self._commit)
            self._tell_of(own, verdict, outcome, seconds)

    def release(self, leases: Sequence[Lease]) -> None:
        """Give back leases that were taken out of the hand: one try each, without waiting for the store."""
        for lease in leases:
            self._tell_of(lease, Release(), self._put(lease, Release(), self._store.write))

    def stalled(self, error: Exception) -> None:
        """Tell that the loop itself met an error."""
        self._teller.tell(Event(What.STALLED, self._owner, reason=describe(error)))

    def pause(self, misses: int) -> float:
        """Seconds to leave the store alone after so many misses before."""
        return full_jitter(misses, self._settings.poll, self._settings.longest_pause, self._random)

    def _extend(self, leases: Sequence[Lease], write: Write[list[Lease]]) -> None:
        if leases:
            kept = write(lambda tx: tx.jobs.extend(leases, self._end()))
            self._tell(What.LOST, self.hand.renew(leases, kept, self._clock.now()))

    def _put(self, lease: Lease, verdict: Verdict, write: Write[None]) -> Failed | None:
        def work(tx: Tx) -> None:
            match verdict:
                case Retry(wait, reason):
                    tx.jobs.retry(lease, self._clock.now() + timedelta(seconds=wait), reason)
                case Bury(reason):
                    tx.jobs.bury(lease, reason, self._clock.now())
                    self._buried(tx, lease)
                case Release():
                    tx.jobs.release(lease)

        return attempt(lambda: write(work))

    def _commit(self, work: Callable[[Tx], T]) -> T:
        misses = 0
        while True:
            try:
                return self._store.write(work)
            except StoreUnavailableError as error:
                self.stalled(error)
                if self.over.wait(self.pause(misses)):
                    raise
                misses += 1

    def _tell_of(self, lease: Lease, verdict: Verdict, outcome: Failed | None, seconds: float = 0.0) -> None:
        if outcome is None:
            wait = verdict.wait if isinstance(verdict, Retry) else 0.0
            self._tell(TOLD[type(verdict)], [lease], seconds, wait, verdict.reason)
        elif isinstance(outcome.error, LeaseLostError):
            self._tell(LEFT[gone(lease, self._clock.now())], [lease], seconds)
        else:  # it keeps its lease until that ends; then somebody takes it over
            self.stalled(outcome.error)

    def _tell(
        self, what: What, leases: Sequence[Lease], seconds: float = 0.0, wait: float = 0.0, reason: str = ""
    ) -> None:
        for kind, own in by_kind(leases).items():
            self._teller.tell(Event(what, self._owner, kind, tuple(own), seconds, wait, reason))

    def _end(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._settings.lease)


def by_kind(leases: Sequence[Lease]) -> dict[str, list[Lease]]:
    """Leases by the kind of their jobs, in the order in which they came."""
    kinds: dict[str, list[Lease]] = defaultdict(list)
    for lease in leases:
        kinds[lease.job.kind].append(lease)
    return kinds


def _foreseen(error: Exception) -> bool:
    return isinstance(error, LeaseLostError | StoreUnavailableError)
