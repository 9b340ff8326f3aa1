"""The systems under load, as processes that can be started, asked what they have done, and killed: the service, a design
that keeps its work in memory, and Celery over Redis."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.store.sqlite_read import DATABASE

UNLIMITED = "1000000"
PATIENCE = 60.0


class System(Protocol):
    """Something that accepts tickets at `url` and triages them."""

    name: str
    url: str

    def start(self) -> float:
        """Start or start again over the same folder; seconds until it answers."""

    def done(self) -> set[str]:
        """The ids of the tickets that are triaged."""

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have all its processes end."""


class _Processes:
    """Some processes that end together."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="bench-"))
        self.running: list[subprocess.Popen[str]] = []

    def spawn(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Another process, in a group of its own."""
        with (self.home / "log").open("a") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, "TAMIZ_HOME": str(self.home), **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Have all end, and wait for it."""
        for process in self.running:
            os.killpg(process.pid, number)
        for process in self.running:
            process.wait(PATIENCE)
        self.running.clear()

    def await_port(self, port: int) -> None:
        """Wait until somebody listens. RuntimeError with the log where nobody does."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError((self.home / "log").read_text())


class Tamiz(_Processes):
    """`tamiz serve`, as it is installed, on SQLite."""

    name = "tamiz serve"

    def start(self, *, everybody: bool = True) -> float:
        """Start it, open to everybody or to those with keys; seconds until it listens."""
        begun, port = time.perf_counter(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        doors = ("--open",) if everybody else ()
        self.process = self.spawn(
            *(sys.executable, "-m", "tamiz", "serve", *doors, "--port", str(port)),
            environment={"TAMIZ_SERVE_RATE": UNLIMITED},
        )
        self.await_port(port)
        return time.perf_counter() - begun

    def key(self, tenant: str) -> str:
        """A tenant's key that may submit and review, made before the service starts."""
        command = (sys.executable, "-m", "tamiz", "keys", "create", "bench", "--role", "review")
        made = subprocess.run(
            [*command, "--tenant", tenant],
            env={**os.environ, "TAMIZ_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.strip()

    def done(self) -> set[str]:
        """Tickets with a triage, read beside the service."""
        return self._ids("SELECT id FROM tickets WHERE status != 'Pending'")

    def kept(self) -> set[str]:
        """All tickets."""
        return self._ids("SELECT id FROM tickets")

    def triaged(self) -> int:
        """How many have a triage."""
        return int(next(iter(self._ids("SELECT count(*) FROM tickets WHERE status != 'Pending'"))))

    def megabytes(self) -> dict[str, float]:
        """Memory that the process holds, and the most that it held."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in text.splitlines())
        return {
            "resident": int(lines["VmRSS"].split()[0]) / 1024,
            "most": int(lines["VmHWM"].split()[0]) / 1024,
        }

    def _ids(self, query: str) -> set[str]:
        database = self.home / STORE_FOLDER / DATABASE
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30.0)) as file:
            return {str(row[0]) for row in file.execute(query)}


class InMemory(_Processes):
    """Accepted into memory."""

    name = "202, then a task in memory"

    def start(self) -> float:
        """Start it."""
        begun, port = time.perf_counter(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        rival(self, "memory", f"--port={port}", f"--results={self.home / 'results.sqlite'}")
        self.await_port(port)
        return time.perf_counter() - begun

    def done(self) -> set[str]:
        """What its results hold."""
        with closing(sqlite3.connect(self.home / "results.sqlite", timeout=30.0)) as file:
            try:
                return {row[0] for row in file.execute("SELECT id FROM results")}
            except sqlite3.OperationalError:  # no result yet
                return set()


class Celery(_Processes):
    """Celery over Redis; `careful`: Redis syncs every write before it answers, else as it comes."""

    def __init__(self, careful: bool, processes: int = 2) -> None:
        super().__init__()
        self.name = "Celery + Redis, appendfsync always" if careful else "Celery + Redis, as it comes"
        self._careful, self._processes = careful, processes

    def start(self) -> float:
        """Start Redis, web server and worker."""
        begun, port, redis = time.perf_counter(), free_port(), free_port()
        self.url, self._redis = f"http://127.0.0.1:{port}", redis
        durable = ["--appendonly", "yes", "--appendfsync", "always"] if self._careful else []
        self.spawn("redis-server", "--port", str(redis), "--dir", str(self.home), *durable)
        self.await_port(redis)
        broker = f"--redis=redis://127.0.0.1:{redis}/0"
        rival(self, "worker", broker, f"--processes={self._processes}")
        rival(self, "api", f"--port={port}", broker)
        self.await_port(port)
        return time.perf_counter() - begun

    def done(self) -> set[str]:
        """Tickets with a result."""
        from redis import Redis

        with closing(Redis(port=self._redis)) as redis:
            prefix = b"celery-task-meta-"
            return {key.removeprefix(prefix).decode() for key in redis.scan_iter(prefix + b"*", 10_000)}


def rival(system: _Processes, part: str, *options: str) -> None:
    """A process of `tamiz.lab.bench.rivals`."""
    system.spawn(sys.executable, "-m", "tamiz.lab.bench.rivals", part, *options)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def drained(system: System, wanted: Sequence[str], still: float) -> tuple[float, int]:
    """Wait until all wanted tickets are triaged, or nothing has moved for `still` seconds; seconds until the last one
    that was, and how many are missing."""
    begun = moved = time.perf_counter()
    missing = len(set(wanted))
    while missing and time.perf_counter() - moved < still:
        time.sleep(0.25)
        left = len(set(wanted) - system.done())
        if left < missing:
            missing, moved = left, time.perf_counter()
    return moved - begun, missing
