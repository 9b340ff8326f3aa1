"""Several processes on one PostgreSQL store: one accepts, others triage and write to a desk, and a stop is clean."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

for package in (
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "psycopg",
    "cryptography",
    "prometheus_client",
):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from pydantic import SecretStr

from tamiz.bootstrap.admin import open_admin
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.outbox import EffectState
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Source
from tamiz.models.registry import FileRegistry
from tamiz.service.accept import Submission, accept
from tamiz.store.postgres import PostgresStore
from tamiz.testing.desk_process import DeskProcess

FIELD = default_taxonomy().primary
LABEL = default_taxonomy().field(FIELD).keys[0]


def renamed(home: Path, name: str) -> None:
    """The starter once more, under another name."""
    draft = home / "drafts" / name
    shutil.copytree(starter_folder(), draft)
    manifest = json.loads((draft / "manifest.json").read_text("utf-8"))
    (draft / "manifest.json").write_text(json.dumps({**manifest, "name": name}), "utf-8")
    FileRegistry(home, {}).add(draft)


def test_workers_of_another_process_follow_a_change_of_the_model(new_database, tmp_path) -> None:
    url = new_database()
    renamed(tmp_path, "mine")
    settings = Settings(home=tmp_path, store_url=SecretStr(url))
    environment = {**os.environ, "TAMIZ_HOME": str(tmp_path), "TAMIZ_STORE_URL": url}
    store, clock, bits = PostgresStore(url), SystemClock(), random.Random(3).getrandbits
    pause, deadline = threading.Event(), clock.monotonic() + 120.0

    def model_of_a_new_ticket(number: int) -> str:
        message = RawMessage("VPN", f"is down in office {number}")
        ticket = accept(store, clock, bits, Submission(message)).result().ticket_id
        while clock.monotonic() < deadline:
            revision = store.read(lambda tx: tx.tickets.revision("default", ticket))
            if revision is not None:
                return revision.triage.receipt.model
            pause.wait(0.05)
        raise AssertionError("nobody works")

    command = [sys.executable, "-m", "tamiz", "work"]
    with (tmp_path / "log").open("ab") as log:
        worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log)
        try:
            assert model_of_a_new_ticket(0) == "starter"
            with open_admin(settings) as admin:
                admin.activate("default", "mine", "ana")
            number, changed = 1, clock.monotonic()
            while model_of_a_new_ticket(number) != "mine":
                number += 1
            assert clock.monotonic() - changed < 30.0, "a second, and the time to open it"
        finally:
            worker.send_signal(signal.SIGTERM)
            end = worker.wait(timeout=60)
            store.close()
    assert end == 0
    assert f"The first key, for an admin, is in {tmp_path / 'first-key'}" in (tmp_path / "log").read_text()


def test_workers_of_other_processes_triage_what_was_accepted_and_push_it_once(new_database, tmp_path) -> None:
    url = new_database()
    store, clock, bits = PostgresStore(url), SystemClock(), random.Random(3).getrandbits
    environment = {**os.environ, "TAMIZ_HOME": str(tmp_path), "TAMIZ_STORE_URL": url}
    command = [sys.executable, "-m", "tamiz", "work"]
    (tmp_path / "policy.toml").write_text(f'[[rules]]\nname = "all"\nset = {{ {FIELD} = "{LABEL}" }}\n')
    pause, deadline = threading.Event(), clock.monotonic() + 120.0
    with DeskProcess(tmp_path / "ledger.jsonl") as desk, (tmp_path / "log").open("ab") as log:
        (tmp_path / "tamiz.toml").write_text(f'[[desks]]\nname = "it"\nkind = "fake"\nurl = "{desk.url}"\n')
        ids = []
        for number in range(30):
            desk.put(f"IT-{number}")
            message, source = RawMessage("VPN", f"is down in office {number}"), Source("it", f"IT-{number}")
            ids.append(accept(store, clock, bits, Submission(message, source=source)).result().ticket_id)
        workers = [subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log) for _ in range(2)]
        try:
            while clock.monotonic() < deadline:
                records = [store.read(lambda tx, each=each: tx.tickets.get("default", each)) for each in ids]
                done = store.read(lambda tx: tx.outbox.page("default", EffectState.DONE))
                if all(record.status is not Status.PENDING for record in records) and len(done) == 30:
                    break
                pause.wait(0.1)
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            ends = [worker.wait(timeout=60) for worker in workers]
            store.close()
        ledger = desk.ledger
    assert {record.revision for record in records} == {1}
    assert sorted(one.ticket_id for one in ledger) == sorted(f"IT-{number}" for number in range(30))
    assert {one.marker for one in ledger} == {one.key for one in done}
    assert ends == [0, 0]
