"""An import killed again and again: repeated until it ends by itself, it has kept every row once.

The short version kills four times within some thousand rows; TAMIZ_BACKFILL_ROWS and TAMIZ_BACKFILL_KILLS set how many
there are (`make chaos`: 100,000 rows and 20 kills).
"""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.service.backfill import LANE
from tamiz.store.sqlite import DATABASE

from .harness import ROOT, RealService, environment
from .test_kills import SEED

ROWS = int(os.environ.get("TAMIZ_BACKFILL_ROWS", "3000"))
KILLS = int(os.environ.get("TAMIZ_BACKFILL_KILLS", "4"))
PATIENCE = 600.0
TAXONOMY = default_taxonomy()
LABELS = {f.name: f.keys for f in TAXONOMY.choices if not f.parent and f.matrix is None}


def history(path: Path, rows: int) -> Path:
    """Every row with an id, a text of its own and a label of each independent field; every tenth without an id."""
    random = Random(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Number", "Short description", "Description", *LABELS])
        for number in range(rows):
            name = f"INC{number:07d}" if number % 10 else ""
            labels = [random.choice(keys) for keys in LABELS.values()]
            writer.writerow([name, "VPN", f"The VPN drops in office {number} since this morning", *labels])
    return path


def count(database: Path) -> int:
    """Tickets that are committed; none before there are tables."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as file:
        try:
            return int(file.execute("SELECT count(*) FROM tickets").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@dataclass
class Turns:
    """How often a command was killed and how far it was each time; its last output."""

    kills: list[int]
    told: str


def kill_often(command: Sequence[str], home: Path, database: Path, total: int, kills: int) -> Turns:
    """Start a command, kill it when another part of the rows is there (and somewhere within the next ones, or before any),
    and let the last one finish."""
    random, pause, found = Random(SEED), Event(), list[int]()
    for turn in range(kills):
        process = started(command, home)
        target = count(database) + random.randint(1, max(1, (total - count(database)) // (kills + 1 - turn)))
        ends = time.monotonic() + PATIENCE
        while count(database) < target and process.poll() is None:
            assert time.monotonic() < ends, "not in time"
            pause.wait(0.002)
        pause.wait(random.uniform(0.0, 0.02))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
        found.append(count(database))
    last = started(command, home)
    _, told = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, told
    return Turns(found, told)


def started(command: Sequence[str], home: Path) -> subprocess.Popen[str]:
    """A command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment(TAMIZ_HOME=str(home)),
        stderr=subprocess.PIPE,
        text=True,
    )


def asked(home: Path, question: str) -> list[tuple[object, ...]]:
    """Rows of the store."""
    with closing(sqlite3.connect(home / STORE_FOLDER / DATABASE)) as file:
        return file.execute(question).fetchall()


def weigh(home: Path, rows: int) -> None:
    """Every row is there once, with its labels, one job and nothing else; sequence numbers have no gaps."""
    tickets = asked(home, "SELECT id, external_id, status FROM tickets WHERE desk = 'history'")
    assert len(tickets) == len({name for _, name, _ in tickets}) == rows
    assert {status for _, _, status in tickets} == {Status.CORRECTED.value}
    words = asked(home, "SELECT ticket_id, field FROM corrections")
    assert len(words) == len(set(words)) == rows * len(LABELS)
    numbers = [number for (number,) in asked(home, "SELECT sequence FROM corrections ORDER BY sequence")]
    assert numbers == list(range(1, len(words) + 1))
    assert asked(home, "PRAGMA integrity_check") == [("ok",)]
    told = asked(home, "SELECT detail FROM audit WHERE act = 'backfill'")
    assert sum(int(str(detail).split('"tickets": "')[1].split('"')[0]) for (detail,) in told) == rows


def test_an_import_killed_again_and_again_keeps_every_row_once(home: Path, tmp_path: Path) -> None:
    table = history(tmp_path / "history.csv", ROWS)
    begun = time.monotonic()
    database = home / STORE_FOLDER / DATABASE
    turns = kill_often(["tamiz", "backfill", str(table)], home, database, ROWS, KILLS)
    print(f"\n{ROWS} rows, killed at {turns.kills}, {time.monotonic() - begun:.0f} s\n{turns.told}")
    assert "were there already" in turns.told
    weigh(home, ROWS)
    jobs = asked(home, "SELECT subject, lane, kind FROM jobs")
    assert len(jobs) == len(set(jobs)) == ROWS
    assert {(lane, kind) for _, lane, kind in jobs} == {(LANE, "triage")}
    again = started(["tamiz", "backfill", str(table)], home)
    assert f"Imported: 0 of {ROWS:,} rows, {ROWS:,} were there already." in again.communicate()[1]
    weigh(home, ROWS)


def test_the_control_doubles_rows_in_the_same_harness(home: Path, tmp_path: Path) -> None:
    table = history(tmp_path / "history.csv", ROWS)
    database = home / "naive.sqlite"
    kill_often(["tests.chaos.backfill_naive", str(table), str(database)], home, database, ROWS, KILLS)
    doubled = count(database) - ROWS
    print(f"\ncontrol: {doubled} rows twice")
    assert doubled > 0


def test_an_import_through_a_service_that_is_killed_goes_on(home: Path, tmp_path: Path) -> None:
    rows = max(2000, ROWS // 10)
    table = history(tmp_path / "history.csv", rows)
    command = ["tamiz", "backfill", str(table)]
    database = home / STORE_FOLDER / DATABASE
    for killed in ("command", "service"):
        service, before = RealService(home), count(database)
        assert service.url
        process = started(command, home)
        pause, ends = Event(), time.monotonic() + PATIENCE
        while count(database) < before + rows // 4 and process.poll() is None:
            assert time.monotonic() < ends, "not in time"
            pause.wait(0.002)
        if killed == "command":
            process.kill()
            process.communicate()
            assert service.stop() == 0
        else:
            service.kill()
            _, told = process.communicate()
            assert process.returncode == 7, told
            assert "did not answer" in told or "does not answer" in told
            assert "Run the same command again" in told
    assert 0 < count(database) < rows
    last = started(command, home)
    _, told = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, told
    weigh(home, rows)
