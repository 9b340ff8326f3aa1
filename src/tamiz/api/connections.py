"""Connections that say nothing: how many there may be, for how long, and how long the head of a request may get.

Limits inside the app see requests only. A connection without one costs a file handle, and a head without an end costs
memory; uvicorn bounds neither.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RESERVED = 256
"""File handles that are kept for the store, the model and whatever else the process opens."""

_LONG_HEAD = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Quiet:
    """The connections that have no request in hand, the longest quiet first. `most` connections of any kind; one more
    takes the place of the longest quiet one. A head may take `seconds` and `head_bytes`."""

    most: int = 8192
    seconds: float = 30.0
    head_bytes: int = 64 * 1024
    waiting: OrderedDict[PatientProtocol, asyncio.TimerHandle] = field(default_factory=OrderedDict)

    def add(self, one: PatientProtocol) -> None:
        """From now on it may wait so many seconds for the head of a request to be complete."""
        self.remove(one)
        self.waiting[one] = one.loop.call_later(self.seconds, one.give_up)

    def remove(self, one: PatientProtocol) -> None:
        """It has a request, or is gone."""
        timer = self.waiting.pop(one, None)
        if timer is not None:
            timer.cancel()

    def make_room(self, there: int) -> None:
        """Have the longest quiet connection closed where there are too many."""
        if there > self.most and self.waiting:
            next(iter(self.waiting)).give_up()


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection, patient within the limits of `quiet`."""

    quiet: ClassVar[Quiet]
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(transport)
        self.quiet.add(self)
        self.quiet.make_room(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        self.quiet.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request; a head that gets too long ends the connection."""
        super().data_received(data)
        if self not in self.quiet.waiting:
            self._head = 0
            return
        self._head += len(data)
        if self._head > self.quiet.head_bytes and not self.transport.is_closing():
            self.transport.write(_LONG_HEAD)
            self.give_up()

    def on_headers_complete(self) -> None:
        """A request begins."""
        self.quiet.remove(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A request has ended."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.quiet.add(self)

    def give_up(self) -> None:
        """Close the connection."""
        self.quiet.remove(self)
        self.transport.close()


def patient(limits: Quiet) -> type[PatientProtocol]:
    """The protocol for one server, within these limits."""
    return type("PatientProtocol", (PatientProtocol,), {"quiet": limits})


def connections_at_most(wanted: int) -> int:
    """As many connections as are wanted and as the system allows; raises this process's own limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, 2 * wanted + RESERVED)
    if soft != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(16, min(wanted, hard - RESERVED))
