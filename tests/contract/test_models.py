"""Which model each tenant has taken into use: one behaviour on every back end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tamiz.domain.errors import StoreError
from tamiz.domain.records import Activation, AuditEntry
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import infer
from tamiz.service.models import activate
from tamiz.testing import ScriptedModel
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted_shelf import ScriptedShelf

T0 = datetime(2025, 6, 1, 8, 30, 0, 123456, tzinfo=UTC)
A, B = "acme", "bolt"


def used(name: str, tenant: str = A) -> Activation:
    return Activation(tenant, name, f"hash of {name}", "classes", "prose", T0, "ana")


def pile(store: Store, tenant: str = A, limit: int = 20) -> list[str]:
    return [one.name for one in store.read(lambda tx: tx.models.pile(tenant, limit))]


def test_models_lie_on_top_of_one_another(store) -> None:
    assert store.read(lambda tx: (tx.models.pile(A), tx.models.active())) == ([], [])
    for name in ("one", "two", "one"):
        stored = store.write(lambda tx, name=name: tx.models.push(used(name)))
    assert stored == replace(used("one"), number=3)
    store.write(lambda tx: tx.models.push(used("other", B)))
    assert (pile(store), pile(store, limit=2), pile(store, B)) == (
        ["one", "two", "one"],
        ["one", "two"],
        ["other"],
    )
    assert store.read(lambda tx: tx.models.active()) == [stored, replace(used("other", B), number=1)]


def test_the_top_is_taken_away_until_there_is_none(store) -> None:
    store.write(lambda tx: [tx.models.push(used(name)) for name in ("one", "two")])
    store.write(lambda tx: tx.models.push(used("other", B)))
    assert store.write(lambda tx: tx.models.pop(A)) is True
    assert pile(store) == ["one"]
    assert store.write(lambda tx: tx.models.push(used("three"))).number == 2
    assert [store.write(lambda tx: tx.models.pop(A)) for _ in range(3)] == [True, True, False]
    assert (pile(store), pile(store, B)) == ([], ["other"])
    assert [one.tenant for one in store.read(lambda tx: tx.models.active())] == [B]


def test_what_a_failed_transaction_did_is_undone(store) -> None:
    store.write(lambda tx: tx.models.push(used("one")))

    def work(tx) -> None:
        tx.models.pop(A)
        tx.models.push(used("two"))
        raise KeyError("stop")

    with pytest.raises(KeyError):
        store.write(work)
    assert pile(store) == ["one"]
    with pytest.raises(StoreError):
        store.read(lambda tx: tx.models.push(used("three")))


def test_twenty_at_once_get_twenty_places(store) -> None:
    gate = threading.Barrier(20)

    def push(number: int) -> int:
        gate.wait()
        return store.write(lambda tx: tx.models.push(used(f"m{number}"))).number

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(push, range(20))) == list(range(1, 21))


class _Tx:
    """A transaction that waits, between what was read and what will be written, for another one to come as far."""

    def __init__(self, tx: Tx, gate: threading.Barrier) -> None:
        self.models, self.audit, self._add, self._gate = tx.models, self, tx.audit.add, gate
        self.tickets = tx.tickets

    def add(self, entry: AuditEntry) -> None:
        with suppress(threading.BrokenBarrierError):
            self._gate.wait(1.0)
        self._add(entry)


class _Slow:
    def __init__(self, store: Store) -> None:
        self._store, self._gate = store, threading.Barrier(2)

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self._store.write(lambda tx: work(_Tx(tx, self._gate)))


def test_two_who_take_the_same_into_use_at_once_take_it_once(store) -> None:
    model = ScriptedModel(infer("areas", {"area": ["A", "B"]}), lambda text: {})
    shelf, clock, slow = ScriptedShelf({"one": model}), ManualClock(), _Slow(store)
    with ThreadPoolExecutor(2) as pool:
        acts = [pool.submit(activate, slow, clock, shelf, A, "one", "ana") for _ in range(2)]
        numbers = [act.result(30).number for act in acts]
    assert (numbers, pile(store)) == ([1, 1], ["one"])
