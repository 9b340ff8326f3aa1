"""A log whose end is torn, full of garbage or gone, and a lost index of it: the store opens with all that was committed
before the damage."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tamiz.domain.records import TicketQuery
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.store.backup import check
from tamiz.store.sqlite import DATABASE, SqliteStore

TICKETS = 30
T0 = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The files of a store that was not closed, and how long its log was after each ticket."""
    folder, copy = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("copy")
    sizes = []
    with closing(SqliteStore(folder)) as store:
        for number in range(TICKETS):
            ticket = Ticket(f"t{number:04}", RawMessage("VPN", "It drops. " * number), T0)
            store.write(lambda tx, ticket=ticket: tx.tickets.add(ticket))
            sizes.append((folder / f"{DATABASE}-wal").stat().st_size)
        for path in folder.glob(f"{DATABASE}*"):
            shutil.copyfile(path, copy / path.name)
    return copy, sizes


def opened(folder: Path) -> int:
    """How many tickets there are, the first ones without a gap, in a store that is sound and takes more."""
    with closing(SqliteStore(folder)) as store:
        found = store.read(lambda tx: tx.tickets.page(DEFAULT_TENANT, TicketQuery(limit=1000)))
        assert {one.id for one in found} == {f"t{number:04}" for number in range(len(found))}
        store.write(lambda tx: tx.tickets.add(Ticket("later", RawMessage("s", "b"), T0)))
    assert check(folder / DATABASE) == []
    return len(found)


@pytest.mark.parametrize("damage", ["cut off", "garbled", "zeroed", "followed by garbage"])
def test_only_what_lies_behind_the_damage_is_lost(
    left: tuple[Path, list[int]], tmp_path: Path, damage: str
) -> None:
    source, sizes = left
    random = Random(damage)
    for turn in range(8):
        folder = tmp_path / str(turn)
        shutil.copytree(source, folder)
        log = folder / f"{DATABASE}-wal"
        whole = log.read_bytes()
        place = (
            len(whole) if damage == "followed by garbage" else random.randint(sizes[0] // 2, len(whole) - 1)
        )
        rest = len(whole) - place
        tail = {"cut off": b"", "garbled": random.randbytes(rest), "zeroed": bytes(rest)}
        log.write_bytes(whole[:place] + tail.get(damage, random.randbytes(10_000)))
        assert opened(folder) >= sum(size <= place for size in sizes)


@pytest.mark.parametrize("index", ["deleted", "garbled"])
def test_the_index_of_the_log_is_made_anew(left: tuple[Path, list[int]], tmp_path: Path, index: str) -> None:
    folder = tmp_path / "data"
    shutil.copytree(left[0], folder)
    path = folder / f"{DATABASE}-shm"
    if index == "deleted":
        path.unlink()
    else:
        path.write_bytes(Random(index).randbytes(path.stat().st_size))
    assert opened(folder) == TICKETS
