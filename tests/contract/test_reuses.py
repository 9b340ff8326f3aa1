"""Reused answers and what became of them: one behaviour on every back end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tamiz.domain.records import Record, Reuse, Verdict
from tamiz.domain.storage import Store
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.triage import Tier

T0 = datetime(2025, 6, 1, tzinfo=UTC)
A, B = "acme", "bolt"


def reuse(ticket: str, source: str = "t1", model: str = "m", tenant: str = A) -> Reuse:
    return Reuse(tenant, ticket, source, model, Tier.VERIFIED, 0.96, T0, again=ticket == "t3")


@pytest.fixture
def filled(store) -> Store:
    def work(tx) -> None:
        for tenant in (A, B):
            for number in range(1, 7):
                tx.tickets.add(
                    Ticket(f"t{number}", RawMessage("s", "b"), T0 + timedelta(days=number), tenant)
                )
        for ticket in ("t2", "t3", "t4"):
            tx.reuses.put(reuse(ticket))
        tx.reuses.put(reuse("t5", "t2", "other"))

    store.write(work)
    return store


def test_a_ticket_has_one_source(filled) -> None:
    assert filled.read(lambda tx: tx.reuses.of(A, "t3")) == reuse("t3")
    assert filled.read(lambda tx: tx.reuses.of(B, "t3")) is None
    filled.write(lambda tx: tx.reuses.put(reuse("t3", "t6")))
    assert filled.read(lambda tx: tx.reuses.of(A, "t3")) == reuse("t3", "t6")
    found = filled.read(lambda tx: tx.reuses.of_source(A, "t1"))
    assert [one.ticket_id for one in found] == ["t2", "t4"]
    assert filled.read(lambda tx: tx.reuses.of_source(A, "t1", 1)) == found[:1]


def test_an_answer_that_was_wrong_stays_disputed(filled) -> None:
    assert filled.read(lambda tx: tx.reuses.disputed(A, ["t1", "t2"])) == set()
    assert filled.write(lambda tx: tx.reuses.judge(A, "t2", Verdict.RIGHT))
    assert filled.write(lambda tx: tx.reuses.judge(A, "t3", Verdict.WRONG))
    assert filled.write(lambda tx: tx.reuses.judge(A, "t3", Verdict.RIGHT))
    assert not filled.write(lambda tx: tx.reuses.judge(A, "t6", Verdict.WRONG))
    assert filled.read(lambda tx: tx.reuses.disputed(A, ["t1", "t2"])) == {"t1"}
    assert filled.read(lambda tx: tx.reuses.disputed(B, ["t1"])) == set()
    assert filled.read(lambda tx: tx.reuses.of(A, "t3")) == replace(reuse("t3"), verdict=Verdict.WRONG)


def test_the_record_counts_the_newest_verdicts_of_a_model(filled) -> None:
    assert filled.read(lambda tx: tx.reuses.record(A, "m", 10)) == Record(0, 0)

    def work(tx) -> None:
        tx.reuses.judge(A, "t2", Verdict.WRONG)
        tx.reuses.judge(A, "t3", Verdict.RIGHT)
        tx.reuses.judge(A, "t4", Verdict.RIGHT)
        tx.reuses.judge(A, "t5", Verdict.WRONG)

    filled.write(work)
    assert filled.read(lambda tx: tx.reuses.record(A, "m", 10)) == Record(3, 1)
    assert filled.read(lambda tx: tx.reuses.record(A, "m", 2)) == Record(2, 0)
    assert filled.read(lambda tx: tx.reuses.record(A, "other", 10)) == Record(1, 1)
    filled.write(lambda tx: tx.reuses.put(reuse("t2", "t4")))
    assert filled.read(lambda tx: tx.reuses.record(A, "m", 10)) == Record(2, 0)
    filled.write(lambda tx: tx.reuses.put(replace(reuse("t2", "t4"), verdict=Verdict.WRONG)))
    assert filled.read(lambda tx: tx.reuses.record(A, "m", 1)) == Record(1, 1)
