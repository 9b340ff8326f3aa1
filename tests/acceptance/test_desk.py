"""`tamiz serve` beside a desk that is a process of its own: a ticket that names its desk comes back to it triaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.testing.desk_process import DeskProcess

TAXONOMY = default_taxonomy()
FIELD = TAXONOMY.primary
LABEL, OTHER = TAXONOMY.field(FIELD).keys[:2]
POLICY = f'[[rules]]\nname = "all"\nset = {{ {FIELD} = "{LABEL}" }}\n'
DESK = '[[desks]]\nname = "it"\nkind = "fake"\nurl = "{url}"\n'


class Served:
    """`tamiz serve --open` in a folder with these settings."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tamiz", "serve", "--open", "--port", "0"],
            cwd=folder,
            env={**os.environ, "TAMIZ_HOME": str(folder / "home")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        lines = iter(self._process.stderr.readline, "")
        self.url = next(line.split()[-1] for line in lines if line.startswith("Listening on "))

    def ask(self, path: str, body: object = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.read().decode())

    def hand_in(self, name: str) -> str:
        ticket = {
            "subject": "VPN",
            "body": "It drops.",
            "desk": "it",
            "external_id": name,
            "external_version": "v1",
        }
        return str(json.loads(self.ask("/classify", ticket))["ticket_id"])

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=30)
        return self._process.returncode


def until(true: Callable[[], object]) -> None:
    pause = Event()
    for _ in range(1200):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("not in time")


def test_a_ticket_comes_back_to_its_desk_triaged_and_a_persons_value_stays(tmp_path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY, "utf-8")
    with DeskProcess(tmp_path / "ledger.jsonl", "it") as desk:
        (tmp_path / "tamiz.toml").write_text(DESK.format(url=desk.url), "utf-8")
        desk.put("IT-1", "VPN", "It drops.")
        desk.put("IT-2", "VPN", "It drops.", {FIELD: OTHER})
        service = Served(tmp_path)
        try:
            first, _ = service.hand_in("IT-1"), service.hand_in("IT-2")
            until(lambda: 'desk="it",outcome="skipped"} 1' in service.ask("/metrics"))
            until(lambda: desk.shown("IT-1").fields.get(FIELD) == LABEL)
            source = json.loads(service.ask(f"/tickets/{first}"))["source"]
        finally:
            assert service.stop() == 0
        assert desk.shown("IT-2").fields == {FIELD: OTHER}
    assert source == {"desk": "it", "external_id": "IT-1", "version": "v1"}
    assert [(one.ticket_id, one.actor, dict(one.values)) for one in desk.ledger] == [
        ("IT-1", "tamiz", {FIELD: LABEL})
    ]
