"""Limits that hold before any endpoint is reached: pure ASGI, nothing is parsed here.

`Served` hooks, security headers, a cap on concurrent requests, and a body that may be neither too long nor too slow.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import ceil

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamiz.api.parts import Served
from tamiz.api.problems import Problem
from tamiz.domain.ports import Clock

Headers = list[tuple[bytes, bytes]]

SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""On every answer that does not say otherwise itself."""


class Outermost:
    """Security headers on every answer, and a word to `served` about each."""

    def __init__(self, app: ASGIApp, served: Callable[[Served], None], clock: Clock) -> None:
        self._app, self._served, self._clock = app, served, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = self._clock.monotonic(), 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _secured(message.get("headers", ()))}
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        finally:
            route = getattr(scope.get("route"), "path", "")
            self._served(Served(scope["method"], route, status, self._clock.monotonic() - started))


class Crowd:
    """At most so many requests at a time; one more is sent away at once."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most, self._inside = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            detail = "The service has as many requests in hand as it takes."
            problem = Problem(503, detail, kind="busy", headers={"Retry-After": "1", "Connection": "close"})
            await problem.response()(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1


class Bodies:
    """A request's body in at most so many bytes and so many seconds, whatever its headers say."""

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if declared == b"0" and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._most, asyncio.get_running_loop().time() + self._seconds)
        if not declared.isdigit():
            await Problem(400, "Content-Length is no number.").response()(scope, receive, body.send)
        elif len(declared) > 18 or int(declared) > self._most:
            await _too_long(self._most).response()(scope, receive, body.send)
        else:
            await self._app(scope, body.receive, body.send)


class _Body:
    """A body on its way in. An answer that is given before all of it is here ends the connection: nobody reads on."""

    def __init__(self, receive: Receive, send: Send, most: int, deadline: float) -> None:
        self._receive, self._send, self._most, self._deadline = receive, send, most, deadline
        self._seen, self._complete = 0, False

    async def receive(self) -> Message:
        """The next piece. Problem: 408 after the deadline, 413 beyond the cap."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408, "The body took too long to arrive.", kind="slow-body", retryable=True
            ) from None
        self._complete = not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            self._complete = False
            raise _too_long(self._most)
        return message

    async def send(self, message: Message) -> None:
        """Pass on the answer."""
        if not self._complete and message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            message = {**message, "headers": headers}
        await self._send(message)


def _too_long(most: int) -> Problem:
    return Problem(413, f"A body may have at most {most} bytes.", kind="long-body")


class Buckets:
    """Token buckets by name: `rate` a second, `burst` at once. Forgets the ones that were idle longest."""

    def __init__(self, clock: Clock, rate: float, burst: float, remembered: int) -> None:
        self._clock, self._rate, self._burst, self._remembered = clock, rate, burst, remembered
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, name: str, tokens: float = 1.0) -> float:
        """Take tokens, and return 0; or take none, and return after how many seconds there will be enough.

        More tokens than fit into a bucket are there when it is full: the bucket is then empty for so much longer.
        """
        now = self._clock.monotonic()
        level, at = self._levels.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        missing = min(tokens, self._burst) - level
        self._levels[name] = (level if missing > 0 else level - tokens, now)
        if len(self._levels) > self._remembered:
            self._levels.popitem(last=False)
        return max(0.0, missing / self._rate)


def too_many(seconds: float, detail: str) -> Problem:
    """The problem of a bucket that is empty for so many seconds."""
    wait = str(max(1, ceil(seconds)))
    return Problem(429, detail, kind="too-many", headers={"Retry-After": wait})


def _secured(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    given = list(headers)
    names = {name.lower() for name, _ in given}
    return [*given, *((name, value) for name, value in SECURITY_HEADERS.items() if name not in names)]
