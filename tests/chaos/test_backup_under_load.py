"""A copy taken from another process while tickets come in, put back on an empty host, and served there."""

from __future__ import annotations

from pathlib import Path

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.store.backup import backup, restore

from .campaign import drain
from .harness import Nursery
from .load import Load
from .plan import Plan
from .verdict import kept


def test_a_restored_copy_has_all_that_was_accepted_before_it(nursery: Nursery, tmp_path: Path) -> None:
    first, second, load = tmp_path / "first", tmp_path / "second", Load(4, 1)
    with nursery.serving(Plan(str(first))) as service:
        load.aim(service.url, 300)
        assert load.first_answer(30.0)
        with load.ledger.lock:
            before = load.ledger.tickets
        backup(first / STORE_FOLDER, tmp_path / "copy.sqlite")
        load.finish()
        assert service.stop() == 0
    restore(tmp_path / "copy.sqlite", second / STORE_FOLDER)
    with nursery.serving(Plan(str(second))) as service:
        drain(service)
        assert service.stop() == 0
    found = kept(second)
    assert before
    assert before <= found.subjects.keys() <= load.ledger.tickets
    assert not found.problems
    assert set(found.triages.values()) == {1}
    assert found.triages.keys() == found.subjects.keys()
