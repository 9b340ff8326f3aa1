"""Connections that say nothing or take nothing: how many there may be, for how long, and how long the head of a request
may get.

Limits inside the app see requests only. A connection without one costs a file handle, a head without an end costs memory,
and who never takes an answer keeps the place of a request in hand; uvicorn bounds none of them.
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
    takes the place of the longest quiet one. A head may take `seconds` and `head_bytes`; of an answer that waits to be
    taken, `taken_bytes` have to go in as many seconds."""

    most: int = 8192
    seconds: float = 30.0
    head_bytes: int = 64 * 1024
    taken_bytes: int = 64 * 1024
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
    _head, _in_head = 0, True
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(transport)
        self.quiet.add(self)
        self.quiet.make_room(len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        self.quiet.remove(self)
        super().connection_lost(exc)
        self._watch_no_more()

    def data_received(self, data: bytes) -> None:
        """A piece of a request; a head that gets too long ends the connection, also one behind a request in hand."""
        self._head += len(data)
        super().data_received(data)
        too_long = self._in_head and self._head > self.quiet.head_bytes
        if too_long and not self.transport.is_closing():
            self.transport.write(_LONG_HEAD)
            self.give_up()

    def on_headers_complete(self) -> None:
        """A request begins."""
        self._head, self._in_head = 0, False
        self.quiet.remove(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is here: what comes next is another head."""
        self._head, self._in_head = 0, True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """More of an answer waits than should."""
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        """It was taken."""
        self._watch_no_more()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """A request has ended."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_taking()
        elif self.cycle.response_complete:
            self.quiet.add(self)

    def give_up(self) -> None:
        """Close the connection; one that takes nothing would never be closed by waiting for it."""
        self.quiet.remove(self)
        self.transport.close()
        self._watch_taking()

    def _watch_taking(self) -> None:
        """Look in a while whether enough of what waits was taken; if not, the connection ends at once."""
        self._watch_no_more()
        left = self.transport.get_write_buffer_size()
        if left:
            self._taking = self.loop.call_later(self.quiet.seconds, self._look_at_taking, left)

    def _look_at_taking(self, before: int) -> None:
        if self.transport.get_write_buffer_size() > before - self.quiet.taken_bytes:
            self.transport.abort()
        else:
            self._watch_taking()

    def _watch_no_more(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


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
