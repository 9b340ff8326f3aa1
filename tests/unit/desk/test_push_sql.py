"""The same pushing over the embedded store: what a restart finds is what was committed."""

from __future__ import annotations

from random import Random

import pytest

pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
pytest.importorskip("alembic", reason="the SQLite store needs Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from tamiz.domain.outbox import EffectState
from tamiz.service.undo import perform, plan_undo
from tamiz.store.sqlite import SqliteStore
from tamiz.testing.desk_faults import FaultPlan

from .rig import RESETS, TAXONOMY, TENANT, DiedError, Rig

LABEL = TAXONOMY.field("category").keys[0]


def test_effects_survive_restarts_and_are_applied_once(tmp_path) -> None:
    chance = Random(5)
    house = Rig(FaultPlan(Random(5), dict.fromkeys(RESETS, 0.1)))
    house.store = SqliteStore(tmp_path)
    names = [house.open(f"IT-{number}") for number in range(12)]
    for name in names:
        house.triage(name, category=LABEL)

    def dies(point: str) -> None:
        if chance.random() < 0.05:
            raise DiedError

    house.die = dies
    for _ in range(4):
        for _ in range(5):
            house.step()
        house.store.close()
        house.store = SqliteStore(tmp_path)
    house.die = lambda point: None
    house.run(tick=10.0)
    assert [house.states(name) for name in names] == [["done"]] * 12
    assert [house.desk.count(house.effects(name)[0].key) for name in names] == [1] * 12
    made = plan_undo(house.store, house.clock, TAXONOMY, TENANT, "m1", house.clock.start)
    assert perform(house.store, house.clock, house.random.getrandbits, TAXONOMY, made, "ana") == 12
    house.run(tick=10.0)
    assert {house.shown(name=name) for name in names} == {None}
    done = house.store.read(lambda tx: tx.outbox.page(TENANT, EffectState.DONE))
    assert len(done) == 24
    house.store.close()
