"""Workers race for one ticket, again and again. A short campaign here, TAMIZ_RACES=10000 in `make chaos`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from tamiz.domain.errors import LeaseLostError
from tamiz.domain.records import Job, Lease
from tamiz.domain.storage import Store
from tamiz.testing.memory_store import MemoryStore

RACES = int(os.environ.get("TAMIZ_RACES", "200"))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
RUNNERS = ("a", "b", "c", "d")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    for package in ("sqlalchemy", "alembic", "cryptography"):
        pytest.importorskip(package, reason="the extra 'serve' is not installed")
    from tamiz.store.sqlite import SqliteStore

    with closing(SqliteStore(tmp_path / "data")) as opened:
        yield opened


def finished(store: Store, lease: Lease) -> bool:
    try:
        store.write(lambda tx: tx.jobs.finish(lease))
    except LeaseLostError:
        return False
    return True


def test_of_those_who_race_for_a_ticket_one_wins(store: Store) -> None:
    """Every second time the winner's lease has ended when they all race again: then the second one wins, and the first
    one's result is refused."""
    won: list[list[Lease]] = [[] for _ in RUNNERS]
    start, end = Barrier(len(RUNNERS) + 1), Barrier(len(RUNNERS) + 1)
    moment = NOW

    def run(number: int) -> None:
        while True:
            start.wait(30)
            if moment > NOW + timedelta(days=1):
                return
            won[number] = store.write(
                lambda tx: tx.jobs.lease(
                    ("triage",), RUNNERS[number], 8, moment, moment + timedelta(seconds=60)
                )
            )
            end.wait(30)

    def race() -> Lease:
        start.wait(30)
        end.wait(30)
        (winner,) = [lease for leases in won for lease in leases]
        return winner

    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(len(RUNNERS))]
    for one in threads:
        one.start()
    winners: dict[str, int] = dict.fromkeys(RUNNERS, 0)
    for number in range(RACES):
        moment = NOW
        job = Job(f"job-{number}", "t", "triage", f"ticket-{number}", NOW)
        store.write(lambda tx, job=job: tx.jobs.add(job))
        first = last = race()
        if number % 2:
            moment = NOW + timedelta(seconds=61)
            last = race()
            assert last.epoch == first.epoch + 1
            assert not finished(store, first)
        assert finished(store, last)
        assert not finished(store, last)
        winners[last.owner] += 1
    moment = NOW + timedelta(days=2)
    start.wait(30)
    for one in threads:
        one.join(30)
    print(f"\n{RACES} races, one winner each: {winners}")
    assert store.read(lambda tx: tx.jobs.states()) == []
