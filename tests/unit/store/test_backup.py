"""Backups under load, restored elsewhere; erased text in the files."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
pytest.importorskip("alembic", reason="the SQLite store needs Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from tamiz.domain.errors import StoreError, StoreUnavailableError
from tamiz.domain.records import Correction, Revision, TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Receipt, Triage
from tamiz.store.backup import backup, check, restore
from tamiz.store.person import erase_person, find
from tamiz.store.sqlite import DATABASE, SqliteStore
from tamiz.store.upkeep import erase
from tamiz.text.mentions import Person


def names(store) -> set[str]:
    found = store.read(lambda tx: tx.tickets.page("acme", TicketQuery(limit=1_000_000)))
    return {one.id for one in found}


def add(store, *tickets) -> None:
    store.write(lambda tx: [tx.tickets.add(one) for one in tickets])


def test_a_backup_under_load_holds_all_that_was_accepted_before(store, ticket, tmp_path) -> None:
    add(store, *(ticket(number, "x" * 20_000) for number in range(1000)))
    told, stop = set(names(store)), Event()

    def write() -> None:
        number = 1000
        while not stop.is_set():
            add(store, ticket(number))
            told.add(ticket(number).id)
            number += 1

    thread = Thread(target=write)
    thread.start()
    before = set(told)
    backup(store.path.parent, tmp_path / "copy.sqlite")
    stop.set()
    thread.join()
    restore(tmp_path / "copy.sqlite", tmp_path / "elsewhere")
    assert check(tmp_path / "elsewhere" / DATABASE) == []
    with closing(SqliteStore(tmp_path / "elsewhere")) as again:
        assert before <= names(again) <= told | {ticket(len(told)).id}
        add(again, ticket(999_999))
    assert names(store) >= told
    assert {path.name for path in tmp_path.iterdir()} == {"data", "copy.sqlite", "elsewhere"}


def test_a_backup_replaces_nothing_and_is_private(store, ticket, tmp_path) -> None:
    target = tmp_path / "copy.sqlite"
    backup(store.path.parent, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match="already"):
        backup(store.path.parent, target)
    with pytest.raises(StoreError, match="already"):
        restore(target, store.path.parent)
    with pytest.raises(StoreUnavailableError):
        backup(store.path.parent, tmp_path / "nowhere" / "copy.sqlite")


def _no_file(path: Path) -> None:
    path.unlink()


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def _torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8192] = b"\xff" * 8192
    path.write_bytes(content)


def _orphan(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO triages VALUES ('acme', 'nobody', 1, 0, '{}', '{}')")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_no_file, _garbage, _torn, _overwritten, _orphan, _empty])
def test_a_damaged_backup_is_not_restored(store, ticket, tmp_path, spoil) -> None:
    add(store, *(ticket(number) for number in range(500)))
    target = tmp_path / "copy.sqlite"
    backup(store.path.parent, target)
    assert check(target) == []
    spoil(target)
    assert check(target) != []
    with pytest.raises(StoreError, match="damaged"):
        restore(target, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere" / DATABASE).exists()


@pytest.mark.parametrize("length", [40, 3_000, 50_000])
def test_erased_text_is_in_no_file(store, ticket, length) -> None:
    """Among many others, so that pages are split and joined, and texts that need pages of their own."""
    numbers = range(400)
    erased = [number for number in numbers if number % 7 == 3]

    def body(number: int) -> str:
        word = f"canary-{number:04}." if number in erased else f"harmless{number:04}"
        return word + "." * length + word

    for start in range(0, 400, 50):
        add(store, *(ticket(number, body(number)) for number in numbers[start : start + 50]))
    for number in numbers:
        store.write(lambda tx, number=number: _treat(tx, ticket(number), body(number)))
    assert b"canary" in _bytes(store)
    assert erase(store, [("acme", ticket(number).id) for number in erased]).scrubbed
    assert b"canary" not in _bytes(store)
    assert b"harmless0001" in _bytes(store)
    assert check(store.path) == []


def test_an_erased_person_is_in_no_file(store) -> None:
    for number in range(60):
        requester = "ana.canary@example.org" if number % 7 == 3 else f"bob{number}@example.org"
        message = RawMessage("VPN", "It drops. " * number, requester=requester)
        one = Ticket(f"t{number:06}", message, datetime(2025, 6, 1, tzinfo=UTC), "acme")
        add(store, one)
        store.write(lambda tx, one=one: _treat(tx, one, "for Ana Canary" if one.id == "t000001" else "x"))
    assert b"canary" in _bytes(store).lower()
    person = Person("ana.canary@example.org", ("Ana Canary",))
    found = find(store, "acme", person)
    assert len(found.traces) == 10
    assert erase_person(store, "acme", person, found, "root", datetime(2025, 6, 2, tzinfo=UTC)).scrubbed
    assert b"canary" not in _bytes(store).lower()
    assert b"bob" in _bytes(store)


def _treat(tx, one, text: str) -> None:
    triage = Triage(one.id, text, "subject", {}, "en", Receipt("m", "h", "c", "1"))
    tx.tickets.save(
        Revision("acme", one.id, 1, one.received_at, triage), Status.BY_AI, CanonicalText(text, text, text)
    )
    tx.tickets.correct(Correction("acme", one.id, "f", text, text, "ana", one.received_at, text))


def _bytes(store) -> bytes:
    return b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def test_text_that_a_reader_still_sees_is_scrubbed_later(store, ticket) -> None:
    add(store, ticket(1, "canary"), ticket(2))

    def hold(tx) -> bool:
        tx.tickets.get("acme", "t000001")
        return erase(store, [("acme", "t000001")]).scrubbed

    assert store.read(hold) is False
    assert names(store) == {"t000002"}
    assert store.scrub()
    assert b"canary" not in _bytes(store)
