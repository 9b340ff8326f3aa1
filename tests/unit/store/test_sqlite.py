"""The embedded store on a disk that fails and in processes that die."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from concurrent.futures import wait
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
pytest.importorskip("alembic", reason="the SQLite store needs Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from tamiz.domain.errors import StoreLockedError, StoreUnavailableError, StoreVersionError
from tamiz.domain.records import TicketQuery
from tamiz.store.backup import check
from tamiz.store.lock import LOCK_FILE, holder
from tamiz.store.sqlite import DATABASE, SqliteStore

WRITE_AND_TELL = """
from threading import Lock, Thread

store, first, tell = SqliteStore(folder), int(os.environ["FIRST"]), Lock()

def write(lane):
    for number in range(10_000):
        name = f"{first}-{lane}-{number}"
        store.write(lambda tx: tx.tickets.add(Ticket(name, RawMessage("s", "b" * 2000), T0)))
        with tell:
            print(name, flush=True)

for lane in range(8):
    Thread(target=write, args=(lane,)).start()
"""


def add(store, *tickets) -> None:
    store.write(lambda tx: [tx.tickets.add(one) for one in tickets])


def names(store, tenant: str = "acme") -> set[str]:
    found = store.read(lambda tx: tx.tickets.page(tenant, TicketQuery(limit=1_000_000)))
    return {one.id for one in found}


def test_no_acknowledged_ticket_is_lost_by_a_kill(tmp_path, child, monkeypatch) -> None:
    told: set[str] = set()
    for turn in range(4):
        monkeypatch.setenv("FIRST", str(turn))
        process = child(WRITE_AND_TELL, tmp_path)
        told |= {line.strip() for line in islice(process.stdout, 50 + 150 * turn)}
        process.send_signal(signal.SIGKILL)
        told |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
    with closing(SqliteStore(tmp_path)) as store:
        assert len(told) > 4 * 50
        assert told <= names(store, "default")
    assert check(tmp_path / DATABASE) == []


def test_a_folder_has_one_store_at_a_time(tmp_path, child) -> None:
    process = child("store = SqliteStore(folder); print('open', flush=True); signal.pause()", tmp_path)
    assert process.stdout.readline() == "open\n"
    with pytest.raises(StoreLockedError, match=f"id {process.pid}"):
        SqliteStore(tmp_path)
    process.kill()
    process.wait()
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreLockedError, match=f"id {os.getpid()}"):
        SqliteStore(tmp_path)
    store.lock.tell({"address": "http://127.0.0.1:8080"})
    assert holder(tmp_path) == {"pid": str(os.getpid()), "address": "http://127.0.0.1:8080"}
    store.close()
    assert holder(tmp_path) == {}
    SqliteStore(tmp_path).close()


def test_only_the_owner_can_read_the_files(store, ticket) -> None:
    add(store, ticket(1))
    names(store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    assert modes == dict.fromkeys((LOCK_FILE, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"), 0o600)
    assert store.path.parent.stat().st_mode & 0o777 == 0o700


@contextmanager
def no_file_grows_beyond(size: int):
    """Writing behind that size fails, as on a disk that is full or broken."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@contextmanager
def pages_run_out(store):
    store.change(lambda tx: tx.sql.run("PRAGMA max_page_count = 60"))
    yield


def test_what_a_broken_disk_refused_is_told_and_later_accepted(store, ticket) -> None:
    add(store, ticket(0))
    with no_file_grows_beyond(400_000):
        _fill_and_check(store, ticket)
    _heals(store, ticket)


def test_what_a_full_database_refused_is_told_and_later_accepted(store, ticket) -> None:
    add(store, ticket(0))
    with pages_run_out(store):
        _fill_and_check(store, ticket)
    _heals(store, ticket)


