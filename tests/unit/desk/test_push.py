"""Pushing: whatever the desk does, every effect is applied once, and a person's edit stays."""

from __future__ import annotations

import pytest

from tamiz.domain.desk import Trouble
from tamiz.domain.outbox import EffectState, is_echo
from tamiz.domain.records import Correction
from tamiz.domain.status import Status
from tamiz.service.accept import PUSH
from tamiz.service.push import GONE, NO_SEAT, TOUCHED, WORN, PushSettings
from tamiz.service.push_end import parked, paused, push_again, resume
from tamiz.service.push_plan import plan_note
from tamiz.service.weigh import CLOSED, PERSON
from tamiz.testing.desk_faults import Fault, FaultPlan

from .rig import DESK, MOST_CRASHES, TAXONOMY, TENANT, DiedError, Rig

LABEL, OTHER = TAXONOMY.field("category").keys[:2]
QUIESCENCE = PushSettings().quiescence


def rig(*faults: Fault | None, call: str = "update", **plan) -> Rig:
    made = Rig(FaultPlan(**plan).then(call, faults))
    made.open()
    made.triage(category=LABEL)
    return made


# faults of the first updates, and how often each later call reaches the desk until the effect is there
ONCE = [
    ("nothing", (), 1),
    ("reset before apply", (Fault.RESET_BEFORE,), 2),
    ("applied, then reset", (Fault.RESET_AFTER,), 1),
    ("applied late", (Fault.LATE,), 1),
    ("lost three times", (Fault.RESET_BEFORE,) * 3, 4),
    ("lost, then applied unheard", (Fault.RESET_BEFORE, Fault.RESET_AFTER), 2),
    ("lost, then applied late", (Fault.RESET_BEFORE, Fault.LATE), 2),
    ("too many requests", (Fault.THROTTLED, Fault.THROTTLED), 3),
    ("overloaded", (Fault.UNAVAILABLE,) * 4, 5),
    ("overloaded, then applied unheard", (Fault.UNAVAILABLE, Fault.RESET_AFTER), 2),
    ("conflicts with nobody", (Fault.CONFLICT,) * 3, 4),
]


@pytest.mark.parametrize("faults, calls", [case[1:] for case in ONCE], ids=[case[0] for case in ONCE])
def test_an_effect_is_applied_once_whatever_happens(faults, calls) -> None:
    house = rig(*faults)
    house.run()
    [effect] = house.effects()
    assert (effect.state, house.desk.count(effect.key), house.shown()) == (EffectState.DONE, 1, LABEL)
    assert sum(call.name == "update" for call in house.desk.calls) == calls
    assert (effect.before, effect.written) == ({"category": None}, {"category": LABEL})
    assert [(one.actor, one.act) for one in house.audit()][-1] == ("worker", "push")


ENDED = [
    ("deleted meanwhile", (Fault.GONE,), EffectState.SKIPPED, GONE),
    ("it does not take the value", (Fault.INVALID,), EffectState.PARKED, "does not take it"),
    ("always a conflict", (Fault.CONFLICT,) * 20, EffectState.PARKED, WORN),
    ("never heard", (Fault.RESET_BEFORE,) * 20, EffectState.PARKED, WORN),
    ("always overloaded", (Fault.UNAVAILABLE,) * 20, EffectState.PARKED, WORN),
]


@pytest.mark.parametrize("faults, state, reason", [case[1:] for case in ENDED], ids=[c[0] for c in ENDED])
def test_what_cannot_be_written_is_told_to_people(faults, state, reason) -> None:
    house = rig(*faults)
    house.run(20_000.0, tick=5.0)
    [effect] = house.effects()
    assert effect.state is state
    assert reason in effect.reason
    assert house.ours() == []
    entry = house.audit()[-1]
    assert (entry.act, entry.subject) == (f"push {state.value}", "IT-1")
    assert reason in entry.detail["reason"]
    status = house.store.read(lambda tx: tx.tickets.get(TENANT, "IT-1")).status
    assert status is (Status.NEEDS_HUMAN if state is EffectState.PARKED else Status.BY_AI)
    assert effect.attempts <= house.settings.tries


@pytest.mark.parametrize("call", ["get", "update"])
def test_retry_after_is_kept_for_the_whole_desk(call) -> None:
    for as_date in (False, True):
        house = rig(Fault.THROTTLED, call=call, as_date=as_date)
        for number in range(2, 12):
            house.open(f"IT-{number}")
            house.triage(f"IT-{number}", category=LABEL)
        first = house.clock.elapsed
        house.run()
        refused = next(one.at for one in house.desk.calls if one.fault)
        early = [c for c in house.desk.calls if 0 < (c.at - refused).total_seconds() < 119.0]
        assert early == []
        assert house.clock.elapsed - first < 200.0
        assert sum(one.name == "update" for one in house.desk.calls) <= 1.2 * 11
        assert all(house.states(f"IT-{number}") == ["done"] for number in range(1, 12))
        assert [e.detail["reason"] for e in house.audit() if e.act == "pause desk"] == [Trouble.QUOTA.value]


