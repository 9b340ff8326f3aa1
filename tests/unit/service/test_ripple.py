"""What a correction means for tickets that have their answer already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tamiz.domain.errors import ConflictError, UnknownTicketError
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.outbox import EffectState
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.ticket import RawMessage, Source
from tamiz.domain.triage import Decision, Reason
from tamiz.service.accounts import hold, lift
from tamiz.service.push_plan import SUPERSEDED, Planning, Seat
from tamiz.service.replay import replay
from tamiz.service.revert import Wanted, perform_revert, plan_revert
from tamiz.service.ripple import Cause, RipplePlan, Rippling, Said
from tamiz.service.undo_values import in_review
from tamiz.testing.fake_desk import FakeDesk
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted import ScriptedModel

from .cache_rig import ASKED, CACHE, OPEN, OTHER, SURE, TAXONOMY, Remembering, wrote
from .test_service import TENANT

CACHED, BY_AI, HUMAN, PERSON = "Classified_By_Cache", "Classified_By_AI", "Needs_Human", "Human_Corrected"
FIRST = SURE["category"][0]
EARNED = Policy({f.name: FieldPolicy(apply_at=0.6) for f in TAXONOMY.choices})
FAR = "The printer on the third floor is out of paper"


def rippling(house: Remembering, **more) -> Rippling:
    return Rippling(house.store, house.clock, lambda tenant: house.judge, house.memory, house.cache, **more)


def changes(plan: RipplePlan) -> dict[str, dict[str, tuple]]:
    return {
        one.ticket_id: {name: (shift.before.value, shift.after.value) for name, shift in one.fields.items()}
        for one in plan.affected
    }


def test_what_was_served_from_a_corrected_ticket_follows_it() -> None:
    house = Remembering(angles={OTHER: 0.1, FAR: 1.5})
    first, same, other, far = (house.ask(text) for text in (ASKED, ASKED, OTHER, FAR))
    house.correct(first, category="Access", subcategory="Permissions")
    plan = rippling(house)(TENANT, "", "ana")
    assert (plan.ticket_id, plan.looked, plan.applied) == (first, 2, None)
    assert changes(plan)[same]["category"] == changes(plan)[other]["category"] == (FIRST, "Access")
    assert {(one.cause, one.source_id) for one in plan.affected} == {(Cause.SERVED, first)}
    assert far not in changes(plan)
    assert house.value(same) == FIRST  # a plan changes nothing


def test_what_is_applied_decides_the_same_from_its_receipt_and_is_done_once() -> None:
    house = Remembering(angles={OTHER: 0.1})
    first, same, other = (house.ask(text) for text in (ASKED, ASKED, OTHER))
    house.correct(first, category="Access", subcategory="Permissions")
    heard = []
    ripple = rippling(house, told=lambda record: heard.append(record.id))
    assert ripple(TENANT, first, "ana", apply=True).applied == 2
    for one in (same, other):
        assert (house.value(one), house.value(one, "subcategory")) == ("Access", "Permissions")
        assert (house.status(one), house.revision(one).number) == (CACHED, 2)
        assert house.receipt(one).recall.by_person
        assert replay(house.store, house.judge, TENANT, one).same
    assert sorted(heard) == sorted((same, other))
    again = ripple(TENANT, first, "ana", apply=True)
    assert (again.looked, again.affected, again.applied) == (2, (), 0)
    acts = house.store.read(lambda tx: tx.audit.after(TENANT))
    found = [(one.actor, one.subject, one.detail["source"]) for one in acts if one.act == "ripple"]
    assert sorted(found) == sorted(("ana", one, first) for one in (same, other))


def test_an_answer_of_the_same_root_is_looked_at_where_a_copy_is_corrected() -> None:
    house = Remembering()
    first, second, third = (house.ask(ASKED) for _ in range(3))
    house.correct(second, category="Access")
    assert set(changes(rippling(house)(TENANT, second, "ana"))) == {first, third}


def test_a_near_ticket_that_was_never_served_hears_the_vote() -> None:
    unsure = {**SURE, "category": (FIRST, 0.3)}
    house = Remembering(unsure, angles={OTHER: 0.3}, cache=replace(CACHE, verified=False))
    first, other = house.ask(ASKED), house.ask(OTHER)
    house.correct(first, category="Access")
    [one] = rippling(house)(TENANT, first, "ana").affected
    assert (one.ticket_id, one.cause, one.source_id) == (other, Cause.NEAR, first)
    assert one.similarity == pytest.approx(0.955, abs=1e-3)
    assert one.fields["category"].after.value == "Access"
    assert rippling(house)(TENANT, first, "ana", apply=True).applied == 1
    assert (house.status(other), house.receipt(other).recall) in ((BY_AI, None), (HUMAN, None))
    assert replay(house.store, house.judge, TENANT, other).same
    assert rippling(house)(TENANT, first, "ana").affected == ()


def test_what_a_person_said_is_never_touched() -> None:
    house = Remembering()
    first, same, other = (house.ask(ASKED) for _ in range(3))
    house.correct(same, category=FIRST)
    house.correct(first, category="Access")
    ripple = rippling(house)
    ready = ripple.plan(TENANT, first)
    assert same not in changes(ready.plan)
    house.correct(other, category=FIRST)  # after the plan
    assert ripple.perform(ready, "ana") == 0
    assert house.status(other) == PERSON


def test_a_ticket_that_has_moved_since_the_plan_is_left_alone() -> None:
    house = Remembering()
    first, same = house.ask(ASKED), house.ask(ASKED)
    house.correct(first, category="Access")
    ripple = rippling(house)
    ready = ripple.plan(TENANT, first)
    assert [ripple.perform(ready, "ana") for _ in range(2)] == [1, 0]
    assert house.revision(same).number == 2


def test_a_source_that_was_wrong_takes_what_a_language_model_wrote_of_it_along() -> None:
    writer, shut = wrote(), "Outlook will not open at all"
    house = Remembering(OPEN, writer, angles={OTHER: 0.1, shut: -0.4})
    first, other, far = (house.ask(text) for text in (ASKED, OTHER, shut))
    assert house.receipt(far).recall.ticket_id == first
    house.correct(other, category="Access")
    ripple = rippling(house)
    found = changes(ripple(TENANT, other, "ana", apply=True))
    assert found[first]["category"] == (FIRST, "Access")
    assert found[far]["urgency"] == ("Medium", ABSTAIN)
    receipt = house.receipt(far)
    assert (receipt.recall, receipt.writer, receipt.refusal) == (None, None, "told")
    assert house.status(far) == HUMAN
    assert house.receipt(first).writer.distributions.keys() == {"urgency"}  # it was asked of this very text
    assert len(writer.asked) == 1  # nobody is asked again
    assert ripple(TENANT, other, "ana", apply=True).applied == 0
    assert all(replay(house.store, house.judge, TENANT, one).same for one in (first, far))


def test_a_word_that_is_taken_back_is_taken_back_elsewhere() -> None:
    house = Remembering(angles={OTHER: 0.1})
    first, same, other = (house.ask(text) for text in (ASKED, ASKED, OTHER))
    house.correct(first, category="Access")
    ripple = rippling(house)
    assert ripple(TENANT, first, "ana", apply=True).applied == 2
    house.correct(first, category=FIRST)
    assert ripple(TENANT, first, "ana", apply=True).applied == 2
    assert [house.value(one) for one in (same, other)] == [FIRST, FIRST]


def test_what_no_longer_counts_is_taken_back_elsewhere() -> None:
    house = Remembering(angles={OTHER: 0.1})
    first, same, other = (house.ask(text) for text in (ASKED, ASKED, OTHER))
    house.correct(first, by="eve", category="Access")
    ripple = rippling(house)
    assert ripple(TENANT, first, "ana", apply=True).applied == 2
    hold(house.store, house.clock, TENANT, "eve", "ana")
    shown = ripple(TENANT, first, "ana")
    assert changes(shown)[same]["category"] == changes(shown)[other]["category"] == ("Access", FIRST)
    lift(house.store, house.clock, TENANT, "eve", "ana")
    assert ripple(TENANT, first, "ana").affected == ()
    plan = plan_revert(house.store, house.clock, TAXONOMY, TENANT, Wanted(ticket_id=first))
    assert perform_revert(house.store, house.clock, TAXONOMY, plan, "ana") == 1
    assert {one.ticket_id for one in ripple(TENANT, first, "ana", apply=True).affected} == {same, other}
    assert [house.value(one) for one in (first, same, other)] == [FIRST] * 3
    assert all(replay(house.store, house.judge, TENANT, one).same for one in (same, other))


def test_another_policy_alone_changes_nothing() -> None:
    house = Remembering()
    first, _ = house.ask(ASKED), house.ask(ASKED)
    house.correct(first, category=FIRST)
    house.judge = replace(house.judge, policy=Policy(shadow=True))
    assert rippling(house)(TENANT, first, "ana").affected == ()


def test_what_shadow_forbids_is_not_applied() -> None:
    house = Remembering()
    house.judge = replace(house.judge, policy=EARNED)
    first, same = house.ask(ASKED), house.ask(ASKED)
    assert "apply" in decisions(house, same)
    house.correct(first, category="Access", subcategory="Permissions")
    house.judge = replace(house.judge, policy=replace(EARNED, shadow=True))
    rippling(house)(TENANT, first, "ana", apply=True)
    assert (house.value(same), decisions(house, same)) == ("Access", {"recommend"})


def decisions(house: Remembering, ticket_id: str) -> set[str]:
    return {one.decision.value for one in house.revision(ticket_id).triage.fields.values()}


def test_no_severity_that_was_applied_falls_by_itself() -> None:
    house = Remembering()
    house.judge = replace(house.judge, policy=EARNED)
    first, same = house.ask(ASKED), house.ask(ASKED)
    severe, least = TAXONOMY.field("urgency").keys[0], TAXONOMY.field("urgency").keys[-1]
    assert house.value(same, "urgency") == severe
    house.correct(first, urgency=least)
    ripple = rippling(house)
    [one] = ripple(TENANT, first, "ana", apply=True).affected
    assert one.fields["urgency"].after == Said(ABSTAIN, Decision.REVIEW)
    assert house.revision(same).triage.fields["urgency"].reason is Reason.FLOOR
    assert (house.status(same), ripple(TENANT, first, "ana").affected) == (HUMAN, ())


def test_what_follows_is_kept_in_the_same_transaction() -> None:
    house = Remembering()
    first, same = house.ask(ASKED), house.ask(ASKED)
    house.correct(first, category="Access")

    def fail(tx, record, revision) -> None:
        raise ConflictError(what="The desk", reason="it says no")

    with pytest.raises(ConflictError):
        rippling(house, saved=fail)(TENANT, first, "ana", apply=True)
    assert house.value(same) == FIRST
    planned = []
    hook = lambda tx, record, revision: planned.append((record.id, revision.number))  # noqa: E731
    rippling(house, saved=hook)(TENANT, first, "ana", apply=True)
    assert planned == [(same, 2)]


def test_another_tenants_tickets_are_out_of_reach() -> None:
    house = Remembering()
    first, theirs = house.ask(ASKED), house.ask(ASKED, tenant="bolt")
    house.correct(first, category="Access")
    assert rippling(house)(TENANT, first, "ana").looked == 0
    with pytest.raises(UnknownTicketError):
        rippling(house)(TENANT, theirs, "ana")
    assert rippling(house)("bolt", "", "ana") == RipplePlan("")


def test_a_ticket_that_no_model_has_read_has_no_neighbours() -> None:
    house = Remembering()
    house.ask(ASKED)
    early = house.accept(RawMessage("", ASKED))
    house.correct(early, category="Access")
    assert rippling(house)(TENANT, early, "ana") == RipplePlan(early)


def test_without_a_memory_nothing_is_near() -> None:
    house = Remembering()
    first, _ = house.ask(ASKED), house.ask(ASKED)
    house.correct(first, category="Access")
    forgetful = Rippling(house.store, house.clock, lambda tenant: house.judge)
    assert forgetful(TENANT, "", "ana") == RipplePlan(first)


def test_what_another_model_has_read_is_left_to_it() -> None:
    house = Remembering()
    first, _ = house.ask(ASKED), house.ask(ASKED)
    house.correct(first, category="Access")
    house.judge = replace(house.judge, model=Other(TAXONOMY, lambda text: SURE))
    assert rippling(house)(TENANT, first, "ana") == RipplePlan(first)


class Other(ScriptedModel):
    """Another model of the same classes."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, content_hash="1" * 16)


