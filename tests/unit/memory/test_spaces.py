"""Searchers follow the store: additions, replacements, erasures and the bound, before every answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

from tamiz.bootstrap.memory import EXACT, open_memory
from tamiz.domain.errors import MissingExtraError
from tamiz.domain.ports import Match
from tamiz.domain.records import Vector
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import packed
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import CHUNK, Spaces
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


def test_what_is_committed_is_found_at_once() -> None:
    store = MemoryStore()
    memory = Spaces(store, 100, ExactIndex)
    assert near(memory) == []
    add(store, ("t1", NORTH), ("t2", EAST))
    assert near(memory) == ["t2", "t1"]
    add(store, ("t3", BETWEEN))
    found = memory.search("a", "m", EAST, 2)
    assert [match.ticket_id for match in found.matches] == ["t2", "t3"]
    assert found.searched == 3
    assert [match.similarity for match in found.matches] == pytest.approx([1.0, 0.5**0.5], abs=1e-3)


def test_a_ticket_that_is_triaged_anew_is_found_where_it_is_now() -> None:
    store = MemoryStore()
    memory = Spaces(store, 100, ExactIndex)
    add(store, ("t1", EAST), ("t2", BETWEEN))
    assert near(memory) == ["t1", "t2"]
    add(store, ("t1", NORTH))
    assert near(memory) == ["t2", "t1"]


def test_no_search_sees_another_tenant_or_another_model() -> None:
    store = MemoryStore()
    memory = Spaces(store, 100, ExactIndex)
    add(store, ("secret", EAST), tenant="b")
    add(store, ("old", EAST), model="before")
    add(store, ("own", NORTH))
    assert memory.search("a", "m", EAST, 9).searched == 1
    assert (near(memory), near(memory, model="before"), near(memory, tenant="c")) == (["own"], ["old"], [])
    assert near(memory, tenant="b") == ["secret"]


def test_only_the_newest_are_searched() -> None:
    store = MemoryStore()
    memory = Spaces(store, 3, ExactIndex)
    for number in range(7):
        add(store, (f"t{number}", EAST), keep=3)
        if number in (1, 6):
            expected = [f"t{n}" for n in range(max(0, number - 2), number + 1)]
            assert near(memory, k=9) == expected


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


def test_erased_tickets_vanish_and_a_restored_database_is_read_anew(tmp_path) -> None:
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.sqlite import SqliteStore
    from tamiz.store.upkeep import erase

    with closing(SqliteStore(tmp_path)) as store:
        memory = Spaces(store, 100, ExactIndex)
        add(store, *((f"t{number}", EAST) for number in range(5)))
        assert near(memory) == ["t0", "t1", "t2", "t3", "t4"]
        erase(store, [("a", "t1"), ("a", "t4")])
        assert near(memory) == ["t0", "t2", "t3"]
        add(store, ("t5", EAST))
        erase(store, [("a", "t0")])
        assert near(memory) == ["t2", "t3", "t5"]
        back = "UPDATE counters SET value = 1 WHERE name = 'vectors erased'"
        store.change(lambda tx: tx.sql.run(back))
        assert near(memory) == ["t2", "t3", "t5"]


@pytest.mark.parametrize("keep", [0, EXACT, EXACT + 1])
def test_the_settings_choose_the_searcher(keep: int) -> None:
    store = MemoryStore()
    if keep > EXACT and find_spec("usearch") is None:
        with pytest.raises(MissingExtraError, match=r"memory\.keep above 20000"):
            open_memory(keep, store)
        return
    memory = open_memory(keep, store)
    assert (memory is None) == (keep == 0)
    if memory is not None:
        add(store, ("t1", EAST))
        assert memory.search("a", "m", EAST, 3).matches == (Match("t1", 1.0),)