def test_what_a_full_disk_refused_is_told_and_later_accepted(tmp_path, ticket) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 1_000_000)
        with closing(SqliteStore(disk / "data")) as store:
            add(store, ticket(0))
            _fill_and_check(store, ticket)
            ballast.unlink()
            _heals(store, ticket)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill_and_check(store, ticket) -> None:
    """Far more than there is room for: each ticket is either there or refused."""
    futures = {}
    for number in range(1, 201):
        one = ticket(number, "x" * 8_000)
        futures[one.id] = store.submit(lambda tx, one=one: tx.tickets.add(one))
        if number % 10 == 0:
            wait(futures.values())
    refused = {name for name, future in futures.items() if future.exception() is not None}
    assert 0 < len(refused) < 200
    assert {type(futures[name].exception()) for name in refused} == {StoreUnavailableError}
    assert names(store) == futures.keys() - refused | {"t000000"}


def _heals(store, ticket) -> None:
    before = names(store)
    add(store, *(ticket(number, "x" * 8_000) for number in range(1000, 1050)))
    assert len(names(store)) == len(before) + 50
    assert check(store.path) == []


def test_a_migration_killed_midway_changes_nothing(tmp_path, child) -> None:
    process = child(
        """
from sqlalchemy import Engine, event

@event.listens_for(Engine, "before_cursor_execute")
def stop(connection, cursor, statement, *rest):
    if "CREATE TABLE jobs" in statement:
        print("killed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

SqliteStore(folder)
""",
        tmp_path,
    )
    assert process.stdout.read() == "killed\n"
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    with closing(SqliteStore(tmp_path)) as store:
        assert names(store) == set()


def test_a_database_of_a_newer_version_is_refused(tmp_path) -> None:
    SqliteStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError, match="schema 9999"):
        SqliteStore(tmp_path)
    assert holder(tmp_path) == {}


@pytest.mark.parametrize("spoiled", ["garbage", "folder missing its rights"])
def test_what_cannot_be_opened_is_unavailable(tmp_path, spoiled) -> None:
    folder = tmp_path / "data"
    if spoiled == "garbage":
        folder.mkdir()
        (folder / DATABASE).write_bytes(b"not a database " * 1000)
    else:
        folder.write_text("a file where the folder should be")
    with pytest.raises(StoreUnavailableError):
        SqliteStore(folder)


def test_readers_cannot_write_or_checkpoint(store, ticket) -> None:
    add(store, ticket(1))
    with store._reading.connect() as connection:
        reader = connection.connection.driver_connection
        assert reader.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        for statement in ("DELETE FROM tickets", "PRAGMA wal_checkpoint(TRUNCATE)", "CREATE TABLE t (a)"):
            before = Path(f"{store.path}-wal").stat().st_size
            with pytest.raises(sqlite3.OperationalError):
                reader.execute(statement).fetchall()
            assert Path(f"{store.path}-wal").stat().st_size == before > 0


def test_the_writer_keeps_every_promise_of_durability(store) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for name, value in wanted.items():
        assert store.change(lambda tx, name=name: tx.sql.one(f"PRAGMA {name}")) == (value,)


def test_the_log_does_not_grow_without_end(store, ticket) -> None:
    for start in range(0, 400, 20):
        add(store, *(ticket(number, "x" * 60_000) for number in range(start, start + 20)))
    assert Path(f"{store.path}-wal").stat().st_size < 12 << 20
    assert store.scrub()
    assert Path(f"{store.path}-wal").stat().st_size == 0


def test_a_cancelled_closure_does_not_run(store, ticket) -> None:
    from threading import Event

    gate = Event()
    held = store.submit(lambda tx: gate.wait(10))
    waiting = [store.submit(lambda tx, n=n: tx.tickets.add(ticket(n))) for n in range(20)]
    cancelled = {n for n, future in enumerate(waiting) if n % 2 and future.cancel()}
    gate.set()
    assert held.result()
    store.write(lambda tx: None)
    assert names(store) == {ticket(n).id for n in range(20) if n not in cancelled}


def test_a_lock_file_from_elsewhere_is_read_by_its_owner_alone(tmp_path) -> None:
    (tmp_path / LOCK_FILE).write_text("{}")
    (tmp_path / LOCK_FILE).chmod(0o644)
    with closing(SqliteStore(tmp_path)):
        assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o600
