"""One person's data: found wherever they stand, erased on both engines, sealed or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

pytest.importorskip("sqlalchemy", reason="the SQL stores need SQLAlchemy")
pytest.importorskip("alembic", reason="the SQL stores need Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from tamiz.domain.chain import verify
from tamiz.domain.outbox import Cause, Effect
from tamiz.domain.records import ApiKey, Correction, Job, Revision, Role, TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket
from tamiz.domain.triage import Receipt, Triage
from tamiz.store.person import erase_person, find
from tamiz.store.vault import Vault
from tamiz.text.mentions import Person

T0 = datetime(2025, 6, 1, tzinfo=UTC)
KEY = Vault(b"k" * 32)
A, B = "acme", "bolt"
ANA = Person("ana@example.org", ("Ana Pérez",))
HERS = {
    "t-asked": "requester",
    "t-text": "text",
    "t-view": "view",
    "t-triage": "triage",
    "t-note": "correction",
    "t-outbox": "outbox",
}


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request, tmp_path) -> Callable[[Vault], object]:
    if request.param == "sqlite":
        from tamiz.store.sqlite import SqliteStore

        return lambda vault: SqliteStore(tmp_path / "data", vault)
    pytest.importorskip("psycopg", reason="the PostgreSQL store needs psycopg")
    from tamiz.store.postgres import PostgresStore

    address = request.getfixturevalue("empty_database")
    return lambda vault: PostgresStore(address, vault)


@pytest.fixture(params=[Vault(), KEY], ids=["open", "sealed"])
def store(request, opened) -> Iterator:
    with closing(opened(request.param)) as made:
        yield made


def ticket(name: str, body: str = "It drops.", tenant: str = A, requester: str = "") -> Ticket:
    source = Source("fake", f"desk-{name}")
    return Ticket(name, RawMessage("VPN", body, requester=requester), T0, tenant, source)


def fill(store) -> None:
    """Six tickets with the person in one place each, a stranger's, and another tenant's."""
    named = "Ana Perez"
    save(store, ticket("t-asked", requester="Ana@Example.org"))
    save(store, ticket("t-text", "Please ask ana@example.org"))
    save(store, ticket("t-view"), view=f"The laptop of {named}")
    save(store, ticket("t-triage"), summary=f"\u201c{named}\u201d cannot log in")
    save(store, ticket("t-note"), note=f"{named} says so")
    save(store, ticket("t-outbox"), pushed=f"for {named}")
    save(store, ticket("t-stranger", "mariana@example.org", requester="bob@example.org"))
    save(store, ticket("t-asked", tenant=B, requester="ana@example.org"))


def save(store, one: Ticket, view: str = "", summary: str = "", note: str = "", pushed: str = "") -> None:
    def work(tx) -> None:
        tx.tickets.add(one)
        tx.jobs.add(Job(f"j-{one.id}", one.tenant, "triage", one.id, T0))
        triage = Triage(one.id, summary, "subject", {}, "en", Receipt("m", "h", "c", "1"))
        text = CanonicalText(view, "", view)
        tx.tickets.save(Revision(one.tenant, one.id, 1, T0, triage), Status.BY_AI, text)
        if note:
            tx.tickets.correct(Correction(one.tenant, one.id, "category", "x", "y", "k1", T0, note))
        if pushed:
            effect = Effect(
                one.tenant, one.id, "note:1", "fake", "1", {}, Cause(revision=1), T0, T0, T0, note=pushed
            )
            tx.outbox.add(effect)

    store.write(work)


def names(store, tenant: str = A) -> set[str]:
    return {one.id for one in store.read(lambda tx: tx.tickets.page(tenant, TicketQuery(limit=1000)))}


def test_a_person_is_found_wherever_they_stand_and_erased_with_all_that_hangs_on_it(store) -> None:
    fill(store)
    found = find(store, A, ANA)
    assert {trace.ticket_id: trace.where for trace in found.traces} == {
        name: (place,) for name, place in HERS.items()
    }
    assert (found.tickets, found.unread) == (7, ())
    done = erase_person(store, A, ANA, found, "root", T0)
    assert (done.tickets, done.scrubbed) == (6, True)
    assert find(store, A, ANA).traces == ()
    assert (names(store), names(store, B)) == ({"t-stranger"}, {"t-asked"})
    assert {state.waiting for state in store.read(lambda tx: tx.jobs.states())} == {2}


def test_the_audit_trail_keeps_ids_and_no_person(store) -> None:
    fill(store)
    erase_person(store, A, ANA, find(store, A, ANA), "root", T0)
    entries = store.read(lambda tx: tx.audit.after(A))
    assert verify(entries) is None
    assert {one.subject for one in entries if one.act == "erase"} == set(HERS)
    (whole,) = [one for one in entries if one.act == "erase_person"]
    assert {name: whole.detail[name] for name in ("erased", "searched", "unread")} == {
        "erased": "6",
        "searched": "7",
        "unread": "0",
    }
    assert ("person" in whole.detail) is bool(store.vault.master)
    told = json.dumps([[one.subject, dict(one.detail)] for one in entries]).casefold()
    assert "ana" not in told.replace("t-", "")


def test_a_keyed_hash_proves_an_erasure_to_who_has_key_and_address() -> None:
    assert KEY.tag(A, "ana@example.org") == KEY.tag(A, "ana@example.org")
    other = {
        KEY.tag(B, "ana@example.org"),
        KEY.tag(A, "bob@example.org"),
        Vault(b"o" * 32).tag(A, "ana@example.org"),
    }
    assert KEY.tag(A, "ana@example.org") not in other
    assert Vault().tag(A, "ana@example.org") == ""


def test_what_cannot_be_opened_is_searched_by_its_view_and_told(opened) -> None:
    with closing(opened(KEY)) as store:
        save(store, ticket("t1", "ana@example.org"), view="nobody")
        save(store, ticket("t2"), view="Ana Pérez")
        store.change(lambda tx: tx.vault.drop(tx.sql, A))
        found = find(store, A, ANA)
        assert [trace.ticket_id for trace in found.traces] == ["t2"]
        assert found.unread == ("t1", "t2")


def test_more_than_a_batch_is_gone_through_and_keys_are_named(store) -> None:
    many = [ticket(f"t{number:04}", requester="ana@example.org") for number in range(450)]
    store.write(lambda tx: [tx.tickets.add(one) for one in many])
    key = ApiKey("k1", A, "laptop of Ana Pérez", Role.SUBMIT, "d", T0)
    store.write(lambda tx: tx.keys.add(key))
    heard: list[int] = []
    found = find(store, A, ANA, heard.append)
    assert (len(found.traces), found.keys, sum(heard)) == (450, ("k1",), 450)
    assert erase_person(store, A, ANA, found, "root", T0).tickets == 450
    assert names(store) == set()
