"""What every memory promises, whatever index it has and wherever that lies: it follows the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from random import Random

import pytest

from tamiz.domain.ports import Memory
from tamiz.domain.records import Vector
from tamiz.domain.storage import Store
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import KEEP_TOLD, packed, told_space
from tamiz.memory.exact import ExactIndex
from tamiz.memory.space import CHUNK
from tamiz.memory.spaces import Spaces

pytest.importorskip("sqlalchemy", reason="the stores need SQLAlchemy")
pytest.importorskip("cryptography", reason="the stores need cryptography")

from tamiz.store.sqlite import SqliteStore
from tamiz.store.upkeep import erase

T0 = datetime(2025, 6, 1, tzinfo=UTC)
EAST, NORTH, BETWEEN = packed([1.0, 0.0]), packed([0.0, 1.0]), packed([1.0, 1.0])


@dataclass(frozen=True)
class Rig:
    """A store, and how to open a memory over it that keeps so many vectors."""

    store: Store
    open: Callable[[int], Memory]


def _spaces(name: str) -> Callable[..., Iterator[Rig]]:
    def make(request, tmp_path) -> Iterator[Rig]:
        kind = {"exact": lambda: ExactIndex, "usearch": _graph, "chroma": _chroma}[name]()
        store = SqliteStore(tmp_path)
        yield Rig(store, lambda keep: Spaces(store, keep, kind))
        store.close()

    make.__name__ = name
    return make


def _graph() -> Callable[[], object]:
    if find_spec("usearch") is None:
        pytest.skip("the graph of neighbours needs the extra 'memory'")
    from tamiz.memory.graph import GraphIndex

    return GraphIndex


def _chroma() -> Callable[[], object]:
    if find_spec("chromadb") is None:
        pytest.skip("Chroma needs the extra 'chroma'")
    from tamiz.memory.chroma import ChromaIndex

    return ChromaIndex


def pgvector(request, tmp_path) -> Iterator[Rig]:
    pytest.importorskip("psycopg", reason="the store on PostgreSQL needs psycopg")
    from tamiz.store.near import PgvectorMemory
    from tamiz.store.postgres import PostgresStore

    store = PostgresStore(request.getfixturevalue("pgvector_database"))
    yield Rig(store, lambda keep: PgvectorMemory(store, keep))
    store.close()


@pytest.fixture(
    params=[_spaces("exact"), _spaces("usearch"), _spaces("chroma"), pgvector], ids=lambda make: make.__name__
)
def rig(request, tmp_path) -> Iterator[Rig]:
    yield from request.param(request, tmp_path)


def add(
    store: Store, *named: tuple[str, bytes], tenant: str = "a", model: str = "m", keep: int = 10_000
) -> None:
    def work(tx) -> None:
        for name, data in named:
            if tx.tickets.get(tenant, name) is None:
                tx.tickets.add(Ticket(name, RawMessage("s", "b"), T0, tenant))
            tx.vectors.add(Vector(tenant, model, name, data), keep)

    store.write(work)


def near(memory: Memory, vector: bytes = EAST, k: int = 5, tenant: str = "a", model: str = "m") -> list[str]:
    found = memory.search(tenant, model, vector, k)
    assert len(found.matches) == min(k, found.searched)
    return [match.ticket_id for match in found.matches]


def test_what_is_committed_is_found_at_once(rig) -> None:
    memory = rig.open(100)
    assert near(memory) == []
    add(rig.store, ("t1", NORTH), ("t2", EAST))
    assert near(memory) == ["t2", "t1"]
    add(rig.store, ("t3", BETWEEN))
    found = memory.search("a", "m", EAST, 2)
    assert [match.ticket_id for match in found.matches] == ["t2", "t3"]
    assert found.searched == 3
    assert [match.similarity for match in found.matches] == pytest.approx([1.0, 0.5**0.5], abs=1e-3)


def test_a_ticket_that_is_triaged_anew_is_found_where_it_is_now(rig) -> None:
    memory = rig.open(100)
    add(rig.store, ("t1", EAST), ("t2", BETWEEN))
    assert near(memory) == ["t1", "t2"]
    add(rig.store, ("t1", NORTH))
    assert near(memory) == ["t2", "t1"]


def test_no_search_sees_another_tenant_or_another_model(rig) -> None:
    memory = rig.open(100)
    add(rig.store, ("secret", EAST), tenant="b")
    add(rig.store, ("old", EAST), model="before")
    add(rig.store, ("own", NORTH))
    assert memory.search("a", "m", EAST, 9).searched == 1
    assert (near(memory), near(memory, model="before"), near(memory, tenant="c")) == (["own"], ["old"], [])
    assert near(memory, tenant="b") == ["secret"]


def test_only_the_newest_are_searched(rig) -> None:
    memory = rig.open(3)
    for number in range(7):
        add(rig.store, (f"t{number}", EAST), keep=3)
        if number in (1, 6):
            assert sorted(near(memory, k=9)) == [f"t{n}" for n in range(max(0, number - 2), number + 1)]


def test_tickets_that_people_spoke_of_are_kept_beyond_that(rig) -> None:
    memory = rig.open(2)
    add(rig.store, *((f"t{number}", EAST) for number in range(4)), model=told_space("m"), keep=KEEP_TOLD)
    assert memory.search("a", told_space("m"), EAST, 9).searched == 4


def test_a_long_way_behind_is_caught_up_in_several_steps(rig) -> None:
    memory, random = rig.open(10_000), Random(0)
    add(
        rig.store,
        *((f"t{n}", packed([random.gauss(0, 1) for _ in range(4)])) for n in range(CHUNK + 1)),
        ("last", packed([1.0, 0.0, 0.0, 0.0])),
    )
    found = memory.search("a", "m", packed([1.0, 0.0, 0.0, 0.0]), 1)
    assert (found.searched, found.matches[0].ticket_id) == (CHUNK + 2, "last")


def test_erased_tickets_and_those_taken_out_vanish(rig) -> None:
    memory = rig.open(100)
    add(rig.store, *((f"t{number}", EAST) for number in range(5)))
    assert sorted(near(memory)) == ["t0", "t1", "t2", "t3", "t4"]
    erase(rig.store, [("a", "t1"), ("a", "t4")])
    assert sorted(near(memory)) == ["t0", "t2", "t3"]
    add(rig.store, ("t5", EAST))
    erase(rig.store, [("a", "t0")])
    assert sorted(near(memory)) == ["t2", "t3", "t5"]
    rig.store.write(lambda tx: tx.vectors.remove("a", "m", "t3"))
    assert sorted(near(memory)) == ["t2", "t5"]
    add(rig.store, ("t3", NORTH))
    assert near(memory)[-1] == "t3"


def test_two_memories_over_one_store_agree(rig) -> None:
    one, other = rig.open(100), rig.open(100)
    for number in range(10):
        add(rig.store, (f"t{number}", EAST if number % 2 else NORTH))
        first, second = (one, other) if number % 3 else (other, one)
        assert set(near(first, k=20)) == set(near(second, k=20)) == {f"t{n}" for n in range(number + 1)}
