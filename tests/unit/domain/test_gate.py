"""The gate: what may be done with a value, and what rests on what."""

from __future__ import annotations

import json

import pytest

from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy, Rung, decide, derive, shown, suggested
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Decision, Distribution, Reason
from tamiz.testing import ScriptedModel

TAXONOMY = default_taxonomy()
SURE = {f.name: (f.classes[0], 0.97) for f in TAXONOMY.predicted} | {
    "subcategory": ("Other", 0.97),
    "application": ("none", 0.97),
}
EARNED = Policy(
    {f.name: FieldPolicy(apply_at=0.9) for f in TAXONOMY.choices}, scope_apply=0.5, scope_recommend=0.2
)


def outcome(answer, policy=EARNED, scope=1.0):
    model = ScriptedModel(TAXONOMY, lambda text: {**SURE, **answer}, scope=lambda text: scope)
    return decide(TAXONOMY, model.predict(["x"])[0], policy)


@pytest.mark.parametrize(
    ("confidence", "scope", "policy", "decision", "reason"),
    [
        (0.97, 1.0, EARNED, Decision.APPLY, Reason.NONE),
        (0.80, 1.0, EARNED, Decision.RECOMMEND, Reason.LOW_CONFIDENCE),
        (0.40, 1.0, EARNED, Decision.REVIEW, Reason.LOW_CONFIDENCE),
        (0.97, 0.3, EARNED, Decision.RECOMMEND, Reason.OUT_OF_SCOPE),
        (0.97, 0.1, EARNED, Decision.REVIEW, Reason.OUT_OF_SCOPE),
        (0.97, 1.0, Policy(), Decision.RECOMMEND, Reason.NOT_EARNED),
        (0.97, 1.0, EARNED.with_modes({"category": "off"}), Decision.OFF, Reason.SWITCHED_OFF),
        (0.97, 1.0, EARNED.with_modes({"category": "recommend"}), Decision.RECOMMEND, Reason.LOW_CONFIDENCE),
        (0.97, 1.0, EARNED.with_modes({"category": "review"}), Decision.REVIEW, Reason.LOW_CONFIDENCE),
    ],
)
def test_a_field_is_decided_by_confidence_scope_and_mode(confidence, scope, policy, decision, reason) -> None:
    field = outcome({"category": ("Hardware", confidence)}, policy, scope)["category"]
    assert (field.decision, field.reason) == (decision, reason)
    expected = {Decision.REVIEW: ABSTAIN, Decision.OFF: None}.get(decision, "Hardware")
    assert field.value == expected


def test_a_label_with_a_bad_record_is_never_applied() -> None:
    policy = Policy({"category": FieldPolicy(apply_at=0.9, by_label={"Hardware": None})})
    assert outcome({}, policy)["category"].decision is Decision.RECOMMEND


def test_a_child_stays_below_its_parent() -> None:
    fields = outcome({"category": ("Hardware", 0.97), "subcategory": ("Malware", 0.9)})
    assert fields["subcategory"].value in ("Other", "Physical Security", ABSTAIN)
    asked = outcome({"category": ("Hardware", 0.3)})
    assert asked["subcategory"].value == ABSTAIN
    assert asked["subcategory"].reason is Reason.DEPENDS


@pytest.mark.parametrize(
    ("urgency", "impact", "value", "decision"),
    [
        (("High", 0.98), ("High", 0.98), "Critical", Decision.APPLY),
        (("Low", 0.98), ("High", 0.98), "Medium", Decision.APPLY),
        (("High", 0.98), ("High", 0.7), "Critical", Decision.RECOMMEND),
        (("High", 0.35), ("High", 0.98), ABSTAIN, Decision.REVIEW),
    ],
)
def test_priority_follows_from_its_inputs(urgency, impact, value, decision) -> None:
    field = outcome({"urgency": urgency, "impact": impact})["priority"]
    assert (field.value, field.decision) == (value, decision)


def test_derived_mass_sums_to_one() -> None:
    model = ScriptedModel(TAXONOMY, lambda text: SURE)
    distribution = derive(TAXONOMY.field("priority"), model.predict(["x"])[0])
    assert sum(distribution.probabilities) == pytest.approx(1.0)


def test_no_application_is_null_and_never_listed_as_a_label() -> None:
    field = outcome({})["application"]
    assert field.value is None
    assert field.decision is Decision.APPLY
    assert "none" not in dict(field.top)


@pytest.mark.parametrize(
    ("probabilities", "severe_at", "value"),
    [
        ((0.2, 0.3, 0.5), None, "Low"),
        ((0.2, 0.3, 0.5), 0.5, "Medium"),
        ((0.2, 0.3, 0.5), 0.2, "High"),
        ((0.1, 0.05, 0.85), 0.2, "Low"),
        ((0.3, 0.3, 0.3999999), 1.0, "Low"),  # rounding may leave the whole mass below the bar
    ],
)
def test_severity_is_read_with_the_caution_that_the_policy_asks_for(probabilities, severe_at, value) -> None:
    urgency = Distribution(("High", "Medium", "Low"), probabilities)
    assert FieldPolicy(severe_at=severe_at).read(urgency) == (value, urgency.of(value))


