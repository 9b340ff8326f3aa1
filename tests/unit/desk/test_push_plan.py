"""What is planned after a triage, and what of it may be written."""

from __future__ import annotations

from random import Random

import pytest

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.outbox import EffectState
from tamiz.domain.records import Correction, Job, TicketQuery
from tamiz.domain.ticket import RawMessage, Source, Ticket
from tamiz.domain.triage import Decision, FieldTriage
from tamiz.service.accept import PUSH, TRIAGE
from tamiz.service.backfill import Chunk, Past, remember
from tamiz.service.judge import Judge
from tamiz.service.push_plan import SUPERSEDED, Planning
from tamiz.service.weigh import LOWERING, PERSON, RELATION
from tamiz.service.work import Triaging
from tamiz.testing.scripted import ScriptedModel
from tamiz.text import canonicalize

from .rig import DESK, LEASE, TAXONOMY, TENANT, Rig

CATEGORY = TAXONOMY.field("category")
LABEL, OTHER = CATEGORY.keys[:2]
URGENT, MIDDLE, CALM = TAXONOMY.field("urgency").keys
CHILD = next(la for la in TAXONOMY.field("subcategory").labels if la.parents and OTHER not in la.parents)
PARENT = CHILD.parents[0]
BELOW = next(la for la in TAXONOMY.field("subcategory").labels if not la.parents or OTHER in la.parents)
TOP = TAXONOMY.field("priority").matrix.at(URGENT, URGENT)

# what stands at the desk, what is applied, what is written, and why the rest is left
WEIGHED = [
    ("an empty field", {}, {"category": LABEL}, {"category": LABEL}, {}),
    ("the same value", {"category": LABEL}, {"category": LABEL}, {}, {}),
    ("a person's value", {"category": OTHER}, {"category": LABEL}, {}, {"category": PERSON}),
    ("a word of the desk's own", {"category": "Otros"}, {"category": LABEL}, {}, {"category": PERSON}),
    ("the desk's default, raised", {"urgency": MIDDLE}, {"urgency": URGENT}, {"urgency": URGENT}, {}),
    ("the desk's default, lowered", {"urgency": MIDDLE}, {"urgency": CALM}, {}, {"urgency": LOWERING}),
    (
        "one field of two is a person's",
        {"urgency": CALM},
        {"category": LABEL, "urgency": URGENT},
        {"category": LABEL},
        {"urgency": PERSON},
    ),
    (
        "a child below a person's other parent",
        {"category": OTHER},
        {"category": PARENT, "subcategory": CHILD.key},
        {},
        {"category": PERSON, "subcategory": RELATION},
    ),
    (
        "a child below its own parent",
        {},
        {"category": PARENT, "subcategory": CHILD.key},
        {"category": PARENT, "subcategory": CHILD.key},
        {},
    ),
    (
        "a derived value whose input is a person's",
        {"urgency": CALM},
        {"impact": URGENT, "urgency": URGENT, "priority": TOP},
        {"impact": URGENT},
        {"urgency": PERSON, "priority": RELATION},
    ),
    (
        "a derived value with its inputs",
        {"urgency": MIDDLE},
        {"impact": URGENT, "urgency": URGENT, "priority": TOP},
        {"impact": URGENT, "urgency": URGENT, "priority": TOP},
        {},
    ),
]


@pytest.mark.parametrize(
    "there, applied, written, left", [case[1:] for case in WEIGHED], ids=[case[0] for case in WEIGHED]
)
def test_what_may_be_written(there, applied, written, left) -> None:
    house = Rig(free={"urgency": frozenset({MIDDLE})})
    house.open(**there)
    house.triage(**applied)
    house.run()
    [effect] = house.effects()
    assert effect.written == written
    assert [one.values for one in house.ours()] == ([written] if written else [])
    assert all(f"{name}: {reason}" in effect.reason for name, reason in left.items())
    assert effect.state is (EffectState.SKIPPED if left and not written else EffectState.DONE)
    assert house.desk.shown("IT-1").fields == {**there, **written}


@pytest.mark.parametrize("decision", [Decision.RECOMMEND, Decision.REVIEW, Decision.OFF])
def test_only_what_is_applied_is_planned(decision) -> None:
    house = Rig()
    house.open()
    outcome = FieldTriage(LABEL, 0.9, decision)
    house.triage()
    revision = house.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1"))
    assert house.states() == []
    planning = Planning(house.seat, lambda tenant: TAXONOMY, house.clock, house.random.getrandbits)
    for one, effects in ((outcome, 0), (FieldTriage(LABEL, 0.9, Decision.APPLY), 1)):
        revision.triage.fields["category"] = one

        def work(tx) -> None:
            planning(tx, tx.tickets.get(TENANT, "IT-1"), revision)

        house.store.write(work)
        assert len(house.effects()) == effects


