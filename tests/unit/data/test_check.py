from __future__ import annotations

import json
import random

import pytest

from tamiz.domain.errors import DataError, LeakError
from tamiz.lab.data.check import LEAKS_ONLY, CheckOptions, check, require_clean
from tamiz.lab.data.example import Example
from tamiz.lab.data.shortcuts import find_shortcuts

WORDS = {
    "network": "vpn wifi router cable signal dns proxy firewall latency packet".split(),
    "hardware": "screen laptop mouse keyboard printer dock battery charger fan monitor".split(),
    "access": "password login account role permission token badge lockout reset mfa".split(),
}
FILLER = "the a is my since today please again it was with for and very you can we have not at could if but when".split()


def tickets(count: int, seed: int, filler: dict[str, list[str]] | None = None) -> list[Example]:
    """Texts of topic words among filler; `filler` may give classes other filler."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        label = list(WORDS)[i % 3]
        words = rng.choices(WORDS[label], k=4) + rng.choices((filler or {}).get(label, FILLER), k=10)
        rng.shuffle(words)
        rows.append(Example(f"{seed}-{i}", " ".join(words), {"category": label}, line=i + 1))
    return rows


def test_clean_splits_pass() -> None:
    report = check({"train": tickets(600, 1), "test": tickets(200, 2)}, "category", LEAKS_ONLY)
    assert report.leaks == []
    require_clean(report)


@pytest.mark.parametrize(
    "leaked, kind",
    [
        (lambda text: text.upper(), "word for word"),
        (lambda text: f"{text} hi", "near duplicates"),
    ],
)
def test_leaking_splits_are_refused_unless_allowed(leaked: object, kind: str) -> None:
    train = tickets(600, 1)
    test = tickets(200, 2) + [Example(f"c{i}", leaked(e.text), e.labels) for i, e in enumerate(train[:10])]  # type: ignore[operator]
    report = check({"train": train, "test": test}, "category", LEAKS_ONLY)
    assert any(kind in leak for leak in report.leaks)
    with pytest.raises(LeakError, match=kind):
        require_clean(report)
    require_clean(report, allow_leak=True)


def test_templates_across_splits_are_a_leak() -> None:
    made = [
        Example(
            str(i),
            f"Please order toner {i * 37} for printer {i * 91} in the big office of building {i}",
            {"category": "hardware"},
        )
        for i in range(40)
    ]
    report = check(
        {"train": [*tickets(300, 1), *made[:20]], "test": [*tickets(100, 2), *made[20:]]},
        "category",
        LEAKS_ONLY,
    )
    assert any("template" in leak or "near" in leak for leak in report.leaks)
    assert report.overlaps[0].template + report.overlaps[0].near >= 20


def test_contradictions_small_and_missing_classes_are_told() -> None:
    train = [
        *tickets(90, 1),
        Example("x", "vpn is slow", {"category": "network"}, line=5),
        Example("y", "VPN is slow!", {"category": "access"}, line=9),
    ]
    test = [*tickets(30, 2), Example("z", "coffee machine", {"category": "kitchen"})]
    report = check({"train": train, "test": test}, "category", LEAKS_ONLY)
    assert [(dict(c.labels), c.lines) for c in report.contradictions] == [
        ({"network": 1, "access": 1}, (5, 9))
    ]
    assert report.small == {"kitchen": 1}
    assert report.unlearnable == ["kitchen"]
    assert len(report.warnings) == 3


def test_unlabelled_rows_do_not_count_and_an_unknown_field_is_an_error() -> None:
    rows = [*tickets(60, 1), Example("u", "nothing known")]
    assert check({"all": rows}, "category", LEAKS_ONLY).rows == {"all": 60}
    with pytest.raises(DataError, match="Labelled are: category"):
        check({"all": rows}, "urgency", LEAKS_ONLY)


def test_words_removed_from_one_class_are_an_artefact() -> None:
    rows = tickets(900, 1, {"access": FILLER[:10]})
    found = find_shortcuts([e.text for e in rows], [e.labels["category"] for e in rows])
    artefacts = [s for s in found if s.kind == "absent words"]
    assert [s.label for s in artefacts] == ["access"]
    assert artefacts[0].count >= 10
    assert artefacts[0].precision > 0.95
    assert "everyday words never occur" in artefacts[0].render()


def test_the_name_of_the_label_in_every_text_is_an_artefact() -> None:
    texts = [f"category {e.labels['category']} {e.text}" for e in tickets(300, 1)]
    found = find_shortcuts(texts, [e.labels["category"] for e in tickets(300, 1)])
    assert {s.label for s in found if s.kind == "label name"} == set(WORDS)


def test_a_tag_in_one_class_is_found_and_honest_words_are_no_artefacts() -> None:
    rows = tickets(300, 1)
    labels = [e.labels["category"] for e in rows]
    assert [s for s in find_shortcuts([e.text for e in rows], labels) if s.artefact] == []
    tagged = [f"auto-routed {e.text}" if e.labels["category"] == "access" else e.text for e in rows]
    found = find_shortcuts(tagged, labels)
    assert ("access", "routed") in {(s.label, word) for s in found for word in s.words}


def test_the_full_report_has_baselines_and_doubts() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
    pytest.importorskip("cleanlab", reason="cleanlab comes with the extra 'train'")
    rows = tickets(300, 1)
    wrong = Example("wrong", " ".join(WORDS["network"][:8]), {"category": "access"}, line=77)
    report = check({"all": [*rows, wrong]}, "category")
    assert report.baselines is not None
    assert report.baselines.linear > 0.95 > 0.5 > report.baselines.majority
    assert ("wrong", "network") in {(d.id, d.suggested) for d in report.doubts}
    text = report.render()
    assert "linear baseline" in text
    assert "line 77" in text
    assert json.loads(json.dumps(report.to_dict()))["field"] == "category"


def test_two_splits_give_baselines_on_the_test_rows() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
    options = CheckOptions(doubts=False, shortcuts=False)
    report = check({"train": tickets(150, 1), "test": tickets(60, 2)}, "category", options)
    assert report.baselines is not None
    assert (report.baselines.rows, report.baselines.split) == (60, "train → test")


def test_near_duplicates_with_two_labels_are_listed_unless_their_words_tell_why() -> None:
    told = "{} for the guest account of the branch office, as was discussed with the people there last week"
    rows = [
        Example("1", told.format("Please enable MFA"), {"act": "on"}, line=1),
        Example("2", told.format("Please disable MFA"), {"act": "off"}, line=2),
        Example("3", told.format("Hello, please enable MFA"), {"act": "off"}, line=3),
    ]
    report = check({"all": rows}, "act", LEAKS_ONLY)
    assert [found.lines for found in report.near_contradictions] == [(1, 3)]
    assert report.explained == 1
    assert report.contradictions == ()
    assert "lines 1 'on' and 3 'off', nearly the same" in report.render()
    assert any("1 other pairs" in warning for warning in report.warnings)