def test_a_revoked_credential_pauses_the_desk_and_loses_nothing() -> None:
    house = rig(Fault.REVOKED)
    house.open("IT-2")
    house.triage("IT-2", category=LABEL)
    house.run(4000.0)
    assert house.states() == house.states("IT-2") == ["planned"]
    assert house.effects()[0].attempts == 0
    assert sum(call.fault is Fault.REVOKED for call in house.desk.calls) == 1
    assert [one.act for one in house.audit()].count("pause desk") == 1
    house.desk.revoked = False
    house.run(1000.0)
    assert house.states() == ["planned"]
    assert [(one.desk, one.until) for one in paused(house.store, house.clock, TENANT)] == [(DESK, None)]
    assert resume(house.store, house.clock, TENANT, DESK, "ana")
    assert not resume(house.store, house.clock, TENANT, DESK, "ana")
    assert paused(house.store, house.clock, TENANT) == []
    house.run(house.settings.look + 60.0)
    assert house.states() == house.states("IT-2") == ["done"]
    assert len(house.ours()) == len(house.ours("IT-2")) == 1


# what a person does, when, and what becomes of ours
PEOPLE = [
    ("sets the field before", "before", lambda desk: desk.edit("IT-1", {"category": OTHER}), PERSON),
    ("closes it before", "before", lambda desk: desk.close("IT-1"), CLOSED),
    ("deletes it before", "before", lambda desk: desk.delete("IT-1"), GONE),
    (
        "sets the field while it is written",
        "call",
        lambda desk: desk.edit("IT-1", {"category": OTHER}),
        PERSON,
    ),
    ("closes it while it is written", "call", lambda desk: desk.close("IT-1"), CLOSED),
    ("deletes it while it is written", "call", lambda desk: desk.delete("IT-1"), GONE),
]


@pytest.mark.parametrize("when, act, reason", [case[1:] for case in PEOPLE], ids=[c[0] for c in PEOPLE])
def test_a_person_at_the_desk_wins(when, act, reason) -> None:
    house = rig()
    if when == "before":
        act(house.desk)
    else:
        house.die = _once("before call", lambda: act(house.desk))
    house.run()
    [effect] = house.effects()
    assert effect.state is EffectState.SKIPPED
    assert reason in effect.reason
    assert house.ours() == []
    assert house.audit()[-1].act == "push skipped"


def _once(point: str, then):
    """Runs it the first time that the point is reached."""
    left = [then]

    def reached(name: str) -> None:
        if name == point and left:
            left.pop()()

    return reached


def test_a_change_that_touches_nothing_of_ours_stops_nothing() -> None:
    house = rig()
    house.die = _once("before call", lambda: house.desk.say("IT-1", "It still drops."))
    house.run()
    assert (house.states(), len(house.ours()), house.shown()) == (["done"], 1, LABEL)


LOST_AND_EDITED = [
    ("applied, then set to another value", Fault.RESET_AFTER, {"category": OTHER}, OTHER, "skipped", 1),
    ("late, but the ticket is another by then", Fault.LATE, {"category": OTHER}, OTHER, "skipped", 0),
    ("applied, then emptied by a person", Fault.RESET_AFTER, {"category": None}, None, "parked", 1),
    ("lost, and another field is set", Fault.RESET_BEFORE, {"application": "VPN"}, None, "parked", 0),
]


@pytest.mark.parametrize(
    "fault, values, stands, state, ours",
    [case[1:] for case in LOST_AND_EDITED],
    ids=[c[0] for c in LOST_AND_EDITED],
)
def test_a_person_who_comes_after_a_lost_reply_wins(fault, values, stands, state, ours) -> None:
    house = rig(fault)
    house.run(2.0)
    house.desk.edit("IT-1", values)
    house.run()
    [effect] = house.effects()
    assert (effect.state.value, house.shown(), len(house.ours())) == (state, stands, ours)
    if state == "parked":
        assert effect.reason == TOUCHED


def test_a_correction_here_wins_also_in_the_last_moment() -> None:
    house = rig()
    word = Correction(TENANT, "IT-1", "category", OTHER, LABEL, "ana", house.clock.now())
    house.die = _once("after read", lambda: house.store.write(lambda tx: tx.tickets.correct(word)))
    house.run()
    assert (house.states(), house.ours()) == (["skipped"], [])


POINTS = [f"{when} {what}" for what in ("read", "intent", "call", "done") for when in ("before", "after")]


