"""A model's values are taken back where nobody has touched them, and nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.records import Correction
from tamiz.domain.taxonomy import Field
from tamiz.domain.triage import Decision, Distribution, Receipt
from tamiz.service.undo import CORRECTED, OVERWRITTEN, TOGETHER, UNDONE, UndoPlan, perform, plan_undo
from tamiz.service.weigh import PERSON
from tamiz.testing.desk_faults import Fault, FaultPlan

from .rig import TAXONOMY, TENANT, Rig

A, B, C = TAXONOMY.field("category").keys[:3]
HIGH, MIDDLE, LOW = TAXONOMY.field("urgency").keys


def plan(
    house: Rig, since: datetime | None = None, model: str = "m1", fields: tuple[str, ...] = ()
) -> UndoPlan:
    return plan_undo(house.store, house.clock, TAXONOMY, TENANT, model, since or house.clock.start, fields)


def undo(house: Rig, made: UndoPlan) -> int:
    return perform(house.store, house.clock, house.random.getrandbits, TAXONOMY, made, "ana")


def pushed(house: Rig, **values: str) -> None:
    house.clock.pause(10.0)
    house.triage(**values)
    house.run()


def test_values_go_back_to_what_stood_there() -> None:
    house = Rig(free={"urgency": frozenset({LOW})})
    house.open(urgency=LOW)
    pushed(house, category=A, urgency=HIGH)
    made = plan(house)
    [shown] = made.to_dict()["tickets"]
    assert shown["fields"] == {
        "category": {"from": A, "to": None},
        "urgency": {"from": HIGH, "to": LOW},  # a person may lower
    }
    assert house.shown() == A
    assert undo(house, made) == 1
    house.run()
    assert (house.shown(), house.shown("urgency")) == (None, LOW)
    entry = next(one for one in house.audit() if one.act == "undo")
    assert (entry.actor, entry.detail["fields"]) == ("ana", "category,urgency")
    assert plan(house).reversals == ()


def test_a_plan_is_performed_once() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A)
    made = plan(house)
    assert (undo(house, made), undo(house, made)) == (1, 0)
    house.run()
    assert undo(house, made) == 0
    assert house.states() == ["done", "done"]


def test_an_unbroken_run_of_writes_goes_back_to_before_the_moment() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A)
    since = house.clock.now() + timedelta(seconds=1)
    pushed(house, category=B)
    pushed(house, category=C)
    undo(house, plan(house, since))
    house.run()
    assert house.shown() == A
    assert plan(house, house.clock.now() + timedelta(days=1)).reversals == ()


def test_what_another_model_wrote_since_stays() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A, urgency=HIGH)
    house.triage(model="m2", category=B, urgency=HIGH)
    house.run()
    [reversal] = plan(house).reversals
    assert (reversal.back, reversal.kept) == ({"urgency": None}, {"category": OVERWRITTEN})
    assert plan(house, model="m2").reversals[0].back == {"category": A}


def test_what_a_person_touched_stays() -> None:
    house = Rig()
    for name in ("IT-1", "IT-2", "IT-3"):
        house.open(name)
        house.triage(name, category=A)
    house.run()
    word = Correction(TENANT, "IT-1", "category", B, A, "ana", house.clock.now())
    house.store.write(lambda tx: tx.tickets.correct(word))
    house.desk.edit("IT-2", {"category": C})
    made = plan(house)
    assert [one.kept for one in made.reversals] == [{"category": CORRECTED}, {}, {}]
    assert undo(house, made) == 2
    house.run()
    assert [house.shown(name=name) for name in ("IT-1", "IT-2", "IT-3")] == [A, C, None]
    assert house.states("IT-2") == ["done", "skipped"]
    assert PERSON in house.effects("IT-2")[1].reason


def test_what_has_changed_since_the_plan_was_shown_is_left() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A)
    made = plan(house)
    pushed(house, category=B)
    assert undo(house, made) == 0
    assert house.shown() == B


def test_what_was_only_planned_is_cancelled() -> None:
    house = Rig()
    house.open()
    house.triage(category=A)
    made = plan(house)
    assert made.reversals[0].cancelled == ("triage:1",)
    assert undo(house, made) == 1
    house.run()
    assert (house.states(), house.effects()[0].reason, house.ours()) == (["skipped"], UNDONE, [])


def test_what_nobody_knows_to_be_written_is_settled_and_then_taken_back() -> None:
    for fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LATE):
        house = Rig(FaultPlan().then("update", [fault]))
        house.open()
        house.triage(category=A)
        house.step()
        assert house.states() == ["intent"]
        assert undo(house, plan(house)) == 1
        house.run()
        assert house.states() == ["done", "done"]
        assert [one.values["category"] for one in house.ours()] == [A, None]


def test_the_same_model_does_not_write_again_what_was_taken_back() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A)
    undo(house, plan(house))
    house.run()
    pushed(house, category=A)
    assert len(house.effects()) == 2
    house.triage(model="m2", category=B)
    house.run()
    assert house.shown() == B


def test_only_the_fields_that_are_meant_go_back() -> None:
    house = Rig()
    house.open()
    pushed(house, category=A, urgency=HIGH)
    made = plan(house, fields=("urgency",))
    assert [one.back for one in made.reversals] == [{"urgency": None}]
    assert plan(house).id != made.id
    assert undo(house, made) == 1
    house.run()
    assert (house.shown(), house.shown("urgency")) == (A, None)


def test_what_is_planned_together_with_others_is_let_be() -> None:
    house = Rig()
    house.open()
    house.triage(category=A, urgency=HIGH)
    [reversal] = plan(house, fields=("urgency",)).reversals
    assert (reversal.cancelled, reversal.kept, reversal.does) == ((), {"urgency": TOGETHER}, False)
    assert plan(house, fields=("category", "urgency")).reversals[0].cancelled == ("triage:1",)


def test_a_value_that_goes_back_at_the_desk_asks_a_person_here() -> None:
    house = Rig()
    house.open()
    distributions = {f.name: _sure(f) for f in TAXONOMY.predicted}
    policy = Policy({f.name: FieldPolicy(Decision.APPLY, apply_at=0.5) for f in TAXONOMY.choices})
    receipt = Receipt("model", "m1", TAXONOMY.classes_hash, "1", distributions, policy=policy.to_dict())
    house.triage(receipt=receipt, category=A)
    house.run()
    made = plan(house)
    [reversal] = made.reversals
    assert (reversal.back, reversal.review) == ({"category": None}, {"category": A})
    assert undo(house, made) == 1
    house.run()
    assert house.shown() is None
    newest = house.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1"))
    assert (newest.number, newest.triage.fields["category"].decision) == (2, Decision.REVIEW)
    assert house.states() == ["done", "done"], "the new triage writes nothing"
    assert undo(house, made) == 0


def _sure(f: Field) -> Distribution:
    rest = 0.01 / (len(f.classes) - 1)
    return Distribution(f.classes, (0.99, *[rest] * (len(f.classes) - 1)))
