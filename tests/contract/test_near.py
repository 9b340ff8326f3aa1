"""pgvector beside what every memory promises: graphs of large spaces, and servers that cannot be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from random import Random

import pytest

psycopg = pytest.importorskip("psycopg", reason="the store on PostgreSQL needs psycopg")
pytest.importorskip("sqlalchemy", reason="the store on PostgreSQL needs SQLAlchemy")
pytest.importorskip("cryptography", reason="the store on PostgreSQL needs cryptography")

from tamiz.domain.errors import ConfigError
from tamiz.domain.records import Vector
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.vectors import packed
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.store.near import PgvectorMemory
from tamiz.store.postgres import PostgresStore
from tamiz.store.upkeep import erase

T0 = datetime(2025, 6, 1, tzinfo=UTC)
WIDTH = 32


def add(store, names, seed: int, tenant: str = "a") -> None:
    random = Random(seed)
    centres = [[random.gauss(0, 1) for _ in range(WIDTH)] for _ in range(10)]

    def work(tx) -> None:
        for name in names:
            tx.tickets.add(Ticket(name, RawMessage("s", "b"), T0, tenant))
            data = packed([x + random.gauss(0, 0.5) for x in random.choice(centres)])
            tx.vectors.add(Vector(tenant, "m", name, data), 10_000)

    store.write(work)


def found(memory, vector: bytes, tenant: str = "a") -> list[str]:
    return [match.ticket_id for match in memory.search(tenant, "m", vector, 10).matches]


def test_a_large_space_has_a_graph_that_finds_nearly_all(pgvector_database) -> None:
    with closing(PostgresStore(pgvector_database)) as store:
        add(store, [f"t{n}" for n in range(600)], 0)
        add(store, [f"u{n}" for n in range(20)], 0, "b")
        memory, right = PgvectorMemory(store, 10_000, exact=500), Spaces(store, 10_000, ExactIndex)
        asked = [store.read(lambda tx, n=n: tx.vectors.of("a", "m", f"t{n}")) for n in range(0, 600, 20)]
        hits = sum(len(set(found(memory, one)) & set(found(right, one))) for one in asked)
        assert hits >= 0.98 * 10 * len(asked)
        assert {name[0] for name in found(memory, asked[0], "b")} == {"u"}
        erase(store, [("a", name) for name in found(memory, asked[0])])
        again = found(memory, asked[0])
        assert len(again) == 10
        assert len(set(again) & set(found(right, asked[0]))) >= 9
        with psycopg.connect(pgvector_database) as connection:
            graphs = "SELECT count(*) FROM pg_class WHERE relname LIKE 'near_graph_%'"
            assert connection.execute(graphs).fetchone() == (1,)
            assert connection.execute("SELECT count(*) FROM near_vectors").fetchone() == (610,)


def test_many_ask_while_tickets_come(pgvector_database) -> None:
    with closing(PostgresStore(pgvector_database)) as store:
        memories = [PgvectorMemory(store, 10_000) for _ in range(3)]
        asked = packed([1.0] * WIDTH)

        def work(number: int) -> int:
            add(store, [f"t{number}"], number)
            return memories[number % 3].search("a", "m", asked, 5).searched

        with ThreadPoolExecutor(6) as pool:
            counts = list(pool.map(work, range(60)))
        assert max(counts) == 60
        assert min(counts) >= 1
        assert memories[0].search("a", "m", asked, 99).searched == 60


def test_a_user_who_may_not_prepare_it_is_told(pgvector_database) -> None:
    with psycopg.connect(pgvector_database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute("CREATE ROLE clerk LOGIN")
        connection.execute("GRANT ALL ON SCHEMA public TO clerk")
    told = pytest.raises(ConfigError, match=r"memory\.index: the database does not let this user")
    with closing(PostgresStore(pgvector_database.replace("tamiz@", "clerk@"))) as store, told:
        PgvectorMemory(store, 100)
    with psycopg.connect(pgvector_database, autocommit=True) as connection:
        connection.execute("DROP OWNED BY clerk")
        connection.execute("DROP ROLE clerk")


def test_a_server_without_it_is_told(empty_database) -> None:
    with closing(PostgresStore(empty_database)) as store:
        if store.read(lambda tx: tx.sql.one("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")):
            pytest.skip("this server has pgvector")
        with pytest.raises(
            ConfigError, match=r"memory\.index: the database server has no extension 'vector'"
        ):
            PgvectorMemory(store, 100)
