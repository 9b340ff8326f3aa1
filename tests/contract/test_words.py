"""Words that are taken back, and accounts that are held back: one behaviour on every back end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tamiz.domain.errors import TransitionError, UnknownTicketError
from tamiz.domain.records import Account, Against, Correction, Hold, WordQuery
from tamiz.domain.status import Status
from tamiz.domain.storage import Store
from tamiz.domain.ticket import RawMessage, Ticket

T0 = datetime(2025, 6, 1, 8, 30, 0, 123456, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)
A, B = "acme", "bolt"


@pytest.fixture
def filled(store) -> Store:
    """Tickets t1 to t4 of two tenants."""
    tickets = [Ticket(f"t{n}", RawMessage("s", "b"), T0, tenant) for tenant in (A, B) for n in range(1, 5)]
    store.write(lambda tx: [tx.tickets.add(one) for one in tickets])
    return store


def said(
    store: Store, ticket: str, value: str | None, by: str = "ana", tenant: str = A, **more: object
) -> Correction:
    word = Correction(tenant, ticket, "category", value, "before", by, T0, "note: ñ", **more)
    return store.write(lambda tx: tx.tickets.correct(word))


def revoke(store: Store, ticket: str, *sequences: int, status: Status = Status.PENDING, tenant: str = A):
    return store.write(lambda tx: tx.words.revoke(tenant, ticket, sequences, status, "root", LATER))


def corrected(store: Store, ticket: str, tenant: str = A) -> dict[str, str | None]:
    return store.read(lambda tx: tx.tickets.corrected(tenant, ticket))


def find(store: Store, tenant: str = A, **query: object) -> list[Correction]:
    return store.read(lambda tx: tx.words.find(tenant, WordQuery(**query)))


def test_a_word_comes_back_with_what_was_thought_of_it(filled) -> None:
    stored = said(filled, "t1", "x", against=Against.MODEL, waits=True)
    assert (stored.against, stored.waits, stored.revoked_at) == (Against.MODEL, True, None)
    assert find(filled, ticket_id="t1") == filled.read(lambda tx: tx.tickets.corrections(A)) == [stored]


def test_a_revoked_word_counts_no_more_and_is_kept(filled) -> None:
    first, second = said(filled, "t1", "x"), said(filled, "t1", "y", "bob")
    record = revoke(filled, "t1", second.sequence)
    assert (record.status, record.version, record.updated_at) == (Status.CORRECTED, 4, LATER)
    assert corrected(filled, "t1") == {"category": "x"}
    assert filled.read(lambda tx: tx.tickets.corrections(A)) == [first]
    gone = replace(second, revoked_at=LATER, revoked_by="root")
    assert find(filled, ticket_id="t1", revoked=True) == [first, gone]
    assert find(filled, ticket_id="t1") == [first]


def test_a_later_word_by_somebody_else_stays(filled) -> None:
    first, _ = said(filled, "t1", "wrong"), said(filled, "t1", "right", "bob")
    assert revoke(filled, "t1", first.sequence).status is Status.CORRECTED
    assert corrected(filled, "t1") == {"category": "right"}


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.CORRECTED])
def test_a_ticket_without_words_returns_to_where_it_stood(filled, status) -> None:
    word = said(filled, "t1", "x")
    record = revoke(filled, "t1", word.sequence, status=status)
    assert (record.status, record.version) == (status, 3)
    assert corrected(filled, "t1") == {}
    assert filled.read(lambda tx: tx.tickets.get(A, "t1")) == record


def test_a_word_is_taken_back_once(filled) -> None:
    word, other = said(filled, "t1", "x"), said(filled, "t2", "y")
    foreign = said(filled, "t1", "z", tenant=B)
    record = revoke(filled, "t1", word.sequence)
    assert revoke(filled, "t1", word.sequence, other.sequence, 99) == record
    assert (corrected(filled, "t2"), corrected(filled, "t1", B)) == ({"category": "y"}, {"category": "z"})
    assert foreign.sequence == 1
    with pytest.raises(UnknownTicketError):
        revoke(filled, "nobody", 1)


def test_no_ticket_returns_to_a_persons_word(filled) -> None:
    word = said(filled, "t1", "x")
    with pytest.raises(TransitionError):
        revoke(filled, "t1", word.sequence, status=Status.CORRECTED)
    assert find(filled, ticket_id="t1") == [word]


def test_words_are_found_by_account_moment_and_number(filled) -> None:
    words = [said(filled, f"t{n}", "x", by) for n, by in ((1, "ana"), (2, "bob"), (3, "ana"), (4, "ana"))]
    late = replace(words[0], at=LATER, value="y", sequence=0)
    words.append(filled.write(lambda tx: tx.tickets.correct(late)))
    said(filled, "t1", "other", tenant=B)
    assert find(filled, by="ana") == [words[0], *words[2:]]
    assert find(filled, by="ana", newest_first=True, limit=2) == [words[4], words[3]]
    assert find(filled, after=2, limit=2) == words[2:4]
    assert find(filled, since=LATER) == [words[4]]
    assert find(filled, ticket_id="t1", by="ana") == [words[0], words[4]]
    assert find(filled, "nobody") == []


def test_accounts_are_counted(filled) -> None:
    word = said(filled, "t1", "x", against=Against.MODEL)
    said(filled, "t2", "x", against=Against.PEOPLE, waits=True)
    said(filled, "t3", "x", against=Against.TAUGHT, waits=True)
    said(filled, "t1", "x", "bob")
    said(filled, "t1", "x", "zoe", B)
    revoke(filled, "t1", word.sequence)
    accounts = filled.read(lambda tx: tx.words.accounts(A))
    assert accounts == [Account("ana", 3, 1, 2, 2, T0), Account("bob", 1, 0, 0, 0, T0)]
    assert filled.write(lambda tx: tx.words.release(A, "ana")) == 2
    assert filled.write(lambda tx: (tx.words.release(A, "ana"), tx.words.release(A, "nobody"))) == (0, 0)
    assert filled.read(lambda tx: tx.words.accounts(A))[0].waiting == 0
    assert filled.read(lambda tx: tx.words.accounts("nobody")) == []


def test_an_account_is_held_until_it_is_lifted(store) -> None:
    hold = Hold(A, "ana", T0, "surprise", "tamiz")
    assert store.write(lambda tx: tx.words.hold(hold)) is True
    assert store.write(lambda tx: tx.words.hold(replace(hold, since=LATER))) is False
    assert store.write(lambda tx: tx.words.hold(replace(hold, tenant=B))) is True
    assert store.read(lambda tx: tx.words.held(A)) == [replace(hold, number=1)]
    assert store.write(lambda tx: tx.words.lift(A, "ana", "root", LATER)) is True
    assert store.write(lambda tx: tx.words.lift(A, "ana", "root", LATER)) is False
    lifted = replace(hold, number=1, lifted_at=LATER, lifted_by="root")
    assert store.read(lambda tx: (tx.words.held(A), tx.words.holds(A))) == ([], [lifted])
    again = replace(hold, since=LATER, lifted_at=LATER, lifted_by="role")
    assert store.write(lambda tx: tx.words.hold(again)) is True
    store.write(lambda tx: tx.words.hold(replace(hold, account="bob", since=LATER)))
    found = store.read(lambda tx: tx.words.holds(A))
    assert [(one.account, one.number) for one in found] == [("ana", 1), ("ana", 2), ("bob", 1)]
    assert store.read(lambda tx: tx.words.holds(A, "ana")) == found[:2]
    assert [one.account for one in store.read(lambda tx: tx.words.held(A))] == ["bob"]
    assert [one.account for one in store.read(lambda tx: tx.words.held(B))] == ["ana"]


def test_of_many_who_hold_an_account_at_once_one_does(store) -> None:
    hold = Hold(A, "ana", T0, "surprise", "tamiz")
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: store.write(lambda tx: tx.words.hold(hold)), range(8)))
    assert sorted(done) == [False] * 7 + [True]
    assert len(store.read(lambda tx: tx.words.holds(A))) == 1


def test_what_a_failed_transaction_did_is_undone(filled) -> None:
    word = said(filled, "t1", "x", waits=True)
    before = filled.read(lambda tx: tx.tickets.get(A, "t1"))

    def work(tx) -> None:
        tx.words.revoke(A, "t1", [word.sequence], Status.PENDING, "root", LATER)
        tx.words.release(A, "ana")
        tx.words.hold(Hold(A, "ana", T0, "surprise", "tamiz"))
        raise KeyError("stop")

    with pytest.raises(KeyError):
        filled.write(work)
    assert find(filled) == [word]
    assert filled.read(lambda tx: (tx.tickets.get(A, "t1"), tx.words.holds(A))) == (before, [])
