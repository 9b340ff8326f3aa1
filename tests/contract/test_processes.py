"""Several processes on one PostgreSQL store: one accepts, another works, and a stop is clean."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading

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

from tamiz.bootstrap.clock import SystemClock
from tamiz.domain.status import Status
from tamiz.domain.ticket import RawMessage
from tamiz.service.accept import Submission, accept
from tamiz.store.postgres import PostgresStore


def test_workers_of_another_process_triage_what_was_accepted(new_database, tmp_path) -> None:
    url = new_database()
    store, clock, bits = PostgresStore(url), SystemClock(), random.Random(3).getrandbits
    ids = [
        accept(store, clock, bits, Submission(RawMessage("VPN", f"is down in office {i}"))).result().ticket_id
        for i in range(30)
    ]
    environment = {**os.environ, "TAMIZ_HOME": str(tmp_path), "TAMIZ_STORE_URL": url}
    command = [sys.executable, "-m", "tamiz", "work"]
    pause, deadline = threading.Event(), clock.monotonic() + 120.0
    with (tmp_path / "log").open("ab") as log:
        workers = [subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log) for _ in range(2)]
        try:
            while clock.monotonic() < deadline:
                records = [store.read(lambda tx, each=each: tx.tickets.get("default", each)) for each in ids]
                if all(record.status is not Status.PENDING for record in records):
                    break
                pause.wait(0.1)
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            ends = [worker.wait(timeout=60) for worker in workers]
            store.close()
    assert {record.revision for record in records} == {1}
    assert ends == [0, 0]
