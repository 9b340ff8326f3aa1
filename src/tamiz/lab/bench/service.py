"""How fast the real service accepts and triages: `tamiz serve` as a process, a load generator with keep-alive connections
beside it on the same machine.

python -m tamiz.lab.bench.service --count 20000 --out docs/figures/service.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tamiz.lab.synth import generate

CONNECTIONS = 32
UNLIMITED = "1000000"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_WAITING = re.compile(r'^tamiz_queue_jobs\{kind="triage",state="(?:waiting|leased)"\} (\S+)', re.MULTILINE)


def run(count: int, seed: int) -> dict[str, Any]:
    """Requests per second, latencies in milliseconds, tickets kept, and tickets triaged per second."""
    bodies = [
        json.dumps({"subject": t.subject, "body": t.body}).encode()
        for t in generate(2000, seed, split="valid")
    ]
    with tempfile.TemporaryDirectory() as home, serving(Path(home)) as (url, started):
        asyncio.run(load(url, bodies[:64], 64))  # warm
        before = time.perf_counter()
        seconds, statuses = asyncio.run(load(url, bodies, count))
        wall = time.perf_counter() - before
        drained = _drained(url)
        predict = _predict(url, bodies[:400])
        kept = _metric(url, r'^tamiz_accepted_total\{new="true"\} (\S+)')
    told = sorted(1e3 * s for s in seconds)
    return {
        "requests": count,
        "connections": CONNECTIONS,
        "statuses": statuses,
        "accepted_per_second": count / wall,
        "p50_ms": statistics.median(told),
        "p99_ms": told[int(0.99 * len(told))],
        "worst_ms": told[-1],
        "kept": kept,
        "triaged_per_second_from_first_accept_to_empty_queue": count / (wall + drained),
        "predict_p50_ms": statistics.median(predict),
        "predict_p99_ms": sorted(predict)[int(0.99 * len(predict))],
        "seconds_to_listen": started,
    }


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, float]]:
    """A `tamiz serve --open` on a free port: its address, and the seconds until it listened."""
    environment = {**os.environ, "TAMIZ_HOME": str(home), "TAMIZ_SERVE_RATE": UNLIMITED}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tamiz", "serve", "--open", "--port", "0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        url = next(line.split()[-1] for line in process.stderr if line.startswith("Listening on "))
        yield url, time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


async def load(url: str, bodies: Sequence[bytes], count: int) -> tuple[list[float], dict[str, int]]:
    """Post `count` bodies to /classify over keep-alive connections; seconds per request, and answers by status."""
    host, port = url.removeprefix("http://").split(":")
    seconds: list[float] = []
    statuses: dict[str, int] = {}
    numbers = iter(range(count))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in numbers:
            body = bodies[number % len(bodies)]
            begun = time.perf_counter()
            writer.write(_request(host, body))
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            seconds.append(time.perf_counter() - begun)
            status = head.split(b" ", 2)[1].decode()
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return seconds, statuses


def _request(host: str, body: bytes) -> bytes:
    head = f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _predict(url: str, bodies: Sequence[bytes]) -> list[float]:
    times = []
    for body in bodies:
        request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        times.append(1e3 * (time.perf_counter() - begun))
    return times


def _drained(url: str) -> float:
    """Seconds until no ticket waits."""
    begun = time.perf_counter()
    while sum(float(n) for n in _WAITING.findall(_metrics(url))) > 0.0:
        time.sleep(0.2)
    return time.perf_counter() - begun


def _metric(url: str, pattern: str) -> float:
    found = re.search(pattern, _metrics(url), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        text: bytes = answer.read()
    return text.decode()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    told = parser.parse_args()
    report = run(told.count, told.seed)
    told.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
