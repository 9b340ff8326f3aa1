"""Earlier answers: served to the same request, to no other, and never against a person's word."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tamiz.domain.codec import triage_from_data, triage_to_data
from tamiz.domain.errors import BadPredictionError, ProviderUnavailableError
from tamiz.domain.records import Hold, Record, Verdict
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Reason, Tier
from tamiz.service.accept import ENRICH, TRIAGE
from tamiz.service.flights import Flights, SharedModel
from tamiz.service.people import Feedback, correct
from tamiz.service.recall import CachePolicy
from tamiz.service.replay import replay
from tamiz.testing.scripted import ScriptedModel

from .cache_rig import ASKED, CACHE, OPEN, OTHER, SURE, TAXONOMY, Remembering, wrote
from .test_service import TENANT

CACHED, BY_AI, HUMAN = "Classified_By_Cache", "Classified_By_AI", "Needs_Human"


def test_the_same_text_is_asked_once() -> None:
    house = Remembering()
    first, again = house.ask(ASKED), house.ask(f"  {ASKED.replace(' ', '  ')} \n")
    assert (house.status(first), house.status(again)) == (BY_AI, CACHED)
    assert house.predicted == [ASKED]
    recall = house.receipt(again).recall
    assert (recall.ticket_id, recall.tier, recall.by_person) == (first, Tier.EXACT, False)
    third = house.ask(ASKED)
    assert house.receipt(third).recall.ticket_id == first  # the root, not the copy
    assert house.reuse(third).source_id == first


def test_what_another_tenant_asked_is_not_known() -> None:
    house = Remembering()
    house.ask(ASKED, tenant="bolt")
    other = house.ask(ASKED)
    assert (house.status(other), house.receipt(other).refusal) == (BY_AI, "")
    assert house.predicted == [ASKED, ASKED]


def test_a_request_in_other_words_spares_the_language_model() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer, angles={OTHER: 0.1})
    first, other = house.ask(ASKED), house.ask(OTHER)
    assert (house.status(first), house.status(other)) == (BY_AI, CACHED)
    assert len(writer.asked) == 1
    assert house.receipt(other).recall.tier is Tier.VERIFIED
    assert house.receipt(other).recall.similarity == pytest.approx(0.995, abs=1e-3)
    assert house.receipt(other).writer == house.receipt(first).writer
    triage = house.revision(other).triage
    assert triage.summary_source == "extractive"  # the other's might name what is not in this one
    assert triage_from_data(triage_to_data(triage)) == triage
    assert replay(house.store, house.judge, TENANT, other).same


def test_what_was_served_in_other_words_is_served_no_further() -> None:
    words = {OTHER: 0.3, "Outlook does not open, since this morning": 0.6}
    house = Remembering(angles=words)
    _, _, far = (house.ask(text) for text in (ASKED, *words))
    assert (house.status(far), house.receipt(far).refusal) == (BY_AI, "unsettled")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Outlook 2019 does not open since this morning", "number"),
        ("Outlook does open since this morning", "polarity"),
        ("Teams does not open since this morning", "entity"),
        ("Outlook no se abre desde esta mañana, por favor ayuda", "language"),
    ],
)
def test_another_request_is_refused_however_near_it_lies(text: str, reason: str) -> None:
    house = Remembering()
    house.ask(ASKED)
    other = house.ask(text)
    assert (house.status(other), house.receipt(other).refusal) == (BY_AI, reason)
    assert house.receipt(other).recall is None


def test_a_far_text_is_not_looked_at() -> None:
    house = Remembering(angles={OTHER: 0.5})
    house.ask(ASKED)
    assert house.receipt(house.ask(OTHER)).refusal == ""


def test_nothing_is_served_where_the_model_sees_another_ticket() -> None:
    other_label = {**SURE, "category": (TAXONOMY.field("category").classes[1], 0.9)}
    house = Remembering(says={OTHER: other_label})
    house.ask(ASKED)
    assert house.receipt(house.ask(OTHER)).refusal == "model"


def test_nothing_is_served_where_the_model_is_not_sure() -> None:
    unsure = {**SURE, "category": (SURE["category"][0], 0.2)}
    house = Remembering(says={OTHER: unsure})
    house.ask(ASKED)
    assert house.receipt(house.ask(OTHER)).refusal == "unsure"


def test_an_answer_that_waits_for_the_language_model_is_not_final() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer)
    first = house.ask(ASKED, enrich=False)
    other = house.ask(OTHER, enrich=False)
    assert (house.status(first), house.receipt(other).refusal) == (HUMAN, "unsettled")
    assert house.work(ENRICH) == 2
    assert len(writer.asked) == 2  # both were on their way
    assert house.status(house.ask("Since this morning, Outlook does not open")) == CACHED
    assert len(writer.asked) == 2


def test_a_failure_of_the_language_model_is_no_answer() -> None:
    writer = wrote()
    said = writer.script

    def refuse(question):
        raise ProviderUnavailableError(provider="x", reason="it sleeps")

    writer.script = refuse
    house = Remembering(OPEN, writer)
    house.ask(ASKED)
    writer.script = said
    other = house.ask(OTHER)
    assert (house.status(other), len(writer.asked)) == (BY_AI, 2)


def test_a_thousand_equal_tickets_ask_each_model_once() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer)
    tickets = [house.accept(RawMessage("", ASKED)) for _ in range(1000)]
    for kind in (TRIAGE, ENRICH):
        while house.work(kind):
            pass
    assert (house.predicted, len(writer.asked)) == ([ASKED], 1)
    assert {house.status(one) for one in tickets} == {BY_AI, CACHED}
    assert {house.value(one, "urgency") for one in tickets} == {"Medium"}


def test_a_correction_is_felt_by_the_next_ticket_in_other_words() -> None:
    house = Remembering(angles={OTHER: 0.1})
    house.correct(house.ask(ASKED), category="Access", subcategory="Permissions")
    other = house.ask(OTHER)
    assert (house.status(other), house.value(other)) == (CACHED, "Access")
    assert house.value(other, "subcategory") == "Permissions"
    assert house.receipt(other).recall.by_person
    assert house.value(house.ask(ASKED)) == "Access"
    assert house.predicted == [ASKED, OTHER]
    assert replay(house.store, house.judge, TENANT, other).same


def test_a_correction_of_what_was_served_again_is_followed_and_its_source_is_served_no_more() -> None:
    house = Remembering(angles={OTHER: 0.1})
    first, served = house.ask(ASKED), house.ask(OTHER)
    copy = house.ask(ASKED)
    assert [house.status(one) for one in (served, copy)] == [CACHED, CACHED]
    house.correct(served, category="Access")
    assert house.reuse(served).verdict is Verdict.WRONG
    again, same = house.ask("Since this morning, Outlook does not open"), house.ask(ASKED)
    assert [house.value(one) for one in (again, same)] == ["Access", "Access"]
    assert {house.receipt(one).recall.ticket_id for one in (again, same)} == {served}
    house.angles["Outlook will not open at all"] = -0.4  # far from the correction, near its source
    far = house.ask("Outlook will not open at all")
    assert (house.value(first), house.receipt(far).recall) == (SURE["category"][0], None)


def test_a_person_who_agrees_says_that_the_answer_was_right() -> None:
    house = Remembering()
    house.ask(ASKED)
    served = house.ask(OTHER)
    house.correct(served, category=SURE["category"][0])
    assert (house.reuse(served).verdict, house.record()) == (Verdict.RIGHT, Record(1, 0))


def test_a_correction_before_the_triage_is_felt_too() -> None:
    house = Remembering()
    early = house.accept(RawMessage("", ASKED))
    house.correct(early, category="Access")
    house.work(TRIAGE)
    assert house.value(house.ask(OTHER)) == "Access"


def test_a_cache_over_its_budget_serves_no_more_and_comes_back_when_it_was_right_again() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer)
    house.ask(ASKED)
    house.judged(Verdict.WRONG, 20)
    withheld = house.ask(OTHER, enrich=False)
    receipt = house.receipt(withheld)
    assert (receipt.recall.tier, receipt.refusal, receipt.writer) == (Tier.WITHHELD, "budget", None)
    assert house.status(withheld) == HUMAN
    house.work(ENRICH)
    assert (house.status(withheld), len(writer.asked)) == (BY_AI, 2)
    assert house.reuse(withheld).verdict is Verdict.RIGHT
    house.judged(Verdict.RIGHT, 2000)
    assert house.status(house.ask("Since this morning, Outlook does not open")) == CACHED


def test_a_persons_word_is_served_also_over_the_budget() -> None:
    house = Remembering()
    house.correct(house.ask(ASKED), category="Access")
    house.judged(Verdict.WRONG, 20)
    assert house.status(house.ask(OTHER)) == CACHED


def test_a_share_of_what_was_spared_is_worked_out_all_the_same() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer, replace(CACHE, again=1.0))
    house.ask(ASKED)
    checked = house.ask(OTHER, enrich=False)
    assert (house.status(checked), house.reuse(checked).verdict) == (CACHED, Verdict.OPEN)
    assert house.work(ENRICH) == 1
    assert (len(writer.asked), house.reuse(checked).verdict) == (2, Verdict.RIGHT)
    assert house.record() == Record(1, 0)


def test_only_the_same_text_or_nothing_at_all_where_that_is_wanted() -> None:
    for cache, same, other in (
        (replace(CACHE, verified=False), CACHED, BY_AI),
        (replace(CACHE, verified=False, exact=False), BY_AI, BY_AI),
    ):
        house = Remembering(cache=cache)
        house.ask(ASKED)
        assert (house.status(house.ask(ASKED)), house.status(house.ask(OTHER))) == (same, other)


def test_the_severity_floor_is_held_against_an_earlier_answer_too() -> None:
    house = Remembering({**SURE, "urgency": ("Low", 0.9)})
    house.ask("Nobody in the company can work: Outlook is down")
    served = house.ask("Nobody in the company can work: Outlook is down")
    assert house.revision(served).triage.fields["urgency"].reason is Reason.FLOOR


@pytest.mark.parametrize(
    ("record", "holds"),
    [((0, 0), True), ((100, 1), True), ((0 + 20, 20), False), ((600, 0), True), ((600, 4), False)],
)
def test_the_budget_is_held_by_a_bound_and_not_by_an_average(record, holds: bool) -> None:
    assert CachePolicy().holds(Record(*record)) is holds
    assert not CachePolicy(budget=0.001).holds(Record(100, 0))
    assert CachePolicy(budget=0.5).holds(Record(*record))


def test_equal_work_at_the_same_time_is_done_once() -> None:
    flights, started, go = Flights(), threading.Event(), threading.Event()

    def slow(text):
        started.set()
        assert go.wait(10)
        return SURE

    model = ScriptedModel(TAXONOMY, slow)
    answers: list[object] = []

    def ask(tenant: str) -> None:
        answers.append(SharedModel(model, tenant, flights).predict(["same", "same"]))

    threads = [threading.Thread(target=ask, args=(tenant,)) for tenant in ("a",) * 9 + ("b",)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(model.calls) < 2:
        threads[1].join(0.01)
    go.set()
    for thread in threads:
        thread.join(10)
    assert (len(answers), model.calls) == (10, [("same",), ("same",)])  # one for each tenant


def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    flights = Flights()
    model = ScriptedModel(TAXONOMY, lambda text: SURE)
    shared = SharedModel(model, "a", flights)
    model.predict = lambda texts: []
    with pytest.raises(BadPredictionError, match="0 answers to 1 texts"):
        shared.predict(["one"])
    del model.predict
    assert len(shared.predict(["one"])) == 1


def test_a_word_that_waits_is_heard_by_the_same_request_and_one_held_back_by_nobody() -> None:
    house = Remembering(angles={OTHER: 0.3})
    first = house.ask(ASKED)
    feedback = Feedback(TENANT, first, {"category": "Access"}, "ana")
    correct(house.store, house.clock, TAXONOMY, feedback, waits=lambda tx: True)
    other = house.ask(OTHER)
    assert (house.status(other), house.value(other)) == (CACHED, "Access")
    hold = Hold(TENANT, "ana", house.clock.now(), "surprise", "tamiz")
    house.store.write(lambda tx: tx.words.hold(hold))
    after = house.ask("Since this morning, Outlook does not open")
    receipt = house.receipt(after)
    assert (house.status(after), receipt.recall, receipt.votes) == (BY_AI, None, {})
    assert receipt.refusal == "disputed"  # nor is what the model had said, which a person took for wrong


class Showing(Remembering):
    """A service that shows solved tickets to its language model."""

    def handler(self, kind):
        return replace(super().handler(kind), shown=3)


NEAR = {"My mouse is broken": 0.5, "Mi ratón no funciona": 0.45, "The screen flickers": 0.9}


def test_solved_tickets_are_shown_redacted_as_people_left_them() -> None:
    writer = wrote()
    house = Showing(OPEN, writer, angles={**NEAR, "Mouse dead, call +34 600 123 456": 0.55})
    mine = house.ask("Mouse dead, call +34 600 123 456")
    house.ask("The screen flickers")  # nobody said a word of it
    house.correct(mine, urgency="Low")
    house.correct(mine, urgency="High", application=None)
    asked = house.ask("My mouse is broken")
    (example,) = writer.asked[-1].examples
    assert (example.id, example.labels) == (mine, {"urgency": "High", "application": "none"})
    assert "600 123 456" not in example.text
    assert "Mouse dead" in example.text
    assert [name for name, _ in house.receipt(asked).neighbours] == [mine]


def test_neither_far_tickets_nor_those_of_others_nor_the_ticket_itself_are_shown() -> None:
    writer = wrote()
    house = Showing(OPEN, writer, angles={**NEAR, "far away": 2.5})
    foreign = house.ask("My mouse is broken", tenant="bolt", enrich=False)
    correct(house.store, house.clock, TAXONOMY, Feedback("bolt", foreign, {"urgency": "High"}, "bo"))
    far = house.ask("far away")
    house.correct(far, urgency="High")
    own = house.ask("The screen flickers", enrich=False)
    house.correct(own, urgency="High")
    house.work(ENRICH)
    assert writer.asked[-1].examples == ()
    assert {example.id for question in writer.asked for example in question.examples} == set()


def test_a_solved_ticket_in_the_tickets_own_language_is_shown_first() -> None:
    writer = wrote()
    asked = "Mi ratón está roto desde esta mañana"
    texts = {
        "The mouse of the reception does not work": 0.5,
        "El ratón de la recepción no funciona desde ayer": 0.45,
    }
    house = Showing(OPEN, writer, angles={**texts, asked: 1.2})
    for text in texts:
        house.correct(house.ask(text), urgency="High")
    house.ask(asked)
    assert [example.language for example in writer.asked[-1].examples] == ["es", "en"]


def test_no_solved_ticket_is_shown_where_none_is_wanted() -> None:
    writer = wrote()
    house = Remembering(OPEN, writer, angles=NEAR)
    house.correct(house.ask("My mouse is broken"), urgency="High")
    house.ask("Mi ratón no funciona")
    assert writer.asked[-1].examples == ()


def test_words_that_wait_and_those_of_held_back_accounts_are_not_shown() -> None:
    writer = wrote()
    house = Showing(OPEN, writer, angles={"My mouse is broken": 1.2, "The screen flickers": 0.7})
    told = house.ask("My mouse is broken"), house.ask("The screen flickers")
    for ticket_id, by, waits in zip(told, ("ana", "bo"), (True, False), strict=True):
        feedback = Feedback(TENANT, ticket_id, {"urgency": "High"}, by)
        correct(house.store, house.clock, TAXONOMY, feedback, waits=lambda tx, waits=waits: waits)
    house.ask("Something else")
    assert [one.id for one in writer.asked[-1].examples] == [told[1]]
    hold = Hold(TENANT, "bo", house.clock.now(), "surprise", "tamiz")
    house.store.write(lambda tx: tx.words.hold(hold))
    house.ask("Something else, and more")
    assert writer.asked[-1].examples == ()


def test_of_two_words_on_the_same_request_the_one_of_more_accounts_stands_else_the_latest() -> None:
    house = Remembering(angles={OTHER: 0.1})
    first, second = house.ask(ASKED), house.ask(OTHER)
    house.correct(first, "ana", category="Access")
    house.correct(second, "bea", category="Network")
    assert house.value(house.ask("Since this morning, Outlook does not open")) == "Network"
    third = house.ask("Outlook does not open, since this morning")
    house.correct(third, "carl", category="Access")
    after = house.ask("Outlook, since this morning, does not open")
    assert (house.status(after), house.value(after)) == (CACHED, "Access")


def test_who_waits_for_work_that_fails_does_it_himself() -> None:
    flights, started, go = Flights(), threading.Event(), threading.Event()
    found: list[object] = []

    def fails():
        started.set()
        assert go.wait(10)
        raise ValueError("the first")

    def first() -> None:
        with pytest.raises(ValueError, match="the first"):
            flights.one("key", fails)

    threads = [
        threading.Thread(target=first),
        threading.Thread(target=lambda: found.append(flights.one("key", lambda: "done"))),
    ]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    threads[1].join(0.05)
    assert not found
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == ["done"]
