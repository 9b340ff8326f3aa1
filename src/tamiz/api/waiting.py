"""Waiting for a ticket to change: woken by a bell in this process, and by looking again where another one does the work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock

Place = tuple[str, str]
"""Tenant and ticket id."""


class Bell:
    """Wakes those who wait for a ticket. Thread-safe: workers ring it, coroutines listen."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal may close it while the same thread holds it
        self._listeners: dict[Place, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}
        self._closing = False

    @property
    def closing(self) -> bool:
        """Is the service on its way down, so that nobody should wait any longer?"""
        return self._closing

    def ring(self, tenant: str, ticket_id: str) -> None:
        """A ticket has changed."""
        with self._lock:
            for listener in self._listeners.get((tenant, ticket_id), ()):
                _wake(*listener)

    def close(self) -> None:
        """Let everybody go who waits, now and from now on."""
        with self._lock:
            self._closing = True
            for listeners in self._listeners.values():
                for listener in listeners:
                    _wake(*listener)

    @contextmanager
    def listening(self, tenant: str, ticket_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the bell rings for this ticket. Within a running event loop."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.setdefault((tenant, ticket_id), []).append(listener)
        try:
            yield listener[1]
        finally:
            with self._lock:
                rest = self._listeners[tenant, ticket_id]
                rest.remove(listener)
                if not rest:
                    del self._listeners[tenant, ticket_id]


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended, and who listened with it
        loop.call_soon_threadsafe(event.set)


async def rung(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the bell rings, at most so long; False where it did not."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


class Seats:
    """Places for those who wait, in all and per key: who waits costs little, but not nothing."""

    def __init__(self, total: int, per_key: int) -> None:
        self._total = total
        self._per_key = per_key
        self._taken: Counter[str] = Counter()

    def take(self, key: str) -> bool:
        """Take a seat, if there is one; the caller gives it back with `leave`."""
        if self._taken.total() >= self._total or self._taken[key] >= self._per_key:
            return False
        self._taken[key] += 1
        return True

    def leave(self, key: str) -> None:
        """Give a seat back."""
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