def test_what_was_taken_back_from_a_model_goes_on_asking_a_person() -> None:
    house = Remembering()
    house.judge = replace(house.judge, policy=EARNED)
    first, same = house.ask(ASKED), house.ask(ASKED)
    now = house.clock.now()
    house.store.write(lambda tx: in_review(tx, TAXONOMY, TENANT, same, ["category"], now))
    house.correct(first, category="Access", urgency=TAXONOMY.field("urgency").keys[-1])
    rippling(house)(TENANT, first, "ana", apply=True)
    assert house.revision(same).number == 3
    assert house.value(same) == ABSTAIN
    assert replay(house.store, house.judge, TENANT, same).same


def test_a_value_that_was_pushed_is_followed_by_another_push() -> None:
    house, desk = Remembering(), FakeDesk(ManualClock(), "fake")
    house.judge = replace(house.judge, policy=EARNED)
    planning = Planning(lambda tenant, name: Seat(desk), lambda tenant: TAXONOMY, house.clock, house.bits)
    handler = house.handler
    house.handler = lambda kind: replace(handler(kind), saved=planning)
    ids = [house.ask(ASKED, source=Source("fake", name)) for name in ("IT-1", "IT-2")]
    house.correct(ids[0], category="Access", subcategory="Permissions")
    rippling(house, saved=planning)(TENANT, ids[0], "ana", apply=True)
    effects = [house.store.read(lambda tx, one=one: tx.outbox.of_ticket(TENANT, one)) for one in ids]
    assert [[one.name for one in found] for found in effects] == [["triage:1"], ["triage:1", "triage:2"]]
    first, second = effects[1]
    assert (first.state, first.reason) == (EffectState.SKIPPED, SUPERSEDED)  # it had not left the house
    assert (first.values["category"], second.values["category"]) == (FIRST, "Access")
    assert second.cause.revision == 2
