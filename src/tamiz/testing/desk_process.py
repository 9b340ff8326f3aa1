"""Start a fake desk as a process of its own, do to it what people do, and read its ledger.

with DeskProcess(tmp_path / "ledger.jsonl") as desk:
    desk.put("IT-1", subject="VPN")
    ...  # have a service at `desk.url` triage it
    assert desk.shown("IT-1").fields["category"] == "Network"
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from tamiz.domain.desk import DeskTicket, Value
from tamiz.testing.desk_faults import Fault
from tamiz.testing.desk_server import KEY, read_ledger
from tamiz.testing.desk_wire import LEDGER, TICKET, Applied

SECONDS = 30.0


class DeskProcess:
    """A context in which the process runs; it ends with the process that started it. `ledger` outlives both; `compares` is
    the FakeDesk's. OSError where it cannot be reached."""

    def __init__(self, ledger: Path, name: str = "fake", key: str = "", compares: bool = True) -> None:
        self._path, self._name, self._key, self._compares = ledger, name, key, compares
        self._open = build_opener(ProxyHandler({})).open
        self.url = ""

    def __enter__(self) -> DeskProcess:
        command = [sys.executable, "-m", "tamiz.testing.desk_server", "--with-input"]
        command += [] if self._compares else ["--compares-once"]
        self.process = subprocess.Popen(
            [*command, "--ledger", str(self._path), "--name", self._name],
            env={**os.environ, KEY: self._key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = str(json.loads(self.process.stdout.readline())["listening"])
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)

    @property
    def ledger(self) -> tuple[Applied, ...]:
        """Everything that was applied up to now, in order; also once the process has ended."""
        if self.process.poll() is not None:
            return read_ledger(self._path)
        return LEDGER.validate_json(self._ask("ledger"))

    def shown(self, ticket_id: str) -> DeskTicket:
        """The ticket as it is, past every fault."""
        return TICKET.validate_json(self._ask(f"tickets/{quote(ticket_id, safe='')}"))

    def put(
        self, ticket_id: str, subject: str = "", body: str = "", fields: Mapping[str, Value] | None = None
    ) -> None:
        """A new ticket from a requester."""
        told = {"ticket_id": ticket_id, "subject": subject, "body": body, "fields": dict(fields or {})}
        self._ask("put", told)

    def edit(self, ticket_id: str, values: Mapping[str, Value], actor: str = "person") -> None:
        """A person sets fields."""
        self._ask("edit", {"ticket_id": ticket_id, "fields": dict(values), "actor": actor})

    def fail(self, rates: Mapping[Fault, float], seed: int = 0, late: float = 60.0, lag: float = 0.0) -> None:
        """From now on calls meet these faults; see `FaultPlan`."""
        told = {fault.value: rate for fault, rate in rates.items()}
        self._ask("faults", {"rates": told, "seed": seed, "late": late, "lag": lag})

    def _ask(self, what: str, body: Mapping[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = Request(f"{self.url}/control/{what}", data, headers)
        with self._open(request, timeout=SECONDS) as told:
            return bytes(told.read())
