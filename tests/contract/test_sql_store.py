"""What both SQL engines promise beyond the Store port: migrations, the vault, and forgetting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("sqlalchemy", reason="the SQL stores need SQLAlchemy")
pytest.importorskip("alembic", reason="the SQL stores need Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect

from tamiz.domain.chain import verify
from tamiz.domain.errors import StoreError, StoreUnavailableError, StoreVersionError
from tamiz.domain.records import AuditEntry, Correction, Job, QueueState, Revision, TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Receipt, Triage
from tamiz.store.schema import HEAD, bring_up, migrate, version
from tamiz.store.tables import METADATA
from tamiz.store.upkeep import erase, retain
from tamiz.store.vault import Vault

T0 = datetime(2025, 6, 1, tzinfo=UTC)
OLD, NEW = Vault(b"o" * 32), Vault(b"n" * 32)
A, B = "acme", "bolt"


@dataclass(frozen=True)
class Backend:
    """Opens the same database again and again, with one vault or another, or bare."""

    open: Callable[[Vault], object]
    engine: Callable[[], Engine]


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request, tmp_path) -> Backend:
    if request.param == "sqlite":
        from tamiz.store.sqlite import DATABASE, SqliteStore

        address = f"sqlite:///{tmp_path / DATABASE}"
        return Backend(lambda vault: SqliteStore(tmp_path, vault), lambda: create_engine(address))
    pytest.importorskip("psycopg", reason="the PostgreSQL store needs psycopg")
    from tamiz.store.postgres import PostgresStore

    address = request.getfixturevalue("new_database")()
    driver = address.replace("postgresql://", "postgresql+psycopg://")
    return Backend(lambda vault: PostgresStore(address, vault), lambda: create_engine(driver))


@pytest.fixture
def engine(backend) -> Iterator[Engine]:
    made = backend.engine()
    yield made
    made.dispose()


def ticket(number: int, tenant: str = A, body: str = "body") -> Ticket:
    return Ticket(f"t{number:05}", RawMessage("s", body), T0 + timedelta(days=number), tenant)


def add(store, *tickets: Ticket) -> None:
    store.write(lambda tx: [tx.tickets.add(one) for one in tickets])


def names(store, tenant: str = A) -> list[str]:
    return [one.id for one in store.read(lambda tx: tx.tickets.page(tenant, TicketQuery(limit=999)))]


# Migrations


def test_the_migrations_make_the_tables_that_the_code_states(engine) -> None:
    with engine.connect() as connection:
        bring_up(connection, "here")
        assert version(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        found = inspect(connection)
        for table in METADATA.sorted_tables:
            assert {one["name"] for one in found.get_indexes(table.name)} >= {i.name for i in table.indexes}
            assert found.get_pk_constraint(table.name)["constrained_columns"][0] == "tenant"
        for table in METADATA.sorted_tables:
            unique = [index for index in table.indexes if index.unique]
            assert {next(iter(index.columns)).name for index in unique} <= {"tenant"}


def test_the_tables_go_down_and_up_again(engine) -> None:
    with engine.connect() as connection:
        for _ in range(2):
            bring_up(connection, "here")
            with connection.begin():
                assert {table.name for table in METADATA.sorted_tables} <= set(
                    inspect(connection).get_table_names()
                )
                migrate(connection, "base")
            with connection.begin():
                assert inspect(connection).get_table_names() == ["alembic_version"]


def test_one_step_down_and_up_keeps_the_rest(backend, engine) -> None:
    with closing(backend.open(Vault())) as store:
        add(store, ticket(1))
    steps = (
        ("0005", [True, True, True, False]),
        ("0004", [True, True, False, False]),
        ("0003", [True, False, False, False]),
        ("0002", [False, False, False, False]),
        (HEAD, [True, True, True, True]),
    )
    for revision, there in steps:
        with engine.begin() as connection:
            migrate(connection, revision)
        with engine.connect() as connection:
            found = inspect(connection)
            assert version(connection) == revision
            assert [found.has_table(name) for name in ("models", "vectors", "reuses", "holds")] == there
    with closing(backend.open(Vault())) as store:
        assert names(store) == ["t00001"]


def test_the_step_down_lets_no_revoked_word_count_again(backend, engine) -> None:
    with closing(backend.open(Vault())) as store:
        add(store, ticket(1))
        words = [Correction(A, "t00001", "f", value, None, "ana", T0) for value in ("right", "wrong")]
        store.write(lambda tx: [tx.tickets.correct(one) for one in words])
        store.write(lambda tx: tx.words.revoke(A, "t00001", [2], Status.PENDING, "root", T0))
    for revision in ("0005", HEAD):
        with engine.begin() as connection:
            migrate(connection, revision)
    with closing(backend.open(Vault())) as store:
        assert store.read(lambda tx: tx.tickets.corrected(A, "t00001")) == {"f": "right"}
        again = store.write(lambda tx: tx.tickets.correct(words[1]))
        assert again.sequence == 3


def test_a_newer_database_is_left_alone(backend, engine) -> None:
    with closing(backend.open(Vault())) as store:
        add(store, ticket(1))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError) as caught:
        backend.open(Vault())
    assert "9999" in str(caught.value)
    assert "secret" not in caught.value.one_line()


# The vault


def raw_column(engine: Engine) -> bytes:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT raw FROM tickets ORDER BY id").all()
    return b"".join(bytes(row[0]) for row in rows)


def bodies(store, tenant: str = A) -> list[str]:
    wanted = [(tenant, name) for name in sorted(names(store, tenant))]
    return [one.message.body for one in store.read(lambda tx: tx.tickets.raw(wanted))]


def test_raw_text_is_sealed_where_there_is_a_key(backend, engine) -> None:
    with closing(backend.open(OLD)) as store:
        add(store, ticket(1, body="canary one"), ticket(2, body="canary one"), ticket(1, B, "canary one"))
        assert bodies(store) == ["canary one"] * 2
    assert b"canary" not in raw_column(engine)


def test_text_from_before_the_key_stays_readable(backend, engine) -> None:
    with closing(backend.open(Vault())) as store:
        add(store, ticket(1, body="open"))
    assert b"open" in raw_column(engine)
    with closing(backend.open(OLD)) as store:
        add(store, ticket(2, body="sealed"))
        assert bodies(store) == ["open", "sealed"]


def test_keys_are_rotated_and_old_rows_stay_readable(backend, engine) -> None:
    with closing(backend.open(OLD)) as store:
        add(store, ticket(1, body="one"), ticket(1, B, "other"))
        store.change(lambda tx: tx.vault.rotate(tx.sql, A))
        add(store, ticket(2, body="two"))
        before = raw_column(engine)
        assert store.change(lambda tx: tx.vault.rewrap(tx.sql, NEW)) == 3
        with pytest.raises(StoreError):
            bodies(store)
    for wrong in (OLD, Vault()):
        with pytest.raises(StoreError, match="another vault key"):
            backend.open(wrong)
    with closing(backend.open(NEW)) as store:
        assert (bodies(store), bodies(store, B)) == (["one", "two"], ["other"])
    assert raw_column(engine) == before
    with engine.connect() as connection:
        used = connection.exec_driver_sql("SELECT DISTINCT key_id FROM tickets").all()
    assert len(used) == 3


def test_without_its_data_keys_a_tenants_raw_text_is_gone(backend) -> None:
    with closing(backend.open(OLD)) as store:
        add(store, ticket(1, body="one"), ticket(1, B, "other"))
        assert store.change(lambda tx: tx.vault.drop(tx.sql, A)) == 1
        assert (bodies(store), bodies(store, B)) == ([], ["other"])
        add(store, ticket(2, body="two"))
        assert bodies(store) == ["two"]


@pytest.mark.parametrize("change", ["moved to another ticket", "a bit flipped"])
def test_sealed_text_that_was_touched_is_refused(backend, engine, change) -> None:
    with closing(backend.open(OLD)) as store:
        add(store, ticket(1, body="one"), ticket(2, body="two"))
        if change == "a bit flipped":
            value = raw_column(engine)[:40]
            store.change(lambda tx: tx.sql.run("UPDATE tickets SET raw = :raw", raw=value))
        else:
            store.change(
                lambda tx: tx.sql.run(
                    "UPDATE tickets SET raw = (SELECT raw FROM tickets WHERE id = 't00001') WHERE id = 't00002'"
                )
            )
        with pytest.raises(StoreError, match="damaged"):
            store.read(lambda tx: tx.tickets.raw([(A, "t00002")]))


# Forgetting


def _with_everything(store, *tickets: Ticket) -> None:
    """Tickets with a job, a triage, a correction and an audit entry each."""

    def work(tx) -> None:
        for one in tickets:
            tx.tickets.add(one, f"key {one.id}", "digest")
            tx.jobs.add(Job(f"j{one.id}", one.tenant, "triage", one.id, T0))
            triage = Triage(one.id, "canary", "subject", {}, "en", Receipt("m", "h", "c", "1"))
            text = CanonicalText("canary", "canary", "canary")
            tx.tickets.save(Revision(one.tenant, one.id, 1, T0, triage), Status.BY_AI, text)
            tx.tickets.correct(Correction(one.tenant, one.id, "category", "x", "y", "ana", T0, "canary"))
            tx.audit.add(AuditEntry(one.tenant, T0, "ana", "ticket.submitted", one.id))

    store.write(work)


def test_an_erased_ticket_is_gone_with_all_that_hung_on_it(backend, engine) -> None:
    with closing(backend.open(OLD)) as store:
        _with_everything(store, ticket(1), ticket(2), ticket(1, B))
        done = AuditEntry(A, T0, "ana", "ticket.erased", "t00001")
        found = erase(store, [(A, "t00001"), (A, "nobody"), (B, "t00002")], [done])
        assert (found.tickets, found.scrubbed) == (1, True)
        assert (names(store), names(store, B)) == (["t00002"], ["t00001"])
        assert store.read(lambda tx: tx.tickets.by_key(A, "key t00001")) is None
        assert [one.sequence for one in store.read(lambda tx: tx.tickets.corrections(A))] == [2]
        assert store.read(lambda tx: tx.jobs.states()) == [QueueState("triage", 2, 0, 0, T0)]
        entries = store.read(lambda tx: tx.audit.after(A))
        assert [one.subject for one in entries] == ["t00001", "t00002", "t00001"]
        assert verify(entries) is None
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM triages").scalar()
    assert count == 2


def test_an_erased_correction_gives_its_number_to_no_other(backend) -> None:
    with closing(backend.open(OLD)) as store:
        _with_everything(store, ticket(1), ticket(2))
        erase(store, [(A, "t00002")])
        again = store.write(lambda tx: tx.tickets.correct(Correction(A, "t00001", "f", "v", None, "ana", T0)))
        assert again.sequence == 3


def test_tickets_past_their_time_are_deleted(backend) -> None:
    with closing(backend.open(OLD)) as store:
        _with_everything(store, *(ticket(number) for number in range(0, 450, 50)), ticket(0, B))
        add(store, *(ticket(number) for number in range(1, 10)))
        assert retain(store, A, T0 + timedelta(days=400)).tickets == 17
        assert (names(store), names(store, B)) == (["t00400"], ["t00000"])
        assert retain(store, A, T0 + timedelta(days=400)).tickets == 0


# PostgreSQL


@pytest.fixture
def server(empty_database: str) -> Iterator:
    from tamiz.store.postgres import PostgresStore

    with closing(PostgresStore(empty_database)) as store:
        yield store


def test_closures_that_block_each_other_both_succeed(server) -> None:
    add(server, ticket(1), ticket(2))
    meeting = threading.Barrier(2, timeout=10)
    tries: list[str] = []

    def crossing(first: str, then: str) -> Callable:
        def work(tx) -> None:
            tries.append(first)
            tx.tickets.move(A, first, Status.FAILED if tries.count(first) else Status.PENDING, T0)
            if len(tries) <= 2:
                meeting.wait()
            tx.tickets.get(A, then)

        return work

    futures = [server.submit(crossing(*pair)) for pair in (("t00001", "t00002"), ("t00002", "t00001"))]
    assert [future.result(timeout=30) for future in futures] == [None, None]
    assert len(tries) >= 3
    assert [one.version for one in server.read(lambda tx: tx.tickets.page(A, TicketQuery()))] == [2, 2]


def test_a_lost_connection_is_told_and_the_next_one_works(server) -> None:
    def dies(tx) -> None:
        tx.tickets.add(ticket(1))
        tx.sql.one("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StoreUnavailableError):
        server.change(dies)
    add(server, ticket(2))
    assert names(server) == ["t00002"]


def test_a_server_that_is_away_is_unavailable(postgres_server) -> None:
    from tamiz.store.postgres import PostgresStore

    with pytest.raises(StoreUnavailableError):
        PostgresStore("postgresql://tamiz:secret@127.0.0.1:1/tamiz")
    with pytest.raises(StoreUnavailableError):
        PostgresStore(postgres_server + "nowhere")
