"""A disk that takes half a second to keep anything: no answer before it has, and an alarm in the log and in the metrics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..harness import ROOT, environment
from .trace import available

STORE = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.observers import Observers
from tamiz.bootstrap.settings import ServeSettings
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.observe.logs import json_process
from tamiz.store.sqlite import SqliteStore

with json_process():
    clock = SystemClock()
    observers = Observers.of(ServeSettings(), clock, {})
    store = SqliteStore(Path(sys.argv[1]), hook=observers.store)
    started = time.monotonic()
    store.write(lambda tx: tx.tickets.add(Ticket("t", RawMessage("s", "b"), clock.now())))
    print("seconds", time.monotonic() - started)
    print(observers.metrics.text(list, clock.now()).decode())
    store.close()
"""


def run(folder: Path, *recorder: str) -> subprocess.CompletedProcess[str]:
    """Open a store, commit once, and show the metrics."""
    command = [*recorder, sys.executable, "-W", "error", "-c", STORE, str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, text=True)


def seconds_and_slow(text: str) -> tuple[float, float]:
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return float(found["seconds"]), float(found["tamiz_slow_commits_total"])


@pytest.mark.skipif(not available(), reason="strace is missing or may not trace here")
def test_a_slow_commit_is_waited_for_and_raises_an_alarm(tmp_path: Path) -> None:
    quick = run(tmp_path / "quick")
    slow_calls = ("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_exit=500000")
    log = tmp_path / "calls.log"
    slow = run(
        tmp_path / "slow", "strace", "-f", "--seccomp-bpf", "-e", "signal=none", *slow_calls, "-o", str(log)
    )
    took, alarms = seconds_and_slow(slow.stdout)
    assert took >= 0.5
    assert alarms == 1
    (line,) = [json.loads(line) for line in slow.stderr.splitlines()]
    assert (line["event"], line["level"], line["limit"]) == ("slow commit", "warning", 0.25)
    assert line["seconds"] >= 0.5
    took, alarms = seconds_and_slow(quick.stdout)
    assert (alarms, quick.stderr) == (0, "") or took > 0.25
