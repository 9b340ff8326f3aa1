"""The part of a service that writes to a desk, with the named places around each write; and the control, which writes
blindly and notes it afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tamiz.bootstrap.live import LiveJudges
from tamiz.bootstrap.server import mourner
from tamiz.domain.desk import Change, DeskTicket
from tamiz.domain.outbox import Effect, EffectState
from tamiz.domain.ports import Clock
from tamiz.domain.records import Lease
from tamiz.domain.storage import Store, Tx
from tamiz.jobs import LoopSettings, Worker
from tamiz.jobs.retry import RetryPolicy
from tamiz.service.accept import PUSH
from tamiz.service.push import Pushing, PushSettings
from tamiz.service.push_plan import Planning, Seat
from tamiz.testing.http_desk import HttpDesk

from .failpoints import Failpoints
from .plan import DESK, Plan

T = TypeVar("T")

LATE = 1.5
"""Seconds within which the desk applies a request whose connection is lost."""

TIMES = PushSettings(quiescence=2.0, call=0.5, base=0.05, cap=0.5, look=0.2, spread=0.05)
PUSHERS = 3
LOOP = LoopSettings(batch=1, poll=0.05, retry=RetryPolicy(base=0.05, cap=0.5, failures=50))


class _Line(HTTPConnection):
    """A connection with a place behind every write that was sent."""

    def __init__(self, url: str, seconds: float, points: Failpoints) -> None:
        super().__init__(urlsplit(url).netloc, timeout=seconds)
        self._points, self._writes = points, False

    def request(self, method: str, *more: Any, **named: Any) -> None:
        """As any connection's."""
        self._writes = method == "PATCH"
        super().request(method, *more, **named)

    def getresponse(self) -> HTTPResponse:
        """As any connection's."""
        if self._writes:
            self._points.reach("call:sent")
        return super().getresponse()


class WatchedDesk(HttpDesk):
    """The connector, with a place behind the answer to every write as well."""

    def __init__(self, url: str, clock: Clock, points: Failpoints) -> None:
        super().__init__(url, clock, connect=lambda url, seconds: _Line(url, seconds, points))
        self._points = points

    def update(self, ticket_id: str, change: Change) -> DeskTicket:
        """As any desk's."""
        found = super().update(ticket_id, change)
        self._points.reach("call:answered")
        return found


class _Outbox:
    """An outbox that sees what a transaction is: an `intent` with one more try, or a `done`."""

    def __init__(self, outbox: Any) -> None:
        self._outbox, self._attempts, self.step = outbox, dict[str, int](), ""

    def of_ticket(self, tenant: str, ticket_id: str) -> list[Effect]:
        found: list[Effect] = self._outbox.of_ticket(tenant, ticket_id)
        self._attempts = {one.name: one.attempts for one in found}
        return found

    def put(self, effect: Effect) -> None:
        if effect.state is EffectState.DONE:
            self.step = "done"
        elif effect.state is EffectState.INTENT and effect.attempts > self._attempts[effect.name]:
            self.step = "intent"
        self._outbox.put(effect)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)


class _Seen:
    """A transaction with such an outbox."""

    def __init__(self, tx: Tx) -> None:
        self._tx, self.outbox = tx, _Outbox(tx.outbox)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


class PushStore:
    """A store with places in and behind the transactions of an intent and of a done."""

    def __init__(self, store: Store, points: Failpoints) -> None:
        self._store, self._points = store, points

    def write(self, work: Callable[[Tx], T]) -> T:
        """As the store's."""

        def inside(tx: Tx) -> tuple[T, str]:
            seen = _Seen(tx)
            result, step = work(seen), seen.outbox.step  # type: ignore[arg-type]
            if step:
                self._points.reach(f"{step}:inside")
            return result, step

        result, step = self._store.write(inside)
        if step:
            self._points.reach(f"{step}:committed")
        return result

    def read(self, work: Callable[[Tx], T]) -> T:
        """As the store's."""
        return self._store.read(work)


class Blind:
    """The control's handler. It sets the values, whatever stands there, and notes afterwards that it did; a call without
    an answer is made again."""

    def __init__(self, store: Store, desk: WatchedDesk, clock: Clock) -> None:
        self._store, self._desk, self._clock = store, desk, clock

    def __call__(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self._push(lease)

    def _push(self, lease: Lease) -> None:
        tenant, ticket = lease.job.tenant, lease.job.subject
        effects = self._store.read(lambda tx: tx.outbox.of_ticket(tenant, ticket))
        for effect in effects:
            self._desk.update(effect.external_id, Change(effect.values))

        def work(tx: Tx) -> None:
            tx.jobs.finish(lease)
            for effect in effects:
                tx.outbox.put(replace(effect, state=EffectState.DONE, changed_at=self._clock.now()))

        self._store.write(work)


def pusher(
    plan: Plan,
    store: Store,
    judges: LiveJudges,
    clock: Clock,
    points: Failpoints,
    owner: str,
) -> tuple[Planning, list[Worker]]:
    """What plans effects at the plan's desk, and the workers that push them."""
    desk, bits = WatchedDesk(plan.desk, clock, points), random.SystemRandom().getrandbits

    def seats(tenant: str, name: str) -> Seat | None:
        return Seat(desk) if name == DESK else None

    def taxonomies(tenant: str) -> Any:
        return judges(tenant).taxonomy

    watched: Any = PushStore(store, points)
    handler: Callable[[Sequence[Lease]], None] = Pushing(
        watched, seats, taxonomies, clock, random.Random(), TIMES
    )
    if plan.kind == "blind":
        handler = Blind(watched, desk, clock)
    workers = [
        Worker(store, {PUSH: handler}, owner, clock, random.Random(), LOOP, mourner(clock))
        for _ in range(PUSHERS)
    ]
    return Planning(seats, taxonomies, clock, bits), workers
