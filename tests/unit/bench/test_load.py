"""The load generator's ledger, against a server that answers what it is told to."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("uvloop", reason="the load generator needs the serve extra")

from tamiz.lab.bench.load import load, milliseconds


@contextmanager
def server(dies_after: int = 10**9) -> Iterator[str]:
    """Answers every third request 503 and the others 202, and closes all connections after so many."""
    ready, loop, seen = threading.Event(), asyncio.new_event_loop(), iter(range(10**9))
    address: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            length = 0
            while (line := await reader.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            number = next(seen)
            told = json.loads(await reader.readexactly(length))
            if number >= dies_after or not head.startswith(b"POST /classify "):
                break
            body = json.dumps({"ticket_id": f"{told['n']}-{number}"}).encode()
            status = b"503 No" if number % 3 == 2 else b"202 Accepted"
            writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, len(body)))
            await asyncio.sleep(0)  # so that head and body come apart
            writer.write(body)
        writer.close()

    async def run() -> None:
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        address.append(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        ready.set()
        async with listening:
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    yield address[0]
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def test_every_answer_is_noted_and_only_a_202_is_a_promise() -> None:
    with server() as url:
        ledger = load(url, "/classify", [b'{"n": 1}', b'{"n": 2}'], 90, connections=4)
    assert ledger.statuses == {202: 60, 503: 30}
    assert len(set(ledger.promised)) == 60
    assert {one[0] for one in ledger.promised} == {"1", "2"}
    assert ledger.summary()["requests"] == 90
    assert ledger.wall > 0.0


def test_a_server_that_dies_ends_the_load_and_promised_nothing_more() -> None:
    with server(dies_after=30) as url:
        ledger = load(url, "/classify", [b'{"n": 1}'], 1000, connections=3)
    assert len(ledger.seconds) == 30
    assert len(ledger.promised) == 20


def test_percentiles_are_by_rank() -> None:
    assert [milliseconds([0.001 * n for n in range(1, 101)], p) for p in (50, 99, 100)] == [
        51.0,
        100.0,
        100.0,
    ]


def test_requests_that_come_at_a_rate_are_late_where_nobody_is_free() -> None:
    with server() as url:
        begun = time.perf_counter()
        ledger = load(url, "/classify", [b'{"n": 1}'], 60, connections=4, rate=300.0)
        took = time.perf_counter() - begun
        crowded = load(url, "/classify", [b'{"n": 1}'], 2_000, connections=1, rate=1_000_000.0)
    assert len(ledger.seconds) == 60
    assert took > 59 / 300
    assert crowded.seconds[-1] > 0.9 * crowded.wall
