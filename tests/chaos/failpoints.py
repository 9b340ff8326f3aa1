"""Named places where a service kills itself, put around the ports that it is given: no production code knows of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamiz.domain.storage import Store, Tx

T = TypeVar("T")

STARTING = ("start:opened", "lease:before", "lease:inside", "lease:committed")
"""Where a start can die: the first lease transaction of a process takes back what the last one had in hand."""

ACCEPTING = (
    "request:arrived",
    "request:admitted",
    "accept:before",
    "accept:inside",
    "accept:committed",
    "answer:sent",
)
"""A request is admitted and then read: it arrives before anybody has asked who sends it, and is admitted when all of it
is here, not parsed yet."""

WORKING = (
    "work:leased",
    "model:inside",
    "result:before",
    "result:inside",
    "result:committed",
    "work:told",
)
PUSHING = (
    "intent:inside",
    "intent:committed",
    "call:sent",
    "call:answered",
    "done:inside",
    "done:committed",
)
"""Around a write to a desk; see `watched_desk`."""

POINTS = (*STARTING, *ACCEPTING, *WORKING, *PUSHING)
"""`before` a transaction is handed in, `inside` it once its closure has run, `committed` before anybody hears of it."""


class Failpoints:
    """`name:count` kills the process on its count-th way past that place; an empty order kills nobody."""

    def __init__(self, order: str = "") -> None:
        self._name, _, count = order.rpartition(":")
        self._left = int(count or 1)
        self._lock = Lock()

    def reach(self, name: str) -> None:
        """The process is at this place."""
        if name != self._name:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class WatchedStore:
    """A store with three places around each of its transactions. The writer runs the last one before it wakes whoever
    waits through an event loop, so that no answer can have been sent."""

    def __init__(self, store: Store, name: str, points: Failpoints) -> None:
        self._store, self._name, self._points = store, name, points

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """As the store's."""
        self._points.reach(f"{self._name}:before")

        def inside(tx: Tx) -> T:
            result = work(tx)
            self._points.reach(f"{self._name}:inside")
            return result

        future = self._store.submit(inside)
        future.add_done_callback(self._committed)
        return future

    def write(self, work: Callable[[Tx], T]) -> T:
        """As the store's."""
        return self.submit(work).result()

    def read(self, work: Callable[[Tx], T]) -> T:
        """As the store's."""
        return self._store.read(work)

    def close(self) -> None:
        """As the store's."""
        self._store.close()

    def _committed(self, future: Future[Any]) -> None:
        if future.exception() is None:
            self._points.reach(f"{self._name}:committed")


class WatchedApp:
    """An app with three places around every submitted ticket: when its request comes, when its body is there, which is asked
    for only once it is known who sends it, and behind its answer."""

    def __init__(self, app: ASGIApp, points: Failpoints) -> None:
        self._app, self._points = app, points

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/classify":
            await self._app(scope, receive, send)
            return
        self._points.reach("request:arrived")
        waiting = True

        async def received() -> Message:
            nonlocal waiting
            message = await receive()
            if waiting and not message.get("more_body", False):
                waiting = False
                self._points.reach("request:admitted")
            return message

        async def sent(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._points.reach("answer:sent")

        await self._app(scope, received, sent)