@pytest.mark.parametrize("source", [Source("api"), Source("cli", "7"), Source("other", "IT-1")])
def test_nothing_is_planned_for_a_ticket_of_no_desk(source) -> None:
    house = Rig()
    mirror = Ticket("IT-1", RawMessage("VPN", ""), house.clock.now(), TENANT, source)
    house.store.write(lambda tx: tx.tickets.add(mirror))
    house.triage(category=LABEL)
    assert house.effects() == []
    assert house.store.read(lambda tx: tx.jobs.states()) == []


def test_what_a_person_corrected_here_is_not_planned() -> None:
    house = Rig()
    house.open()
    word = Correction(TENANT, "IT-1", "category", OTHER, LABEL, "ana", house.clock.now())
    house.store.write(lambda tx: tx.tickets.correct(word))
    house.triage(category=LABEL, urgency=URGENT)
    assert [one.values for one in house.effects()] == [{"urgency": URGENT}]


def test_fields_that_the_desk_does_not_take_are_not_planned() -> None:
    house = Rig(fields=frozenset({"urgency"}))
    house.open()
    house.triage(category=LABEL, urgency=URGENT)
    assert [one.values for one in house.effects()] == [{"urgency": URGENT}]


def test_a_second_triage_plans_what_differs_and_never_lowers() -> None:
    house = Rig()
    house.open()
    house.triage(category=LABEL, urgency=URGENT)
    house.run()
    house.triage(category=LABEL, urgency=URGENT)
    house.triage(category=LABEL, urgency=CALM)
    assert len(house.effects()) == 1
    house.triage(category=OTHER, urgency=CALM)
    house.run()
    assert [one.written for one in house.effects()] == [
        {"category": LABEL, "urgency": URGENT},
        {"category": OTHER},
    ]
    assert (house.shown(), house.shown("urgency")) == (OTHER, URGENT)


def test_a_newer_triage_takes_the_place_of_what_is_only_planned() -> None:
    house = Rig()
    house.open()
    house.triage(category=LABEL)
    house.triage(category=OTHER)
    house.run()
    assert house.states() == ["skipped", "done"]
    assert house.effects()[0].reason == SUPERSEDED
    assert [one.values for one in house.ours()] == [{"category": OTHER}]


def test_a_value_of_ours_that_a_person_changed_stays_changed() -> None:
    house = Rig()
    house.open()
    house.triage(category=LABEL)
    house.run()
    house.desk.edit("IT-1", {"category": None})
    house.triage(category=OTHER)
    house.run()
    assert house.states() == ["done", "skipped"]
    assert house.shown() is None


def test_a_triage_and_its_effect_are_one_transaction() -> None:
    house = Rig()
    model = ScriptedModel(TAXONOMY, lambda text: {"category": (LABEL, 0.99)})
    policy = Policy({"category": FieldPolicy(apply_at=0.9)})
    house.open()
    bits = Random(2).getrandbits
    judge = Judge(model, policy, canonicalize)
    planning = Planning(house.seat, lambda tenant: judge.taxonomy, house.clock, bits)
    house.store.write(lambda tx: tx.jobs.add(Job("j", TENANT, TRIAGE, "IT-1", house.clock.now())))

    def broken(tx, record, revision) -> None:
        planning(tx, record, revision)
        raise ArithmeticError

    def triage(saved) -> None:
        now = house.clock.now()
        leases = house.store.write(lambda tx: tx.jobs.lease([TRIAGE], "w", 1, now, now + LEASE))
        Triaging(house.store, lambda tenant: judge, house.clock, bits, saved=saved)(leases)

    with pytest.raises(ArithmeticError):
        triage(broken)
    assert house.effects() == []
    assert house.store.read(lambda tx: tx.tickets.revision(TENANT, "IT-1")) is None
    house.clock.pause(61.0)
    triage(planning)
    [effect] = house.effects()
    assert (effect.name, effect.values, effect.desk) == ("triage:1", {"category": LABEL}, DESK)
    assert effect.cause.model_hash == model.info.content_hash
    assert [one.kind for one in house.store.read(lambda tx: tx.jobs.states())] == [PUSH]


def test_nothing_is_planned_for_a_ticket_of_the_past() -> None:
    house = Rig()
    house.open("IT-2")
    given = {"urgency": URGENT}
    for desk in (DESK, "elsewhere"):
        chunk = Chunk([Past("IT-1", "VPN", "It drops.", given)], desk=desk)
        bits = Random(2).getrandbits
        remember(house.store, house.clock, bits, TAXONOMY, TENANT, chunk, "ana")
    for record in house.store.read(lambda tx: tx.tickets.page(TENANT, TicketQuery())):
        house.triage(record.id, category=LABEL, urgency=MIDDLE)
    assert [one.external_id for one in house.effects("IT-2")] == ["IT-2"]
    jobs = house.store.read(lambda tx: tx.jobs.states())
    assert {one.kind: one.waiting for one in jobs} == {PUSH: 1, TRIAGE: 2}