@pytest.mark.parametrize("fault", [None, Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LATE])
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_may_die_anywhere(point, fault) -> None:
    house = rig(fault)

    def dies() -> None:
        raise DiedError

    house.die = _once(point, dies)
    house.run()
    [effect] = house.effects()
    assert (effect.state, house.desk.count(effect.key)) == (EffectState.DONE, 1)
    assert [one.act for one in house.audit()].count("push") == 1


def test_a_job_that_kills_every_worker_is_shown_to_people() -> None:
    house = rig()

    def dies(point: str) -> None:
        if point == "before read":
            raise DiedError

    house.die = dies
    house.run(1000.0)
    assert house.workers > MOST_CRASHES
    assert (house.states(), house.ours()) == (["parked"], [])
    assert parked(house.store, TENANT) == house.effects()
    house.die = lambda point: None
    push_again(house.store, house.clock, house.random.getrandbits, TENANT, "IT-1", "triage:1", "ana")
    house.run()
    assert (house.states(), len(house.ours())) == (["done"], 1)


@pytest.mark.parametrize(
    "point, compares, calls",
    [("after intent", True, 1), ("after intent", False, 1), ("before call", True, 2)],
)
def test_a_worker_that_wakes_up_late_writes_nothing(point, compares, calls) -> None:
    """Stopped between intent and call, and taken over meanwhile: it sees that its time is over, or the desk does."""
    house = Rig(compares=compares)
    house.open()
    house.triage(category=LABEL)

    def slept() -> None:
        house.clock.pause(400.0)
        house.run()

    house.die = _once(point, slept)
    assert house.step()
    assert (house.states(), len(house.ours())) == (["done"], 1)
    assert sum(call.name == "update" for call in house.desk.calls) == calls
    assert [one.act for one in house.audit()].count("push") == 1


def test_a_call_that_would_begin_too_late_is_not_made_though_the_lease_holds() -> None:
    house = Rig(settings=PushSettings(call=5.0))
    house.open()
    house.triage(category=LABEL)
    house.die = _once("after intent", lambda: house.clock.pause(6.0))
    assert house.step()
    assert [one.name for one in house.desk.calls] == ["get"]
    house.run()
    assert (house.states(), len(house.ours())) == (["done"], 1)


def test_quiescence_is_a_job_that_is_due_later() -> None:
    house = rig(Fault.RESET_BEFORE)
    assert house.step()
    [effect] = house.effects()
    assert effect.state is EffectState.INTENT
    [queue] = house.store.read(lambda tx: tx.jobs.states())
    assert (queue.kind, queue.waiting, queue.leased) == (PUSH, 1, 0)
    assert (queue.oldest - house.clock.now()).total_seconds() == QUIESCENCE
    house.clock.pause(QUIESCENCE - 1.0)
    assert not house.step()


def test_a_desk_without_a_connector_is_told_to_people() -> None:
    house = rig()
    house.seat = lambda tenant, desk: None
    house.run()
    assert [one.reason for one in house.effects()] == [NO_SEAT]
    assert house.states() == ["parked"]


# Notes


@pytest.mark.parametrize(
    "fault", [None, Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LATE, Fault.UNAVAILABLE]
)
@pytest.mark.parametrize("lag", [0.0, 30.0])
def test_a_note_is_added_once_though_its_marker_shows_late(fault, lag) -> None:
    house = Rig(FaultPlan(lag=lag).then("add_internal_note", [fault]))
    house.open()
    note(house)
    house.run()
    [effect] = house.effects()
    assert (effect.state, house.desk.count(effect.key)) == (EffectState.DONE, 1)


def note(house: Rig) -> None:
    bits = house.random.getrandbits

    def work(tx) -> None:
        record = tx.tickets.get(TENANT, "IT-1")
        plan_note(tx, record, "why", "It looks like a network fault.", "ana", house.clock, bits)

    house.store.write(work)


def test_the_effects_of_a_ticket_are_pushed_in_their_order() -> None:
    house = rig(Fault.LATE)
    note(house)
    house.run()
    assert house.states() == ["done", "done"]
    assert [one.act for one in house.ours()] == ["update", "note"]


# Echo


@pytest.mark.parametrize("fault", [None, Fault.RESET_AFTER])
def test_our_own_write_is_an_echo_and_a_persons_is_not(fault) -> None:
    house = rig(fault)
    assert not is_echo(house.effects(), house.desk.shown("IT-1"))
    house.step()  # with a lost reply the effect is still open now
    hint = house.desk.parse_webhook(*house.desk.webhooks[-1])
    assert is_echo(house.effects(), house.desk.shown(hint.ticket_id))
    house.run()
    assert is_echo(house.effects(), house.desk.shown("IT-1"))
    house.desk.say("IT-1", "Now the mail is gone too.")
    assert not is_echo(house.effects(), house.desk.shown("IT-1"))
    house.desk.say("IT-1", "")
    house.desk.edit("IT-1", {"category": OTHER})
    assert not is_echo(house.effects(), house.desk.shown("IT-1"))
