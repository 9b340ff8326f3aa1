"""Searchers follow the store: additions, replacements, erasures and the bound, before every answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest

from tamiz.domain.records import Vector
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import packed
from tamiz.memory.exact import ExactIndex
from tamiz.memory.space import CHUNK
from tamiz.memory.spaces import Spaces
from tamiz.testing.memory_store import MemoryStore

T0 = datetime(2025, 6, 1, tzinfo=UTC)
EAST, NORTH, BETWEEN = packed([1.0, 0.0]), packed([0.0, 1.0]), packed([1.0, 1.0])


def add(store, *named: tuple[str, bytes], tenant: str = "a", model: str = "m", keep: int = 10_000) -> None:
    def work(tx) -> None:
        for name, data in named:
            if tx.tickets.get(tenant, name) is None:
                tx.tickets.add(Ticket(name, RawMessage("s", "b"), T0, tenant))
            tx.vectors.add(Vector(tenant, model, name, data), keep)

    store.write(work)


def near(memory: Spaces, vector: bytes = EAST, k: int = 5, tenant: str = "a", model: str = "m") -> list[str]:
    return [match.ticket_id for match in memory.search(tenant, model, vector, k).matches]


def test_a_long_way_behind_is_caught_up_in_several_steps() -> None:
    store = MemoryStore()
    memory = Spaces(store, 10_000, ExactIndex)
    add(store, *((f"t{number}", EAST) for number in range(2 * CHUNK)))
    assert memory.search("a", "m", EAST, 1).searched == 2 * CHUNK


def test_only_so_many_searchers_are_held() -> None:
    store = MemoryStore()
    made = []

    def make() -> ExactIndex:
        made.append(1)
        return ExactIndex()

    memory = Spaces(store, 100, make, most=2)
    add(store, ("t1", EAST))
    for model in ("m", "n", "m", "o", "m"):
        memory.search("a", model, EAST, 1)
    assert len(made) == 3
    memory.search("a", "n", EAST, 1)
    assert len(made) == 4
    assert near(memory) == ["t1"]


def test_questions_and_additions_at_once() -> None:
    store = MemoryStore()
    memory = Spaces(store, 50, ExactIndex)
    names = [f"t{number}" for number in range(200)]

    def ask(name: str) -> bool:
        add(store, (name, EAST), keep=50)
        found = memory.search("a", "m", EAST, 50)
        return len({match.ticket_id for match in found.matches}) == len(found.matches) <= 50

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, names))
    kept = store.read(lambda tx: tx.vectors.after("a", "m"))
    assert sorted(near(memory, k=99)) == sorted(one.ticket_id for one in kept)


def test_a_restored_database_is_read_anew(tmp_path) -> None:
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.sqlite import SqliteStore
    from tamiz.store.upkeep import erase

    with closing(SqliteStore(tmp_path)) as store:
        memory = Spaces(store, 100, ExactIndex)
        add(store, *((f"t{number}", EAST) for number in range(4)))
        for name in ("t1", "t0"):
            erase(store, [("a", name)])
        assert near(memory) == ["t2", "t3"]
        back = "UPDATE counters SET value = 1 WHERE name = 'vectors erased'"
        store.change(lambda tx: tx.sql.run(back))
        assert near(memory) == ["t2", "t3"]
