"""The embeddings of tickets: one behaviour on every back end, and none left of an erased ticket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamiz.domain.records import SpaceState, Vector
from tamiz.domain.storage import Store
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import digest, packed

T0 = datetime(2025, 6, 1, tzinfo=UTC)
A, B = "acme", "bolt"
ONE, TWO = "hash of one", "hash of two"


def data(number: float) -> bytes:
    return packed([number, 0.5])


@pytest.fixture
def filled(store) -> Store:
    """Tickets t1 to t9 of two tenants, a day apart."""

    def work(tx) -> None:
        for tenant in (A, B):
            for number in range(1, 10):
                at = T0 + timedelta(days=number)
                tx.tickets.add(Ticket(f"t{number}", RawMessage("s", "b"), at, tenant))

    store.write(work)
    return store


def add(
    store: Store, ticket: str, model: str = ONE, tenant: str = A, value: float = 0.0, keep: int = 99
) -> int:
    vector = Vector(tenant, model, ticket, data(value))
    return store.write(lambda tx: tx.vectors.add(vector, keep))


def held(store: Store, model: str = ONE, tenant: str = A, after: int = 0) -> list[tuple[int, str]]:
    found = store.read(lambda tx: tx.vectors.after(tenant, model, after))
    assert [one.sequence for one in found] == [
        n for n in store.read(lambda tx: tx.vectors.sequences(tenant, model)) if n > after
    ]
    return [(one.sequence, one.ticket_id) for one in found]


def state(store: Store, model: str = ONE, tenant: str = A) -> SpaceState:
    return store.read(lambda tx: tx.vectors.state(tenant, model))


def test_vectors_are_numbered_by_tenant_and_model(filled) -> None:
    assert (state(filled), held(filled)) == (SpaceState(0, 0), [])
    assert [add(filled, name) for name in ("t1", "t2", "t3")] == [1, 2, 3]
    assert (add(filled, "t1", TWO, value=1.0), add(filled, "t1", tenant=B, value=2.0)) == (1, 1)
    assert held(filled) == [(1, "t1"), (2, "t2"), (3, "t3")]
    assert held(filled, after=1) == [(2, "t2"), (3, "t3")]
    assert (held(filled, TWO), held(filled, tenant=B), held(filled, TWO, B)) == ([(1, "t1")], [(1, "t1")], [])
    assert (state(filled), state(filled, tenant=B)) == (SpaceState(3, 0), SpaceState(1, 0))
    assert filled.read(lambda tx: tx.vectors.spaces()) == [(A, ONE, 3), (A, TWO, 1), (B, ONE, 1)]
    one = filled.read(lambda tx: tx.vectors.after(A, ONE, limit=1))
    assert one == [Vector(A, ONE, "t1", data(0.0), 1)]
    spaces = ((A, ONE), (A, TWO), (B, ONE), (B, TWO))
    found = [filled.read(lambda tx, s=space: tx.vectors.of(*s, "t1")) for space in spaces]
    assert found == [data(0.0), data(1.0), data(2.0), None]


def test_a_ticket_has_one_vector_in_a_space(filled) -> None:
    add(filled, "t1")
    add(filled, "t2")
    assert add(filled, "t1", value=3.0) == 3
    assert held(filled) == [(2, "t2"), (3, "t1")]
    assert filled.read(lambda tx: tx.vectors.of(A, ONE, "t1")) == data(3.0)


def test_the_newest_are_kept(filled) -> None:
    for number in range(1, 7):
        add(filled, f"t{number}", keep=3)
    add(filled, "t1", TWO, keep=3)
    assert held(filled) == [(4, "t4"), (5, "t5"), (6, "t6")]
    assert held(filled, TWO) == [(1, "t1")]
    assert filled.read(lambda tx: tx.vectors.of(A, ONE, "t1")) is None
    add(filled, "t7", keep=1)
    assert held(filled) == [(7, "t7")]


def test_what_a_failed_transaction_did_is_undone(filled) -> None:
    add(filled, "t1")

    def work(tx) -> None:
        tx.vectors.add(Vector(A, ONE, "t1", data(1.0)), 9)
        tx.vectors.add(Vector(A, ONE, "t2", data(1.0)), 1)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        filled.write(work)
    assert (held(filled), state(filled)) == ([(1, "t1")], SpaceState(1, 0))
    assert filled.read(lambda tx: tx.vectors.of(A, ONE, "t1")) == data(0.0)
    assert add(filled, "t2") == 2


def test_a_ticket_that_is_taken_out_of_a_space_is_not_found_there_and_searchers_are_told(filled) -> None:
    for name in ("t1", "t2"):
        add(filled, name)
    add(filled, "t1", TWO)
    add(filled, "t1", tenant=B)
    assert filled.read(lambda tx: (tx.vectors.holding(A, "t1"), tx.vectors.holding(A, "t9"))) == (
        [ONE, TWO],
        [],
    )
    before = state(filled).erasures
    assert filled.write(lambda tx: tx.vectors.remove(A, ONE, "t1")) is True
    assert (held(filled), state(filled)) == ([(2, "t2")], SpaceState(2, before + 1))
    assert (held(filled, TWO), held(filled, tenant=B)) == ([(1, "t1")], [(1, "t1")])
    assert state(filled, tenant=B).erasures == 0
    assert filled.write(lambda tx: tx.vectors.remove(A, ONE, "t1")) is False
    assert filled.write(lambda tx: tx.vectors.remove(A, ONE, "nobody")) is False
    assert state(filled).erasures == before + 1
    assert add(filled, "t1", value=2.0) == 3


def test_erased_and_expired_tickets_leave_no_vector(backend, filled) -> None:
    if not backend.durable:
        pytest.skip("the store in memory erases nothing")
    from tamiz.store.upkeep import erase, retain

    for model, tenant in ((ONE, A), (TWO, A), (ONE, B)):
        for number in range(1, 6):
            add(filled, f"t{number}", model, tenant)
    assert erase(filled, [(A, "t2"), (A, "nobody"), (B, "t1")]).tickets == 2
    assert [name for _, name in held(filled)] == ["t1", "t3", "t4", "t5"]
    assert [name for _, name in held(filled, TWO)] == ["t1", "t3", "t4", "t5"]
    assert [name for _, name in held(filled, tenant=B)] == ["t2", "t3", "t4", "t5"]
    told = state(filled).erasures
    assert told > 0
    assert retain(filled, A, T0 + timedelta(days=4)).tickets == 2
    assert [name for _, name in held(filled)] == ["t4", "t5"]
    assert (state(filled).erasures > told, state(filled).sequence) == (True, 5)
    assert filled.read(lambda tx: tx.vectors.spaces()) == [(A, ONE, 5), (A, TWO, 5), (B, ONE, 5)]
    assert add(filled, "t4", value=1.0) == 6


def test_the_files_hold_no_vector_of_an_erased_ticket(backend, filled, tmp_path) -> None:
    folder = tmp_path / "data"
    if not folder.is_dir():
        pytest.skip("only SQLite keeps files of its own")
    from tamiz.store.upkeep import erase

    telling = packed([float(number) for number in range(500, 900)])
    filled.write(lambda tx: tx.vectors.add(Vector(A, ONE, "t3", telling), 9))

    def found() -> bool:
        return any(telling[:100] in path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert found()
    assert erase(filled, [(A, "t3")]).scrubbed
    assert not found()


def test_equal_texts_are_found_by_their_digest_newest_first(filled) -> None:
    one, other = digest("The  VPN\n drops"), digest("the VPN drops")
    assert one == digest("The VPN drops ") != other

    def work(tx) -> None:
        for number, told in enumerate((one, other, one, ""), 1):
            tx.vectors.add(Vector(A, ONE, f"t{number}", data(number), digest=told), 99)

    filled.write(work)
    found = filled.read(lambda tx: tx.vectors.equal(A, ONE, one))
    assert found == [Vector(A, ONE, "t3", data(3), 3, one), Vector(A, ONE, "t1", data(1), 1, one)]
    assert filled.read(lambda tx: tx.vectors.equal(A, ONE, one, 1)) == found[:1]
    filled.write(lambda tx: tx.vectors.mark(A, ONE, "t1", other))
    filled.write(lambda tx: tx.vectors.mark(A, ONE, "t9", other))
    marked = [filled.read(lambda tx, key=key: tx.vectors.equal(A, ONE, key)) for key in (one, other)]
    assert [[row.ticket_id for row in rows] for rows in marked] == [["t3"], ["t2", "t1"]]
    for tenant, model, told in ((B, ONE, one), (A, TWO, one), (A, ONE, ""), (A, ONE, digest("x"))):
        assert filled.read(lambda tx, key=(tenant, model, told): tx.vectors.equal(*key)) == []


def test_what_is_taken_out_is_noticed(filled) -> None:
    add(filled, "t1")
    add(filled, "t2")
    assert filled.write(lambda tx: tx.vectors.remove(A, ONE, "t1"))
    assert not filled.write(lambda tx: tx.vectors.remove(A, ONE, "t1"))
    assert (held(filled), state(filled)) == ([(2, "t2")], SpaceState(2, 1))
    assert add(filled, "t1") == 3


def test_a_vector_may_stand_in_a_second_space(filled) -> None:
    filled.write(lambda tx: tx.vectors.add(Vector(A, ONE, "t1", data(7), digest="d"), 99))
    assert filled.write(lambda tx: tx.vectors.copy(A, ONE, "t1", TWO, 99))
    assert not filled.write(lambda tx: tx.vectors.copy(A, ONE, "t2", TWO, 99))
    assert filled.read(lambda tx: tx.vectors.after(A, TWO)) == [Vector(A, TWO, "t1", data(7), 1, "d")]
    assert filled.write(lambda tx: tx.vectors.copy(A, ONE, "t1", TWO, 99))
    assert held(filled, TWO) == [(2, "t1")]
    filled.write(lambda tx: tx.vectors.remove(A, TWO, "t1"))
    assert (held(filled), held(filled, TWO)) == ([(1, "t1")], [])
