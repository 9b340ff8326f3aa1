"""A log that is not whole is told when the store is opened; a log that is whole is not."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.store.events import Committed, Damage, LogDamaged, StoreEvent
from tamiz.store.sqlite import DATABASE, SqliteStore

from .test_damaged_log import T0, TICKETS, left

__all__ = ["left"]

PAGE = 4096 + 24
"""Bytes of a frame in the log."""


def told(folder: Path) -> list[LogDamaged]:
    """What opening a store tells of its log."""
    heard: list[StoreEvent] = []
    with closing(SqliteStore(folder, hook=heard.append)) as store:
        store.change(lambda tx: tx.sql.run("PRAGMA user_version = 7"))
    assert any(isinstance(one, Committed) for one in heard)
    return [one for one in heard if isinstance(one, LogDamaged)]


@pytest.fixture
def copy(left: tuple[Path, list[int]], tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(left[0], folder)
    return folder


@pytest.mark.parametrize(
    "damage", ["cut at a commit", "cut in a frame", "garbled", "zeroed", "gone", "emptied"]
)
def test_a_log_that_lost_commits_is_told_as_shortened(
    left: tuple[Path, list[int]], copy: Path, damage: str
) -> None:
    log = copy / f"{DATABASE}-wal"
    whole, place = log.read_bytes(), left[1][TICKETS // 2]
    garbage = Random(1).randbytes(len(whole) - place)
    spoiled = {
        "cut at a commit": whole[:place],
        "cut in a frame": whole[: place + PAGE // 2],
        "garbled": whole[:place] + garbage,
        "zeroed": whole[:place] + bytes(len(garbage)),
        "emptied": b"",
    }
    if damage == "gone":
        log.unlink()
    else:
        log.write_bytes(spoiled[damage])
    (found,) = told(copy)
    assert found.damage is Damage.SHORTENED
    known = (len(whole) - 32) // PAGE
    assert (found.expected, found.found) == (
        known,
        0 if damage in ("gone", "emptied") else (place - 32) // PAGE,
    )
    assert told(copy) == [], "once"


@pytest.mark.parametrize("index", ["there", "gone"])
def test_the_end_of_a_transaction_that_nobody_was_promised_is_told_as_torn(
    left: tuple[Path, list[int]], copy: Path, index: str
) -> None:
    log = copy / f"{DATABASE}-wal"
    whole = log.read_bytes()
    if index == "gone":
        (copy / f"{DATABASE}-shm").unlink()
        log.write_bytes(whole[: left[1][3] + PAGE // 2])
    else:  # pieces of two frames more, of the same log, that no commit follows
        frame = whole[32 : 32 + PAGE]
        log.write_bytes(whole + frame + frame[:100])
    (found,) = told(copy)
    assert found.damage is Damage.TORN
    assert told(copy) == []


def test_what_is_whole_is_not_told(left: tuple[Path, list[int]], copy: Path, tmp_path: Path) -> None:
    assert told(tmp_path / "new") == []
    assert told(tmp_path / "new") == [], "closed in order"
    assert told(copy) == [], "killed"
    log = tmp_path / "other" / f"{DATABASE}-wal"
    shutil.copytree(left[0], log.parent)
    log.write_bytes(log.read_bytes() + Random(2).randbytes(10_000))
    assert told(log.parent) == [], "what lies behind the end of the log was never of it"


def test_a_log_that_was_begun_anew_is_not_told(tmp_path: Path) -> None:
    folder, copies = tmp_path / "data", tmp_path / "copies"
    with closing(SqliteStore(folder)) as store:
        for number in range(40):
            one = Ticket(f"t{number}", RawMessage("s", "b" * 5000), T0)
            store.write(lambda tx, one=one: tx.tickets.add(one))
            if number in (15, 20):
                assert store.scrub()
            if (
                number == 30
            ):  # all of the log copied into the database, and the log used from its beginning again
                store._writer.between(
                    lambda c: c.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
                ).result()
            shutil.copytree(folder, copies / str(number))
    for number in range(40):
        assert told(copies / str(number)) == [], number


def test_an_older_index_of_another_log_says_nothing(
    left: tuple[Path, list[int]], copy: Path, tmp_path: Path
) -> None:
    """As a power cut may leave it: the log was begun anew, the index on the disk is from before."""
    index = (copy / f"{DATABASE}-shm").read_bytes()
    told(copy)
    folder = tmp_path / "again"
    with closing(SqliteStore(copy)) as store:
        store.write(lambda tx: tx.tickets.add(Ticket("again", RawMessage("s", "b"), T0)))
        shutil.copytree(copy, folder)
    (folder / f"{DATABASE}-shm").write_bytes(index)
    assert told(folder) == []
