"""The cascade: who is asked what, how two opinions become one, and what sends a field to a person."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace

import pytest

from tamiz.domain.codec import triage_from_data, triage_to_data
from tamiz.domain.errors import ProviderUnavailableError
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import Neighbour, Written
from tamiz.domain.rules import Rule
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.triage import Decision, Distribution, Pool, Reason
from tamiz.pipeline import triage
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.pipeline.evidence import replayed
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter
from tamiz.text import canonicalize

TAXONOMY = default_taxonomy()
SURE = {
    "category": ("Network", 0.9),
    "subcategory": ("Other", 0.9),
    "application": ("VPN", 0.9),
    "urgency": ("Medium", 0.9),
    "impact": ("Low", 0.9),
    "assignment_group": ("Network Operations", 0.9),
    "request_type": ("Incident", 0.9),
}
TEXT = "The VPN client drops every ten minutes since Monday"


def certain(name: str, label: str, sure: float = 0.9) -> Distribution:
    classes = TAXONOMY.field(name).classes
    rest = (1.0 - sure) / (len(classes) - 1)
    return Distribution(classes, tuple(sure if c == label else rest for c in classes))


def written(answers: dict[str, str], summary: str = "", abstained: float = 0.0):
    def script(question):
        told = {n: certain(n, answers.get(n, TAXONOMY.field(n).classes[0])) for n in question.fields}
        return Written(told, abstained, summary if question.summary else "")

    return ScriptedWriter(TAXONOMY, script)


def sieved(model_says, cascade: Cascade, text: str = TEXT, policy: Policy | None = None, scope: float = 1.0):
    model = ScriptedModel(TAXONOMY, lambda _: model_says, scope=lambda _: scope)
    ticket = Ticket("t", RawMessage("", text), None)
    return triage([ticket], model, policy or Policy(), canonicalize, cascade)[0]


def test_only_open_fields_are_asked_and_settled_ones_are_told() -> None:
    writer = written({"urgency": "Medium"})
    found = sieved({**SURE, "urgency": ("Medium", 0.4)}, Cascade(writer))
    (question,) = writer.asked
    assert question.fields == ("urgency",)
    assert question.known["category"] == "Network"
    assert "urgency" not in question.known
    assert not question.summary
    assert found.fields["urgency"].value == "Medium"
    assert found.fields["urgency"].decision is Decision.RECOMMEND
    assert found.receipt.writer.distributions["urgency"].best[0] == "Medium"
    assert found.receipt.distributions["urgency"].best[1] == pytest.approx(0.4)


def test_nothing_is_asked_where_the_encoder_is_sure_or_the_ticket_is_out_of_reach() -> None:
    writer = written({})
    sieved(SURE, Cascade(writer))
    out_of_scope = sieved(
        SURE, Cascade(writer, summary=SummaryMode.LLM), policy=Policy(scope_recommend=0.5), scope=0.1
    )
    assert writer.asked == []
    assert out_of_scope.receipt.writer is None


def test_disagreement_goes_to_a_person_with_what_rests_on_it() -> None:
    writer = written({"urgency": "High"})
    found = sieved({**SURE, "urgency": ("Low", 0.45)}, Cascade(writer))
    assert found.fields["urgency"].value == ABSTAIN
    assert found.fields["urgency"].reason is Reason.DISAGREEMENT
    assert found.fields["priority"].value == ABSTAIN
    assert found.fields["category"].value == "Network"
    parent = sieved({**SURE, "category": ("Network", 0.4)}, Cascade(written({"category": "Software"})))
    assert parent.fields["subcategory"].value == ABSTAIN


def test_a_model_that_would_rather_not_say_settles_nothing() -> None:
    writer = written({"urgency": "Medium"}, abstained=0.9)
    found = sieved({**SURE, "urgency": ("Medium", 0.4)}, Cascade(writer))
    assert found.fields["urgency"].value == ABSTAIN


def test_a_field_whose_pool_ignores_the_model_is_not_asked() -> None:
    writer = written({})
    sieved({**SURE, "urgency": ("Medium", 0.4)}, Cascade(writer, {"urgency": Pool(1.0, 0.01)}))
    assert writer.asked == []


def test_a_failure_leaves_the_encoders_word_and_says_why() -> None:
    def fails(question):
        raise ProviderUnavailableError(provider="far away", reason="timeout after 60 s")

    cascade = Cascade(ScriptedWriter(TAXONOMY, fails), summary=SummaryMode.LLM)
    found = sieved({**SURE, "urgency": ("Medium", 0.4)}, cascade)
    alone = sieved({**SURE, "urgency": ("Medium", 0.4)}, Cascade())
    assert found.fields == alone.fields
    assert found.fields["urgency"].value == ABSTAIN
    assert found.summary_source != "llm"
    assert "timeout after 60 s" in found.receipt.writer.failure


def test_words_of_an_outage_hold_back_a_low_value() -> None:
    text = "Complete outage: all users in the whole company are without e-mail, nobody can work"
    found = sieved({**SURE, "impact": ("Low", 0.95), "urgency": ("Low", 0.95)}, Cascade(), text)
    assert found.fields["impact"].reason is Reason.FLOOR
    assert found.fields["impact"].value == ABSTAIN
    assert found.fields["priority"].value == ABSTAIN
    high = sieved({**SURE, "impact": ("High", 0.95), "urgency": ("High", 0.95)}, Cascade(), text)
    assert high.fields["priority"].value == "Critical"
    off = sieved({**SURE, "impact": ("Low", 0.95)}, Cascade(floor=False), text)
    assert off.fields["impact"].value == "Low"


@pytest.mark.parametrize(
    ("summary", "source"),
    [
        ("VPN client drops every ten minutes", "llm"),
        ("SAP on SRV-042 is down since 14:30", "extractive"),
        ("", "extractive"),
    ],
)
def test_a_summary_that_names_what_the_ticket_does_not_is_refused(summary, source) -> None:
    found = sieved(SURE, Cascade(written({}, summary), summary=SummaryMode.LLM))
    assert found.summary_source == source
    assert ("summary_not_grounded" in found.flags) is (bool(summary) and source != "llm")


def test_a_summary_that_repeats_the_instruction_is_refused() -> None:
    writer = written({}, "File every ticket that comes in without asking anybody")
    cascade = Cascade(writer, summary=SummaryMode.LLM)
    assert sieved(SURE, cascade).summary_source == "llm"
    writer.told = "You file every ticket that comes in without asking anybody else."
    assert sieved(SURE, cascade).summary_source == "extractive"


def test_without_summaries_the_subject_stands() -> None:
    model = ScriptedModel(TAXONOMY, lambda _: SURE)
    ticket = Ticket("t", RawMessage("VPN", "drops every ten minutes"), None)
    found = triage([ticket], model, Policy(), canonicalize, Cascade(summary=SummaryMode.OFF))[0]
    assert (found.summary, found.summary_source) == ("VPN", "subject")


def test_retrieved_tickets_are_shown_with_the_question() -> None:
    near = Neighbour("n", 0.9, {"category": "Network"}, "vpn down")
    writer = written({})
    sieved({**SURE, "urgency": ("Medium", 0.4)}, Cascade(writer, retrieve=lambda text: [near]))
    assert writer.asked[0].examples == (near,)


def test_a_pool_weighs_and_leans() -> None:
    p, q = certain("urgency", "High", 0.6), certain("urgency", "Low", 0.9)
    assert Pool(1.0, 0.0).of(p, q).best[0] == "High"
    assert Pool(0.0, 1.0).of(p, q).probabilities == pytest.approx(q.probabilities)
    assert Pool(1.0, 1.0).of(p, p).best[1] > 0.6
    leaning = Pool(0.5, 0.5, (0.0, 9.0, 0.0)).of(p, q)
    assert leaning.best[0] == "Medium"
    assert math.isclose(sum(leaning.probabilities), 1.0)
    never = Distribution(p.labels, (0.0, 0.0, 1.0))
    assert math.isclose(sum(Pool().of(never, p).probabilities), 1.0)


def test_labels_that_were_never_earned_stay_recommendations_and_valid() -> None:
    policy = Policy({"urgency": FieldPolicy(recommend_at=0.3)})
    for label in TAXONOMY.field("urgency").keys:
        found = sieved({**SURE, "urgency": (label, 0.2)}, Cascade(written({"urgency": label})), policy=policy)
        values = {name: outcome.value for name, outcome in found.fields.items()}
        assert not TAXONOMY.violations({"summary": found.summary, **values})
        assert all(f.decision is not Decision.APPLY for f in found.fields.values())


def test_a_receipt_decides_again_exactly_as_it_did() -> None:
    """Whatever had a say: both models, a pool, the floor and a rule; also after the receipt was stored as JSON."""
    said = {**SURE, "urgency": ("Low", 0.4), "assignment_group": ("Desktop Support", 0.4)}
    writer = written({"urgency": "Low", "assignment_group": "Desktop Support"}, abstained=0.1)
    rules = (Rule("vpn", ("vpn",), where={"urgency": "Low"}, at_least={"impact": "Medium"}),)
    model = ScriptedModel(TAXONOMY, lambda _: said)
    for text in (TEXT, "VPN: nobody in the whole company can work, outage"):
        for second in (Cascade(writer, {"urgency": Pool(0.7, 0.6)}), Cascade()):
            ticket = Ticket("t", RawMessage("", text), None)
            found = triage([ticket], model, Policy(), canonicalize, second, rules)[0]
            stored = json.dumps(triage_to_data(found))
            again = replayed(triage_from_data(json.loads(stored)).receipt, TAXONOMY)
            assert again == found.fields


EARNED = Policy({f.name: FieldPolicy(apply_at=0.8) for f in TAXONOMY.choices})
LOW = {**SURE, "urgency": ("Low", 0.95)}


def through(policy=EARNED, text=TEXT, requester="", model_says=LOW, cascade=Cascade(), **more):  # noqa: B008 - frozen
    ticket = Ticket("t", RawMessage("", text, requester=requester), None)
    model = ScriptedModel(TAXONOMY, lambda _: model_says)
    return triage([ticket], model, policy, canonicalize, cascade, **more)[0]


def same_again(found) -> bool:
    """Does the receipt decide the same after it was stored?"""
    kept = triage_from_data(json.loads(json.dumps(triage_to_data(found))))
    return replayed(kept.receipt, TAXONOMY) == found.fields


def test_words_that_something_is_over_leave_an_outage_a_suggestion_with_its_reason() -> None:
    calm = through(model_says=LOW)
    assert calm.fields["urgency"].decision is Decision.APPLY
    found = through(text="Nobody can work! The printer from yesterday is already fixed.")
    assert (found.fields["urgency"].value, found.fields["urgency"].decision) == ("Low", Decision.RECOMMEND)
    assert found.fields["urgency"].reason is Reason.SAID_OVER
    assert found.fields["priority"].decision is Decision.RECOMMEND
    assert dict(found.receipt.eased)["urgency"] == "High"
    assert same_again(found)
    loud = through(text="The printer is already fixed. Now nobody can work!")
    assert (loud.fields["urgency"].decision, loud.fields["urgency"].reason) == (Decision.REVIEW, Reason.FLOOR)


def test_in_shadow_nothing_is_applied_and_the_receipt_says_what_would_be() -> None:
    rules = (Rule("vpn", ("vpn",), at_least={"impact": "High"}),)
    real = through(rules=rules)
    shadow = through(replace(EARNED, shadow=True), rules=rules)
    assert all(f.decision is not Decision.APPLY for f in shadow.fields.values())
    applied = {n for n, f in real.fields.items() if f.decision is Decision.APPLY}
    assert applied == {n for n, f in shadow.fields.items() if f.reason is Reason.SHADOW} != set()
    assert {n: f.value for n, f in shadow.fields.items()} == {n: f.value for n, f in real.fields.items()}
    assert same_again(shadow)


def test_a_rule_that_needs_no_model_decides_before_a_language_model_is_asked() -> None:
    open_field = {**SURE, "urgency": ("Medium", 0.4)}
    writer = written({"urgency": "Medium"})
    sets = Rule("vpn", ("vpn",), values={"urgency": "High"})
    asks = Rule("vpn", ("vpn",), review=("urgency",))
    later = Rule("vpn", ("vpn",), where={"category": "Network"}, values={"urgency": "High"})
    for rule in (sets, asks):
        through(model_says=open_field, cascade=Cascade(writer), rules=(rule,))
    assert writer.asked == []
    found = through(model_says=open_field, cascade=Cascade(writer), rules=(later,))
    assert [question.fields for question in writer.asked] == [("urgency",)]
    assert (found.fields["urgency"].value, found.fields["urgency"].reason) == ("High", Reason.RULE)
    assert same_again(found)


@pytest.mark.parametrize(
    ("label", "abstained", "value"),
    [
        ("Policy Violation", 0.0, ABSTAIN),
        ("Permissions", 0.9, ABSTAIN),
        ("Permissions", 0.0, "Permissions"),
    ],
)
def test_two_opinions_on_what_rests_on_a_rule_are_held_against_each_other(label, abstained, value) -> None:
    sets = Rule("vpn", ("vpn",), values={"category": "Access"})
    writer = written({"subcategory": label}, abstained=abstained)
    found = through(
        model_says={**SURE, "subcategory": ("Permissions", 0.2)}, cascade=Cascade(writer), rules=(sets,)
    )
    assert [question.fields for question in writer.asked] == [("subcategory",)]
    assert (found.fields["category"].value, found.fields["category"].reason) == ("Access", Reason.RULE)
    assert found.fields["subcategory"].value == value
    assert (found.fields["subcategory"].reason is Reason.DISAGREEMENT) is (value == ABSTAIN)
    assert same_again(found)


def test_a_vips_ticket_is_raised_and_the_receipt_does_not_know_whose_it_was() -> None:
    vip = Rule("VIP", requester=("@board.example.org",), at_least={"urgency": "High"})
    found = through(requester="eva@board.example.org", rules=(vip,))
    assert (found.fields["urgency"].value, found.fields["urgency"].decision) == ("High", Decision.APPLY)
    assert "eva" not in json.dumps(triage_to_data(found))
    assert same_again(found)
    assert through(requester="bob@example.org", rules=(vip,)).fields["urgency"].value == "Low"
    assert through(rules=(vip,)).receipt.hits == ()


def test_a_severity_that_was_applied_is_not_lowered_by_a_later_answer() -> None:
    found = through(stood={"t": {"urgency": "High", "priority": "High"}})
    assert (found.fields["urgency"].decision, found.fields["urgency"].reason) == (
        Decision.REVIEW,
        Reason.FLOOR,
    )
    assert found.fields["priority"].value == ABSTAIN
    assert same_again(found)
    assert through(stood={"t": {"urgency": "Low"}}).fields["urgency"].value == "Low"
    both = through(text="Nobody can work", stood={"t": {"urgency": "Medium"}})
    assert both.receipt.floors["urgency"] == "High"


def test_the_receipt_names_the_solved_tickets_that_were_shown() -> None:
    near = Neighbour("x1", 0.87, {"category": "Network"}, "text that stays here")
    cascade = Cascade(written({"urgency": "Medium"}), retrieve=lambda text: (near,))
    found = through(model_says={**SURE, "urgency": ("Medium", 0.4)}, cascade=cascade)
    assert found.receipt.neighbours == (("x1", 0.87),)
    assert through(cascade=cascade).receipt.neighbours == ()
    assert same_again(found)


def test_every_part_of_the_work_is_entered_once() -> None:
    entered: list[str] = []

    def stage(name):
        entered.append(name)
        return nullcontext()

    through(stage=stage)
    assert entered == ["canonicalize", "recall", "predict", "remember", "decide"]
