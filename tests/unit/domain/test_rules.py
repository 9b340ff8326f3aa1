"""Rules that a person wrote stand over what a model says, and what rests on them follows."""

from __future__ import annotations

import pytest

from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy, decide
from tamiz.domain.rules import Rule, check_rules, fired, obeyed
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Decision, Distribution, Prediction, Reason

TAXONOMY = default_taxonomy()
SURE = {
    "category": "Software",
    "subcategory": "Other",
    "urgency": "Low",
    "impact": "Low",
    "assignment_group": "Desktop Support",
}


def prediction() -> Prediction:
    told = {}
    for f in TAXONOMY.predicted:
        rest = 0.1 / (len(f.classes) - 1)
        best = SURE.get(f.name, f.classes[0])
        told[f.name] = Distribution(f.classes, tuple(0.9 if c == best else rest for c in f.classes))
    return Prediction(told)


def after(*rules: Rule, text: str = "La nómina no llega", policy: Policy = Policy()):  # noqa: B008 - frozen
    own = prediction()
    outcomes = decide(TAXONOMY, own, policy)
    hits = fired(rules, text, TAXONOMY, outcomes)
    return obeyed(hits, TAXONOMY, own, outcomes, policy), hits


def test_a_value_that_a_rule_sets_is_certain_and_what_rests_on_it_is_decided_given_it() -> None:
    found, hits = after(Rule("payroll", ("nomina",), values={"category": "Access", "urgency": "High"}))
    assert found["category"].value == "Access"
    assert (found["category"].confidence, found["category"].decision) == (1.0, Decision.APPLY)
    assert found["category"].reason is Reason.RULE
    assert found["subcategory"].value in {*TAXONOMY.field("subcategory").allowed("Access"), ABSTAIN}
    matrix = TAXONOMY.field("priority").matrix
    assert matrix is not None
    assert found["priority"].value == matrix.at("High", "Low")
    assert [hit.rule for hit in hits] == ["payroll"]
    compact = {name: outcome.value for name, outcome in found.items()}
    assert not TAXONOMY.violations({"summary": "x", **compact})


@pytest.mark.parametrize(
    ("words", "text", "heard"),
    [
        (("nómina",), "LA NOMINA", True),
        (("pay roll",), "the pay  roll run", True),
        (("pay",), "payroll", False),
        (("c++",), "c++ does not compile", True),
        ((), "", True),
        (("x",), "", False),
    ],
)
def test_words_are_whole_and_heard_however_they_are_written(words, text, heard) -> None:
    assert Rule("r", words, review=("category",)).heard(text) is heard


@pytest.mark.parametrize(
    ("rules", "field", "value", "decision"),
    [
        ([Rule("up", at_least={"urgency": "Medium"})], "urgency", "Medium", Decision.APPLY),
        ([Rule("no need", at_least={"urgency": "Low"})], "urgency", "Low", Decision.RECOMMEND),
        ([Rule("a person", review=("category",))], "category", ABSTAIN, Decision.REVIEW),
        ([Rule("a person", review=("category",))], "subcategory", ABSTAIN, Decision.REVIEW),
        (
            [Rule("one", values={"urgency": "High"}), Rule("two", values={"urgency": "Low"})],
            "urgency",
            "High",
            Decision.APPLY,
        ),
        (
            [Rule("other", where={"category": "Network"}, values={"urgency": "High"})],
            "urgency",
            "Low",
            Decision.RECOMMEND,
        ),
        (
            [Rule("this", where={"category": "Software"}, values={"urgency": "High"})],
            "urgency",
            "High",
            Decision.APPLY,
        ),
    ],
)
def test_what_a_rule_does_to_a_field(rules, field, value, decision) -> None:
    found, _ = after(*rules)
    assert (found[field].value, found[field].decision) == (value, decision)


@pytest.mark.parametrize(("mode", "value"), [("recommend", "High"), ("review", ABSTAIN), ("off", None)])
def test_a_field_does_no_more_than_its_mode_allows(mode, value) -> None:
    policy = Policy({"urgency": FieldPolicy(mode=Decision(mode))})
    found, _ = after(Rule("up", values={"urgency": "High"}), policy=policy)
    assert (found["urgency"].value, found["urgency"].decision) == (value, Decision(mode))


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        (Rule("r", values={"colour": "red"}), "no field 'colour'"),
        (Rule("r", values={"category": "Red"}), "'Red' is no label of category"),
        (Rule("r", at_least={"category": "Access"}), "no order"),
        (Rule("r", values={"priority": "High"}), "derived"),
        (Rule("r", ("word",)), "does nothing"),
        (Rule("r", ("w",) * 201, review=("category",)), "more than"),
        (Rule("r", review=("category",), requester=("the boss",)), "neither an address"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_name(rule, mistake) -> None:
    with pytest.raises(ConfigError, match=r"^rules\.r:") as error:
        check_rules([rule], TAXONOMY)
    assert mistake in str(error.value)


class Counted(str):
    """A text that counts how often it is folded."""

    times = 0

    def casefold(self) -> str:
        self.times += 1
        return super().casefold()


def test_a_text_is_folded_once_for_all_rules_and_not_at_all_without_words() -> None:
    for words, times in (("vpn",), 1), ((), 0):
        text = Counted("The VPN drops")
        rules = [Rule(f"rule {number}", words, review=("urgency",)) for number in range(9)]
        assert len(fired(rules, text, TAXONOMY, {})) == 9
        assert text.times == times


@pytest.mark.parametrize(
    ("who", "requester", "concerned"),
    [
        ((), "", True),
        ((), "ana@example.org", True),
        (("ana@example.org",), " Ana@Example.org ", True),
        (("@example.org",), "ana@example.org", True),
        (("@example.org",), "ana@board.example.org", True),
        (("@example.org",), "ana@notexample.org", False),
        (("ana@example.org",), "mariana@example.org", False),
        (("@example.org",), "", False),
        (("ana@example.org",), "Ana Pérez <Ana@example.org>", True),
        (("@example.org",), '"ana@example.org" <eva@example.net>', False),
        (("@example.org",), "<ana@example.org> and <eva@example.net>", False),
        (("bob@example.org", "@board.example.org"), "eva@board.example.org", True),
    ],
)
def test_a_rule_may_concern_some_peoples_tickets_only(who, requester, concerned) -> None:
    assert Rule("vip", review=("category",), requester=who).concerns(requester) is concerned
