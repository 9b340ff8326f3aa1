"""Power cuts under a working store: no promise is broken, and the same store without FULL breaks some.

The short version makes a few dozen cuts; TAMIZ_POWER_CUTS sets how many there are (`make chaos`).
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.store.backup import check
from tamiz.store.sqlite import DATABASE, SqliteStore
from tamiz.store.tx import SqlTx

from .disk import Cut, cuts
from .trace import available, read, record

CUTS = int(os.environ.get("TAMIZ_POWER_CUTS", "0"))
LONG = (200, 2 << 20)
SHORT = (20, 256 << 10)
"""Rounds of the workload, and bytes of the log that make a checkpoint due."""
SEED = 20_240_611
LATER = datetime(2030, 1, 1, tzinfo=UTC)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Found disks are looked at in memory: that they survive another cut is not asked."""

needs_recorder = pytest.mark.skipif(not available(), reason="strace is missing or may not trace here")


@dataclass
class Losses:
    """What was promised over all cuts, and what was not kept."""

    promised: int = 0
    lost: int = 0
    cuts: int = 0

    def add(self, promised: int, lost: int) -> None:
        """One cut more."""
        self.promised += promised
        self.lost += lost
        self.cuts += 1


def recorded(folder: Path, synchronous: str, rounds: int, log_bytes: int, *more: str) -> Path:
    """A workload run to its end in `folder`/data, and the log of its calls."""
    log = folder / "calls.log"
    arguments = [str(folder / "data"), str(folder / "acks"), synchronous, str(rounds), str(log_bytes)]
    (folder / "data").mkdir()
    record(log, arguments, *more)
    return log


def found_after(cut: Cut, folder: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """Open what a cut left, look at all of it, and work on: the promises that were kept, and the tickets."""
    for name, content in cut.files.items():
        (folder / Path(name).name).write_bytes(content)
    kept = {("copied", path.name) for path in folder.glob("copy-*.sqlite") if not check(path)}
    with closing(SqliteStore(folder)) as store:
        assert check(store.path) == [], f"cut at {cut.at}"
        accepted, finished = store.change(_state)
        store.write(lambda tx: tx.tickets.add(Ticket("later", RawMessage("s", "b"), LATER)))
    assert check(folder / DATABASE) == [], f"cut at {cut.at}, after more work"
    return kept | {("accepted", one) for one in accepted} | {("finished", one) for one in finished}, accepted


def _state(tx: SqlTx) -> tuple[set[str], set[str]]:
    """Tickets, and those that are done; a pending ticket has its job and a finished one has none."""
    records = tx.tickets.page(DEFAULT_TENANT, TicketQuery(limit=1_000_000))
    done = {one.id for one in records if one.status is Status.NEEDS_HUMAN}
    jobs = {row[0] for row in tx.sql.all("SELECT subject FROM jobs")}
    assert jobs == {one.id for one in records} - done
    return {one.id for one in records}, done


def losses(folder: Path, log: Path, number: int, random: Random) -> Losses:
    """Cut the recorded work at so many moments."""
    ops = read(log, folder / "data", folder / "acks")
    assert {op.path for op in ops if op.kind == "write" and op.path.endswith((DATABASE, "-wal"))}
    moments = sorted(random.randint(ops[0].began, ops[-1].ended + 1) for _ in range(number))
    total = Losses()
    for cut in cuts(ops, folder / "data", folder / "acks", moments, random):
        with TemporaryDirectory(dir=MEMORY) as place:
            kept, _ = found_after(cut, Path(place))
        promised = {one for one in cut.promised if one[0] != "refused"}
        total.add(len(promised), len(promised - kept))
    return total


def told(name: str, total: Losses) -> None:
    """The figures, for whoever runs the long version."""
    print(f"\n{name}: " + json.dumps(vars(total)))


@needs_recorder
def test_power_cuts_break_no_promise(tmp_path: Path) -> None:
    log = recorded(tmp_path, "FULL", *(LONG if CUTS else SHORT))
    total = losses(tmp_path, log, CUTS or 40, Random(SEED))
    told("power cuts, FULL", total)
    assert total.promised > total.cuts
    assert total.lost == 0


@needs_recorder
def test_the_control_without_full_breaks_promises_in_the_same_harness(tmp_path: Path) -> None:
    log = recorded(tmp_path, "NORMAL", *(LONG if CUTS else SHORT))
    total = losses(tmp_path, log, max(30, CUTS // 4), Random(SEED))
    told("power cuts, NORMAL", total)
    assert total.lost > 0


@needs_recorder
@pytest.mark.parametrize(
    "fault", ["fdatasync,fsync:error=EIO:when=40+5", "pwrite64:error=ENOSPC:when=150+40"]
)
def test_a_disk_that_fails_now_and_then_gets_no_promise_broken(tmp_path: Path, fault: str) -> None:
    recorded(tmp_path, "FULL", *SHORT, "-e", f"inject={fault}")
    told_so = [line.split() for line in (tmp_path / "acks").read_text().splitlines()]
    refused = sum(what == "refused" for what, _ in told_so)
    assert 0 < refused < len(told_so)
    with closing(SqliteStore(tmp_path / "data")) as store:
        accepted, finished = store.change(_state)
    assert {name for what, name in told_so if what == "accepted"} <= accepted
    assert {name for what, name in told_so if what == "finished"} <= finished
    assert check(tmp_path / "data" / DATABASE) == []
