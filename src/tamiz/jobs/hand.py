"""The leases that a worker has in hand, and the heartbeat that keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from threading import Event, Lock, Thread
from types import TracebackType

from tamiz.domain.records import Lease

Key = tuple[str, str]
"""A job's tenant and id."""


class Place(StrEnum):
    """Where a lease stands: it waits for its turn, a handler has begun it, it was finished, or somebody else has it."""

    WAITING = "waiting"
    BEGUN = "begun"
    FINISHED = "finished"
    LOST = "lost"


HELD = frozenset({Place.WAITING, Place.BEGUN})


def gone(lease: Lease, now: datetime) -> Place:
    """Why a lease that a handler had begun holds no more. Nobody takes over a lease before its end, so one that
    vanished earlier was finished by its handler; after its end it is taken for lost, as it nearly always is."""
    return Place.LOST if lease.expires < now else Place.FINISHED


class Hand:
    """A worker's leases. Thread-safe; whoever takes a lease out speaks for it, and nobody else does."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._leases: dict[Key, tuple[Lease, Place]] = {}

    def take(self, leases: Sequence[Lease]) -> None:
        """New leases, all waiting; what was left of others is forgotten."""
        with self._lock:
            self._leases = {_key(lease): (lease, Place.WAITING) for lease in leases}

    def begin(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those of these that still wait, with their newest end; they have begun."""
        return self._move(leases, Place.WAITING, Place.BEGUN)

    def put_back(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those of these that had begun; they wait again."""
        return self._move(leases, Place.BEGUN, Place.WAITING)

    def held(self) -> list[Lease]:
        """Those that are waiting or begun."""
        with self._lock:
            return [lease for lease, place in self._leases.values() if place in HELD]

    def among(self, leases: Sequence[Lease], place: Place) -> list[Lease]:
        """Those of these that stand in a place, with their newest end."""
        with self._lock:
            return [self._leases[_key(one)][0] for one in leases if self._place(one) is place]

    def renew(self, asked: Sequence[Lease], kept: Sequence[Lease], now: datetime) -> list[Lease]:
        """Note which of the asked leases were extended; the others are finished or lost. Those that were lost before
        they had begun are taken out and returned."""
        extended = {_key(lease): lease for lease in kept}
        unbegun: list[Lease] = []
        with self._lock:
            for key in map(_key, asked):
                lease, place = self._leases.get(key, (None, Place.LOST))
                if lease is None or place not in HELD:
                    continue
                if key in extended:
                    self._leases[key] = (extended[key], place)
                elif place is Place.BEGUN:
                    self._leases[key] = (lease, gone(lease, now))
                else:
                    unbegun.append(self._leases.pop(key)[0])
        return unbegun

    def take_out(self, leases: Sequence[Lease], *places: Place) -> list[Lease]:
        """Those of these that stand in one of the places; they leave."""
        with self._lock:
            keys = [_key(one) for one in leases if self._place(one) in places]
            return [self._leases.pop(key)[0] for key in keys]

    def give_up(self, *places: Place) -> list[Lease]:
        """All that stand in one of the places; they leave."""
        with self._lock:
            keys = [key for key, (_, place) in self._leases.items() if place in places]
            return [self._leases.pop(key)[0] for key in keys]

    def _move(self, leases: Sequence[Lease], before: Place, then: Place) -> list[Lease]:
        with self._lock:
            keys = [_key(one) for one in leases if self._place(one) is before]
            moved = [self._leases[key][0] for key in keys]
            self._leases.update({_key(lease): (lease, then) for lease in moved})
            return moved

    def _place(self, lease: Lease) -> Place | None:
        row = self._leases.get(_key(lease))
        return row[1] if row else None


def _key(lease: Lease) -> Key:
    return lease.job.tenant, lease.job.id


class Heartbeat:
    """Calls `beat` every so many seconds, from a thread of its own, as long as the block runs."""

    def __init__(self, beat: Callable[[], None], every: float) -> None:
        self._beat, self._every = beat, every
        self._done = Event()
        self._thread = Thread(target=self._run, name="tamiz-heartbeat", daemon=True)

    def _run(self) -> None:
        while not self._done.wait(self._every):
            self._beat()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
