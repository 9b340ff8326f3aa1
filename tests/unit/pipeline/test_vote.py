"""Votes of corrected tickets: who is heard, who counts how much, and what survives the merge."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tamiz.domain.gate import Policy, decide
from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import NONE
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Vote
from tamiz.pipeline.vote import Curve, Voice, Weighing, examples, votes
from tamiz.testing import ScriptedModel

TAXONOMY = default_taxonomy()
CATEGORY = TAXONOMY.field("category")
OWN = {"category": ("Network", 0.9), "subcategory": ("Login Issues", 0.9), "application": ("VPN", 0.9)}


def voice(number, similarity, values=None, by="ana", minute=0):
    told = {"category": values} if isinstance(values, str) else values or {"category": "Security"}
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return Voice(f"t{number}", similarity, told, by, at)


def prediction(answer=None):
    return ScriptedModel(TAXONOMY, lambda text: answer or OWN).predict(["x"])[0]


def heard(*voices, answer=None, **more):
    return votes(voices, prediction(answer), TAXONOMY, **more)


def best(found, name="category", answer=None):
    own = prediction(answer).distributions[name]
    return (found[name].of(own) if name in found else own).best[0]


def decided(found, answer=None):
    own = prediction(answer)
    both = {name: found[name].of(d) if name in found else d for name, d in own.distributions.items()}
    return {name: f.value for name, f in decide(TAXONOMY, replace(own, distributions=both), Policy()).items()}


def test_a_near_correction_is_followed_and_a_far_one_is_not() -> None:
    assert best(heard(voice(1, 0.97))) == "Security"
    assert best(heard(voice(1, 0.5))) == "Network"
    assert heard(voice(1, 0.2)) == {}


def test_the_nearer_the_voice_the_more_it_counts() -> None:
    weights = [heard(voice(1, s))["category"].weight for s in (0.7, 0.8, 0.9, 1.0)]
    assert weights == sorted(weights)
    assert weights[0] < 0.2 < 0.9 < weights[-1]


def test_merged_distributions_sum_to_one_and_know_labels_that_the_model_does_not() -> None:
    own = prediction().distributions["category"]
    vote = heard(voice(1, 0.95))["category"]
    assert sum(vote.of(own).probabilities) == pytest.approx(1.0)
    assert Vote(0.0, vote.distribution).of(own) == own
    assert Vote(1.0, vote.distribution).of(own) == vote.distribution


@pytest.mark.parametrize(
    ("known", "followed"),
    [
        ([("Network", 0.60)], True),
        ([("Network", 0.97)], False),
        ([("Security", 0.97), ("Network", 0.60)], True),
        ([("Security", 0.97), ("Security", 0.70)], True),
    ],
)
def test_known_tickets_with_another_label_take_weight_from_voices_that_are_farther(known, followed) -> None:
    beside = [Neighbour(f"k{n}", s, {"category": label}) for n, (label, s) in enumerate(known)]
    assert (best(heard(voice(1, 0.85), known=beside)) == "Security") is followed


def test_known_tickets_without_the_field_say_nothing() -> None:
    other = Neighbour("k", 0.97, {"application": "VPN"})
    assert heard(voice(1, 0.85), known=[other]) == heard(voice(1, 0.85))


@pytest.mark.parametrize(
    ("voices", "label"),
    [
        ([voice(1, 0.96), *(voice(n, 0.96, "Hardware", "bo", n) for n in range(2, 4))], None),
        ([*(voice(n, 0.96, "Hardware", "bo", n) for n in range(9)), voice(9, 0.96, by="cy"), voice(10, 0.96)], "Security"),
        ([voice(1, 0.96, "Hardware", "bo", 1), voice(2, 0.96, by="ana", minute=2)], "Security"),
        ([voice(1, 0.96, "Hardware", "bo", 3), voice(2, 0.96, by="ana", minute=2)], "Hardware"),
        ([voice(1, 0.99, "Hardware", minute=1), voice(2, 0.98, "Security", minute=2)], "Security"),
        ([voice(1, 0.99, "Hardware", minute=2), voice(2, 0.98, "Security", minute=1)], "Hardware"),
    ],
)  # fmt: skip
def test_accounts_are_counted_not_corrections_and_of_single_voices_the_later_counts(voices, label) -> None:
    found = heard(*voices)["category"]
    lead, share = found.distribution.best
    if label is None:
        assert share == pytest.approx(0.5)
    else:
        assert (lead, share > 0.6) == (label, True)
    assert found == heard(*reversed(voices))["category"]


def test_contradictions_take_weight_from_the_vote() -> None:
    agreed = heard(voice(1, 0.96), voice(2, 0.96, by="bo"))["category"]
    split = heard(voice(1, 0.96), voice(2, 0.96), voice(3, 0.96, "Hardware", "bo"))["category"]
    assert split.weight < 0.6 * agreed.weight
    assert best({"category": split}) == "Network"


@pytest.mark.parametrize(("trust", "expected"), [(1.0, "Security"), (0.3, "Network"), (0.0, "Network")])
def test_an_account_counts_as_much_as_it_is_trusted(trust, expected) -> None:
    found = heard(voice(1, 0.97), trust={"ana": trust})
    assert best(found) == expected
    assert ("category" in found) == (trust > 0)


def test_a_later_word_about_a_ticket_replaces_the_earlier_unless_it_is_trusted_less() -> None:
    words = [voice(1, 0.97, "Hardware", "ana", 1), voice(1, 0.97, "Security", "bo", 2)]
    assert best(heard(*words)) == "Security"
    assert best(heard(*words, trust={"bo": 0.5})) == "Hardware"


def test_a_value_that_does_not_apply_is_a_class_of_its_own() -> None:
    found = heard(voice(1, 0.98, {"application": None}))
    assert found["application"].distribution.best == (NONE, 1.0)
    assert decided(found)["application"] is None


@pytest.mark.parametrize(
    "values", [{"category": None}, {"category": "no label"}, {"priority": "Critical"}, {"no field": "x"}]
)
def test_what_the_taxonomy_does_not_have_is_not_heard(values) -> None:
    assert heard(voice(1, 0.99, values)) == {}


def test_a_told_child_survives_with_its_told_parent() -> None:
    sure = OWN | {"category": ("Network", 0.55), "subcategory": ("Login Issues", 0.9999)}
    found = heard(voice(1, 0.84, {"category": "Security", "subcategory": "Malware"}), answer=sure)
    values = decided(found, sure)
    assert (best(found, answer=sure), best(found, "subcategory", sure)) == ("Security", "Malware")
    assert (values["category"], values["subcategory"]) in {
        ("Security", "Malware"),
        ("needs_human", "needs_human"),
    }


def test_a_told_child_is_not_heard_below_another_parent() -> None:
    found = heard(voice(1, 0.98, {"subcategory": "Malware"}))
    assert "subcategory" not in found
    assert heard(voice(1, 0.98, {"subcategory": "Other"}))["subcategory"].distribution.best[0] == "Other"


def test_degrees_are_shared_by_the_same_text_alone() -> None:
    near, same = ({"urgency": "High"},) * 2
    assert heard(voice(1, 0.9, near)).get("urgency") is None
    assert heard(voice(1, 1.0, same))["urgency"].weight > 0.8


def test_a_kind_of_model_may_have_its_own_weighing() -> None:
    deaf = Weighing(alone=Curve(-30.0, 0.0))
    assert heard(voice(1, 1.0), weighing=deaf) == {}


def shown(number, similarity, text, label="Hardware"):
    return Neighbour(f"t{number}", similarity, {"category": label}, text)


def test_an_example_in_the_tickets_own_language_counts_as_nearer() -> None:
    english = replace(shown(1, 0.9, "the mouse is dead"), language="en")
    spanish = replace(shown(2, 0.88, "el ratón no funciona"), language="es")
    far = replace(shown(3, 0.7, "la pantalla parpadea"), language="es")
    found = (english, spanish, far)
    assert [n.id for n in examples(found, 2, "category", language="es")] == ["t2", "t1"]
    assert [n.id for n in examples(found, 2, "category", language="en")] == ["t1", "t2"]
    assert [n.id for n in examples(found, 2, "category")] == ["t1", "t2"]


def test_examples_that_say_nothing_of_the_field_are_not_of_one_label() -> None:
    texts = ("mouse broken", "screen dark", "keyboard wet", "dock dead")
    found = [replace(shown(i, 0.9, text), labels={"urgency": "Low"}) for i, text in enumerate(texts)]
    assert len(examples(found, 4, "category")) == 4


def test_examples_are_near_diverse_and_few() -> None:
    found = [
        shown(1, 0.9, "the printer on floor two is jammed"),
        shown(2, 0.95, "the printer on floor two is jammed again"),
        shown(3, 0.8, "my laptop screen flickers"),
        shown(4, 0.7, "a third hardware ticket about a dock"),
        shown(5, 0.6, "please reset my password", "Access"),
        shown(6, 0.5, "", "Access"),
        shown(7, 0.4, "vpn drops every hour", "Network"),
    ]
    assert [n.id for n in examples(found, 3, "category")] == ["t2", "t3", "t5"]
    assert [n.id for n in examples(found, 9, "category")] == ["t2", "t3", "t5", "t7"]
    assert [n.id for n in examples(found, 9, "category", words=12)] == ["t2", "t3"]
    assert examples(found, 0, "category") == ()
