"""A store is looked at from another process while its own process writes."""

import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")

from tamiz.domain.errors import StoreError, StoreUnavailableError, StoreVersionError
from tamiz.domain.records import TicketQuery
from tamiz.store.sqlite import SqliteStore
from tamiz.store.sqlite_read import SqliteReader
from tamiz.store.vault import Vault

READS = """
from tamiz.domain.records import TicketQuery
from tamiz.store.sqlite_read import SqliteReader

reader = SqliteReader(folder)
def count():
    return len(reader.read(lambda tx: tx.tickets.page("acme", TicketQuery(limit=100))))
print(count(), flush=True)
"""


def count(reader) -> int:
    return len(reader.read(lambda tx: tx.tickets.page("acme", TicketQuery(limit=100))))


def test_it_sees_what_the_writing_process_commits(store, ticket, tmp_path) -> None:
    reader = SqliteReader(tmp_path / "data")
    assert count(reader) == 0
    store.write(lambda tx: tx.tickets.add(ticket(1)))
    assert count(reader) == 1
    reader.close()
    with pytest.raises(StoreUnavailableError):
        count(reader)


def test_another_process_reads_beside_the_writer(store, ticket, child, tmp_path) -> None:
    store.write(lambda tx: tx.tickets.add(ticket(1)))
    process = child(READS, tmp_path / "data")
    assert process.stdout is not None
    assert int(process.stdout.readline()) == 1


def test_it_refuses_to_write_and_leaves_the_log_to_the_writer(store, ticket, tmp_path) -> None:
    store.write(lambda tx: tx.tickets.add(ticket(1)))
    log = tmp_path / "data" / "tamiz.sqlite-wal"
    size = log.stat().st_size
    reader = SqliteReader(tmp_path / "data")
    with pytest.raises(StoreError, match="has written"):
        reader.read(lambda tx: tx.tickets.add(ticket(2)))
    reader.close()
    assert log.stat().st_size == size > 0
    assert store.scrub()
    assert log.stat().st_size == 0


def test_a_look_at_a_folder_that_nobody_has_damages_nothing(store, ticket, tmp_path) -> None:
    store.write(lambda tx: tx.tickets.add(ticket(1)))
    store.close()
    reader = SqliteReader(tmp_path / "data")
    assert count(reader) == 1
    heard: list[object] = []
    again = SqliteStore(tmp_path / "data", hook=heard.append)
    try:
        again.write(lambda tx: tx.tickets.add(ticket(2)))
        assert count(reader) == 2
    finally:
        again.close()
        reader.close()
    assert [one for one in heard if type(one).__name__ == "LogDamaged"] == []


def test_it_says_what_it_cannot_read(store, tmp_path) -> None:
    with pytest.raises(StoreUnavailableError, match="there is none"):
        SqliteReader(tmp_path / "nowhere")
    store.close()
    with sqlite3.connect(tmp_path / "data" / "tamiz.sqlite") as file:
        file.execute("UPDATE alembic_version SET version_num = '0001'")
    file.close()
    with pytest.raises(StoreVersionError, match="0001"):
        SqliteReader(Path(tmp_path / "data"), Vault())
