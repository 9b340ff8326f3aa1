"""`tamiz serve` as it is installed, in a process of its own, with a key per tenant and everything that it says kept."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.server import STORE_FOLDER
from tamiz.domain.records import Role
from tamiz.service import keys

JSON = {"Content-Type": "application/json"}


@dataclass
class Real:
    """A running service: its process, where it listens, an admin key per tenant, and its lines so far."""

    process: subprocess.Popen[str]
    port: int
    keys: dict[str, str]
    lines: list[str]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self, method: str, path: str, body: Any = None, tenant: str = "a", **headers: str
    ) -> tuple[int, bytes]:
        """Status and body of one answer, on a connection of its own."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with closing(self.connect()) as connection:
            connection.request(method, path, data, {**JSON, "X-API-Key": self.keys[tenant], **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def figures(self) -> dict[str, float]:
        """The samples of the metrics page."""
        text = self.ask("GET", "/metrics")[1].decode()
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
        }

    def memory(self, what: str) -> int:
        """Bytes of memory: VmRSS now, VmHWM at most since `forget_peak`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024
        raise KeyError(what)

    def forget_peak(self) -> None:
        """Measure the peak from here on."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self) -> int:
        """Stop it and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def real(folder: Path, *wrapper: str, **environ: str) -> Iterator[Real]:
    """Start it over `folder`, and have it gone afterwards."""
    from tamiz.store.sqlite import SqliteStore

    home = folder / "home"
    clock, bits = SystemClock(), Random(7).getrandbits
    with closing(SqliteStore(home / STORE_FOLDER)) as store:
        made = {name: keys.create(store, clock, bits, name, name, Role.ADMIN, "test")[0] for name in "ab"}
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-m", "tamiz", "serve", "--port", "0"],
        cwd=folder,
        env={**os.environ, "TAMIZ_HOME": str(home), **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if line.startswith("Listening on "):
                listening.set()
        listening.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    try:
        assert listening.wait(60)
        address = next(line for line in lines if line.startswith("Listening on "))
        yield Real(process, int(address.rsplit(":", 1)[1]), made, lines)
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        process.stderr.close()
