"""Connections that say nothing, or begin and never end, on real sockets."""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

for package in ("fastapi", "httpx", "uvicorn", "httptools"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.api.connections import RESERVED, Quiet, connections_at_most, patient

from .rig import generous, running, served

ASK = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def behind(limits: Quiet, other: Any = None) -> Iterator[tuple[str, int]]:
    """The app, or another, behind connections with these limits."""
    with (
        asyncio.Runner() as runner,
        running(runner, limits=generous()) as service,
        served(other or service.app, http=patient(limits), lifespan="off") as place,
    ):
        yield place


def ended(one: socket.socket, seconds: float = 5.0) -> bool:
    """Has the other side closed it, after whatever it said?"""
    one.settimeout(seconds)
    try:
        while one.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def poured(one: socket.socket, pieces: Iterable[bytes], pause: float = 0.0) -> int:
    """How many pieces the other side took before it closed the connection; a million where it took all."""
    for number, piece in enumerate(pieces):
        try:
            one.sendall(piece)
        except ConnectionError:
            return number
        time.sleep(pause)
    return 1_000_000


def answered(one: socket.socket) -> bool:
    one.settimeout(10)
    one.sendall(ASK)
    return one.recv(65_536).startswith(b"HTTP/1.1 200")


def test_the_longest_quiet_gives_way_to_who_comes_later() -> None:
    limits = Quiet(most=20)
    with behind(limits) as place, ExitStack() as opened:
        crowd = [opened.enter_context(socket.create_connection(place, 10)) for _ in range(60)]
        with socket.create_connection(place, 10) as later:
            assert answered(later)
        assert all(ended(one) for one in crowd[:40])
        assert not any(ended(one, 0.05) for one in crowd[42:45])
        assert answered(crowd[-1])
        assert len(limits.waiting) <= 20


@pytest.mark.parametrize("said", [b"", b"GET / HT", ASK[:-2], ASK + b"GET "])
def test_who_does_not_finish_the_head_of_a_request_is_let_go(said: bytes) -> None:
    with behind(Quiet(seconds=0.3)) as place, socket.create_connection(place, 10) as slow:
        slow.sendall(said)
        started = time.monotonic()
        assert ended(slow)
        assert time.monotonic() - started < 3


def test_who_sends_a_byte_now_and_then_is_let_go_as_well() -> None:
    pieces = (ASK[:-2] if not number else f"X-{number}: a\r\n".encode() for number in range(40))
    with behind(Quiet(seconds=0.3)) as place, socket.create_connection(place, 10) as slow:
        assert poured(slow, pieces, 0.05) < 40


@pytest.mark.parametrize("piece", [b"a" * 10_000, b"X: " + b"a" * 5_000 + b"\r\n"])
def test_a_head_without_an_end_is_cut(piece: bytes) -> None:
    with behind(Quiet(head_bytes=50_000)) as place, socket.create_connection(place, 10) as endless:
        endless.sendall(ASK[:-2] + b"Y: ")
        assert poured(endless, itertools.repeat(piece, 20_000)) < 10_000


def test_a_request_takes_as_long_as_it_takes() -> None:
    limits = Quiet(seconds=0.3, head_bytes=1000)
    with behind(limits) as place, socket.create_connection(place, 10) as steady:
        for _ in range(3):
            assert answered(steady)
            time.sleep(0.15)
        body = b'{"subject": "VPN", "body": "' + b"x" * 100_000 + b'"}'
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        steady.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:50])
        time.sleep(0.5)
        steady.sendall(body[50:])
        assert steady.recv(65_536).startswith(b"HTTP/1.1 401")


def test_there_may_be_no_more_connections_than_open_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        found = connections_at_most(10**9)
        assert found == max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED)
        assert connections_at_most(100) == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def silent_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers nothing, for as long as there is somebody."""
    while (await receive())["type"] != "http.disconnect":
        pass


def test_a_head_behind_a_request_in_hand_is_cut_as_well() -> None:
    limits = Quiet(head_bytes=50_000)
    with behind(limits, silent_app) as place, socket.create_connection(place, 10) as endless:
        endless.sendall(ASK + ASK[:-2] + b"Y: ")
        assert poured(endless, itertools.repeat(b"a" * 10_000, 2_000)) < 1_900


def test_many_small_requests_are_no_long_head() -> None:
    with behind(Quiet(head_bytes=300)) as place, socket.create_connection(place, 10) as steady:
        for _ in range(20):
            assert answered(steady)


def unread(place: tuple[str, int], requests: int = 60_000) -> socket.socket:
    """A connection that asks and asks and takes no answer."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(1)
    one.connect(place)
    with suppress(TimeoutError, ConnectionError):
        for _ in range(requests // 100):
            one.sendall(ASK * 100)
    return one


def asked_on(one: socket.socket) -> None:
    """Ask again and again until the other side ends it."""
    one.settimeout(10)
    while True:
        one.sendall(ASK * 100)
        time.sleep(0.05)


def test_who_takes_no_answer_keeps_no_place() -> None:
    with behind(Quiet(seconds=0.5)) as place, unread(place) as silent, pytest.raises(ConnectionError):
        asked_on(silent)