def test_a_priority_follows_from_urgency_and_impact_as_they_are_read() -> None:
    cautious = {name: FieldPolicy(recommend_at=0.1, severe_at=0.2) for name in ("urgency", "impact")}
    policy = Policy({**cautious, "priority": FieldPolicy(recommend_at=0.0)})
    answer = {"urgency": ("Low", 0.5), "impact": ("High", 0.9)}
    read, plain = outcome(answer, policy), outcome(answer, Policy())
    assert (read["urgency"].value, read["impact"].value, read["priority"].value) == (
        "High",
        "High",
        "Critical",
    )
    assert (plain["urgency"].value, plain["impact"].value) == ("Low", "High")
    assert read["urgency"].confidence == pytest.approx(0.25)
    model = ScriptedModel(TAXONOMY, lambda text: {**SURE, **answer})
    told = shown(TAXONOMY, TAXONOMY.field("priority"), model.predict(["x"])[0], policy)
    assert told == (read["priority"].value, pytest.approx(read["priority"].confidence))


def test_policies_survive_a_round_trip_and_refuse_unknown_modes() -> None:
    policy = Policy({"a": FieldPolicy(Decision.RECOMMEND, 0.9, 0.4, {"x": None}, 0.2)}, 0.1, 0.2, 0.02)
    assert Policy.from_dict(policy.to_dict()) == policy
    with pytest.raises(ConfigError, match=r"policy\.a"):
        policy.with_modes({"a": "always"})


@pytest.mark.parametrize(
    ("first", "then", "mode"),
    [
        ("apply", "recommend", "recommend"),
        ("recommend", "apply", "recommend"),
        ("off", "review", "off"),
        ("review", "review", "review"),
    ],
)
def test_of_two_caps_the_stricter_one_holds(first, then, mode) -> None:
    assert EARNED.with_modes({"category": first}).with_modes({"category": then}).of("category").mode == mode


LADDER = (Rung(0.005, None), Rung(0.01, 0.95, {"Hardware": None}), Rung(0.05, 0.7))


@pytest.mark.parametrize(
    ("ladder", "budget", "apply_at", "taken"),
    [
        (LADDER, 0.02, 0.9, 0.02),
        (LADDER, 0.01, 0.95, 0.01),
        (LADDER, 0.015, 0.95, 0.01),
        (LADDER, 0.03, 0.9, 0.02),
        (LADDER, 0.05, 0.7, 0.05),
        (LADDER, 0.5, 0.7, 0.05),
        (LADDER, 0.005, None, 0.005),
        (LADDER, 0.001, None, 0.001),
        ((), 0.02, 0.9, 0.02),
        ((), 0.1, 0.9, 0.02),
        ((), 0.01, None, 0.01),
    ],
)
def test_another_budget_gets_the_threshold_that_was_proven_for_it_or_none(
    ladder, budget, apply_at, taken
) -> None:
    own = FieldPolicy(apply_at=0.9, by_label={"Network": 0.99}, ladder=ladder)
    found = own.within(budget, 0.02)
    assert (found.apply_at, found.budget) == (apply_at, taken)
    assert found.budget <= budget or found.apply_at is None, "never loosened without proof"
    assert dict(found.by_label) == {0.9: {"Network": 0.99}, 0.95: {"Hardware": None}}.get(apply_at, {})


def test_a_model_that_has_earned_nothing_earns_nothing_by_a_budget() -> None:
    assert FieldPolicy().within(0.5, 0.02).apply_at is None
    assert FieldPolicy().within(0.5, None).apply_at is None


@pytest.mark.parametrize(("budget", "apply_at"), [(0.05, 0.7), (0.03, 0.95)])
def test_a_field_that_was_fitted_for_a_budget_of_its_own_has_no_proof_for_the_policys(
    budget, apply_at
) -> None:
    own = FieldPolicy(apply_at=0.7, budget=0.05, ladder=LADDER)
    assert own.within(budget, 0.02).apply_at == apply_at


def test_a_policy_comes_back_equal_and_older_ones_keep_their_form() -> None:
    policy = Policy({"category": FieldPolicy(apply_at=0.9, budget=0.01, ladder=LADDER)}, shadow=True)
    assert Policy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
    plain = Policy({"category": FieldPolicy()}).to_dict()
    assert set(plain) == {"scope_apply", "scope_recommend", "budget", "fields"}
    assert set(plain["fields"]["category"]) == {"mode", "apply_at", "recommend_at", "by_label", "severe_at"}


def test_what_rests_on_a_suggested_field_is_suggested_at_most() -> None:
    fields = suggested(TAXONOMY, outcome({}), {"urgency": Reason.SAID_OVER})
    assert (fields["urgency"].decision, fields["urgency"].reason) == (Decision.RECOMMEND, Reason.SAID_OVER)
    assert (fields["priority"].decision, fields["priority"].reason) == (Decision.RECOMMEND, Reason.DEPENDS)
    assert fields["impact"].decision is Decision.APPLY
