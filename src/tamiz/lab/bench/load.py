"""A load generator: some keep-alive connections, each with one request in flight, and a ledger of what was answered."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

CONNECTIONS = 32
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


@dataclass
class Ledger:
    """`seconds` per answered request, `statuses`, the ids that were promised by a 202, and `wall` seconds in all."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    promised: list[str] = field(default_factory=list)
    wall: float = 0.0

    def note(self, seconds: float, status: int, body: bytes) -> None:
        """One answer."""
        self.seconds.append(seconds)
        self.statuses[status] += 1
        if status == 202:
            self.promised.append(json.loads(body)["ticket_id"])

    def summary(self) -> dict[str, Any]:
        """Answers per second, and latencies in milliseconds."""
        return {
            "requests": len(self.seconds),
            "statuses": {str(status): number for status, number in sorted(self.statuses.items())},
            "per_second": round(len(self.seconds) / self.wall, 1),
            **{f"p{share:g}_ms": milliseconds(self.seconds, share) for share in (50, 99, 100)},
        }


def milliseconds(seconds: Sequence[float], percent: float) -> float:
    """A percentile, by rank."""
    ordered = sorted(seconds)
    return round(1e3 * ordered[min(len(ordered) - 1, int(percent / 100 * len(ordered)))], 2)


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the last one is answered and its own time has come."""

    def __init__(
        self, requests: Iterator[tuple[float, bytes]], ledger: Ledger, over: asyncio.Future[None]
    ) -> None:
        self._requests, self._ledger, self._over = requests, ledger, over
        self._got, self._begun = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport: Any = transport  # uvloop's is a Transport without being declared as one
        self._next()

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._got += data
        head, mark, body = self._got.partition(_END)
        if not mark:
            return
        length = _LENGTH.search(head)
        if length and len(body) < int(length[1]):
            return
        self._got = b""
        self._ledger.note(time.perf_counter() - self._begun, int(head[9:12]), body)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Closed by us at the end, or by a service that died: what was not answered was not promised."""
        if not self._over.done():
            self._over.set_result(None)

    def _next(self) -> None:
        due, request = next(self._requests, (0.0, b""))
        if not request:
            self._transport.close()
            return
        now = time.perf_counter()
        self._begun = due or now
        if due > now:
            asyncio.get_running_loop().call_later(due - now, self._transport.write, request)
        else:
            self._transport.write(request)


def load(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    count: int,
    connections: int = CONNECTIONS,
    *,
    rate: float | None = None,
) -> Ledger:
    """Post `count` bodies, from the beginning again where they are fewer: as fast as they are answered, or so many a second.
    Then seconds count from when a request was due, so that one for which no connection was free counts as late. Ends
    early where the service dies."""
    return uvloop.run(_load(url, path, bodies, count, connections, rate))


async def _load(
    url: str, path: str, bodies: Sequence[bytes], count: int, connections: int, rate: float | None
) -> Ledger:
    host, port = url.removeprefix("http://").split(":")
    ledger, loop = Ledger(), asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    begun = time.perf_counter()
    requests = (
        (begun + number / rate if rate else 0.0, _request(host, path, bodies[number % len(bodies)]))
        for number in range(count)
    )
    for end in ends:
        await loop.create_connection(lambda end=end: _Client(requests, ledger, end), host, int(port))  # type: ignore[misc]
    await asyncio.gather(*ends)
    ledger.wall = time.perf_counter() - begun
    return ledger


def _request(host: str, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
