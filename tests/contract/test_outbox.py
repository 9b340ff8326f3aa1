"""What every Store promises of its outbox, over each of its back ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tamiz.domain.errors import ConflictError, DuplicateError, UnknownTicketError
from tamiz.domain.outbox import Cause, Effect, EffectState, Pause
from tamiz.domain.storage import Store
from tamiz.domain.ticket import RawMessage, Source, Ticket

T0 = datetime(2025, 3, 30, 0, 59, 59, 999_999, tzinfo=UTC)
SECOND = timedelta(seconds=1)
A, B = "acme", "bolt"
MODEL = Cause("model", "writer", 3)
VALUES = {"category": "Hardware", "subcategory": None, "motivo": "categoría"}


def effect(name: str = "triage:1", ticket_id: str = "t1", tenant: str = A, **more: object) -> Effect:
    plan = Effect(tenant, ticket_id, name, "jira", "IT-1", VALUES, MODEL, T0, T0 + SECOND, T0)
    return replace(plan, **more)


def intended(planned: Effect) -> Effect:
    return replace(
        planned,
        state=EffectState.INTENT,
        attempts=1,
        expected="7",
        before={"category": None},
        leaves="digest",
        due=T0 + 60 * SECOND,
        changed_at=T0 + 2 * SECOND,
    )


@pytest.fixture
def shelf(store: Store) -> Store:
    """Two tickets of one tenant, and another tenant's with the id of the first."""
    for name, tenant in (("t1", A), ("t2", A), ("t1", B)):
        one = Ticket(name, RawMessage("", ""), T0, tenant, Source("jira", f"IT-{name}"))
        store.write(lambda tx, one=one: tx.tickets.add(one))
    return store


def of(store: Store, ticket_id: str = "t1", tenant: str = A) -> list[Effect]:
    return store.read(lambda tx: tx.outbox.of_ticket(tenant, ticket_id))


def add(store: Store, *effects: Effect) -> list[Effect]:
    return store.write(lambda tx: [tx.outbox.add(one) for one in effects])


def test_an_effect_comes_back_as_it_was_planned_and_as_it_went_on(shelf) -> None:
    [planned] = add(shelf, effect(note="ñ ☎"))
    assert planned == effect(note="ñ ☎", number=1)
    assert of(shelf) == [planned]
    for state in (intended(planned), replace(intended(planned), state=EffectState.PARKED, reason="why")):
        shelf.write(lambda tx, state=state: tx.outbox.put(state))
        assert of(shelf) == [state]
        assert shelf.read(lambda tx, state=state: tx.outbox.page(A, state.state)) == [state]


def test_what_was_planned_never_changes(shelf) -> None:
    [planned] = add(shelf, effect())
    other = replace(
        planned, values={"x": "y"}, cause=Cause(by="ana"), at=T0 + SECOND, desk="zoho", attempts=9
    )
    shelf.write(lambda tx: tx.outbox.put(other))
    assert of(shelf) == [replace(planned, attempts=9)]


def test_effects_are_unique_per_ticket_and_numbered_per_tenant_without_gaps(shelf) -> None:
    add(shelf, effect())

    def work(tx) -> None:
        with pytest.raises(DuplicateError):
            tx.outbox.add(effect())
        tx.outbox.add(effect("triage:2"))  # the transaction can go on

    shelf.write(work)
    add(shelf, effect(ticket_id="t2"), effect(tenant=B))
    assert [(one.name, one.number) for one in of(shelf)] == [("triage:1", 1), ("triage:2", 2)]
    assert [one.number for one in of(shelf, "t2") + of(shelf, "t1", B)] == [3, 1]
    keys = {one.key for one in (*of(shelf), *of(shelf, "t2"), *of(shelf, "t1", B))}
    assert len(keys) == 4
    assert effect().key in keys


def test_what_failed_is_undone_with_the_rest(shelf) -> None:
    [planned] = add(shelf, effect())

    def work(tx) -> None:
        tx.outbox.put(intended(planned))
        tx.outbox.add(effect("triage:2"))
        tx.outbox.pause(Pause(A, "jira", T0, None))
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        shelf.write(work)
    assert of(shelf) == [planned]
    assert shelf.read(lambda tx: tx.outbox.pauses(A)) == []


def test_effects_of_nothing_are_refused(shelf) -> None:
    with pytest.raises(UnknownTicketError):
        add(shelf, effect(ticket_id="t2", tenant=B))
    with pytest.raises(ConflictError):
        shelf.write(lambda tx: tx.outbox.put(effect()))


def test_pages_are_by_state_moment_and_number(shelf) -> None:
    names = [f"triage:{number}" for number in range(1, 6)]
    rows = add(shelf, *(effect(name) for name in names), effect(tenant=B))

    def work(tx) -> None:
        for row in rows[1:5]:
            moment = T0 + row.number * SECOND
            tx.outbox.put(replace(row, state=EffectState.DONE, changed_at=moment))

    shelf.write(work)

    def page(state=EffectState.DONE, **rest) -> list[int]:
        return [one.number for one in shelf.read(lambda tx: tx.outbox.page(A, state, **rest))]

    assert page() == [2, 3, 4, 5]
    assert page(EffectState.PLANNED) == [1]
    assert page(EffectState.PARKED) == []
    assert page(since=T0 + 4 * SECOND) == [4, 5]
    assert page(after=2, limit=2) == [3, 4]


def test_a_desk_is_paused_once_and_resumed_once(shelf) -> None:
    first, second = Pause(A, "jira", T0, T0 + SECOND, "429"), Pause(A, "jira", T0 + SECOND, None, "401")
    for pause in (first, second, Pause(A, "glpi", T0, None), Pause(B, "jira", T0, None)):
        shelf.write(lambda tx, pause=pause: tx.outbox.pause(pause))
    assert shelf.read(lambda tx: tx.outbox.pauses(A)) == [Pause(A, "glpi", T0, None), second]
    assert shelf.write(lambda tx: tx.outbox.resume(A, "jira"))
    assert not shelf.write(lambda tx: tx.outbox.resume(A, "jira"))
    assert [one.desk for one in shelf.read(lambda tx: tx.outbox.pauses(A))] == ["glpi"]
    assert [one.desk for one in shelf.read(lambda tx: tx.outbox.pauses(B))] == ["jira"]


def test_what_was_committed_outlives_the_process(backend) -> None:
    if not backend.durable:
        pytest.skip("this store keeps nothing")
    store = backend.open()
    store.write(lambda tx: tx.tickets.add(Ticket("t1", RawMessage("", ""), T0, A)))
    [planned] = add(store, effect())
    store.write(lambda tx: tx.outbox.put(intended(planned)))
    store.close()
    again = backend.open()
    assert of(again) == [intended(planned)]
    again.close()


def test_the_outbox_comes_and_goes_and_leaves_the_rest_as_it_was(tmp_path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.schema import HEAD, migrate, version
    from tamiz.store.sqlite import DATABASE, SqliteStore

    store = SqliteStore(tmp_path)
    store.write(lambda tx: tx.tickets.add(Ticket("t1", RawMessage("", ""), T0, A)))
    add(store, effect())
    store.close()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / DATABASE}")
    with engine.begin() as connection:
        migrate(connection, "0001")
        assert version(connection) == "0001"
        assert "outbox" not in sqlalchemy.inspect(connection).get_table_names()
    again = SqliteStore(tmp_path)  # opening it brings the tables up
    assert again.read(lambda tx: tx.tickets.get(A, "t1")) is not None
    assert of(again) == []
    again.close()
    with engine.connect() as connection:
        assert version(connection) == HEAD
    engine.dispose()
