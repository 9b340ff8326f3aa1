"""What is particular to the store in memory; the contract suite holds for it as for all stores."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tamiz.domain.errors import StoreError, StoreUnavailableError
from tamiz.domain.records import Job
from tamiz.domain.storage import Tx
from tamiz.testing.memory_store import MemoryStore

JOB = Job("a", "default", "triage", "t", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_read_that_writes_is_refused_and_undone():
    store = MemoryStore()
    with pytest.raises(StoreError, match="has written"):
        store.read(lambda tx: tx.jobs.add(JOB))
    assert store.read(lambda tx: tx.jobs.states()) == []


def test_a_transaction_inside_another_is_refused_and_both_are_undone():
    store = MemoryStore()

    def work(tx: Tx) -> None:
        tx.jobs.add(JOB)
        store.read(lambda tx: tx.jobs.states())

    with pytest.raises(StoreError, match="inside another"):
        store.write(work)
    assert store.read(lambda tx: tx.jobs.states()) == []


def test_the_future_holds_what_the_closure_returned_or_raised():
    store = MemoryStore()
    assert store.submit(lambda tx: 3).result(0) == 3
    with pytest.raises(ZeroDivisionError):
        store.submit(lambda tx: 1 / 0).result(0)


def test_a_closed_store_is_unavailable():
    store = MemoryStore()
    store.close()
    for call in (store.write, store.read, store.submit):
        with pytest.raises(StoreUnavailableError):
            call(lambda tx: None)
