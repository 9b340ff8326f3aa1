from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamiz.domain.errors import DataError
from tamiz.lab.data.duplicates import (
    SHINGLE,
    exact_groups,
    near_duplicate_groups,
    near_groups,
    normalise,
    skeleton,
)
from tamiz.lab.data.example import Example
from tamiz.lab.data.splits import few_shot, group_disjoint, random_split, tied, time_ordered, unseen

SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
WORDS = "printer vpn password screen mouse login mail error laptop badge door phone slow again please network".split()


def examples(count: int = 300) -> list[Example]:
    rng = random.Random(0)
    return [
        Example(
            str(i),
            " ".join(rng.choices(WORDS, k=14)),
            {"category": "abc"[i % 7 % 3]},
            group=f"g{i // 4}" if i % 2 else "",
            time=f"2024-01-{i % 28 + 1:02d}T00:00:00+00:00",
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("split", [random_split, group_disjoint])
def test_splits_are_complete_stratified_and_repeatable(split: object) -> None:
    rows = examples()
    parts = split(rows, SHARES, seed=3, field="category")  # type: ignore[operator]
    assert sorted(e.id for part in parts.values() for e in part) == sorted(e.id for e in rows)
    assert parts == split(rows, SHARES, seed=3, field="category")  # type: ignore[operator]
    assert parts != split(rows, SHARES, seed=4, field="category")  # type: ignore[operator]
    whole = Counter(e.labels["category"] for e in rows)
    for name, share in SHARES.items():
        counts = Counter(e.labels["category"] for e in parts[name])
        assert all(abs(counts[label] - share * n) <= 4 for label, n in whole.items())


def test_groups_stay_on_one_side() -> None:
    parts = group_disjoint(examples(), SHARES, seed=1)
    sides = [{e.group for e in part if e.group} for part in parts.values()]
    assert all(not a & b for a, b in combinations(sides, 2))


def test_time_order_puts_the_newest_last_and_undated_rows_first() -> None:
    rows = [*examples(), Example("undated", "x", {"category": "a"})]
    parts = time_ordered(rows, SHARES)
    assert "undated" in {e.id for e in parts["train"]}
    assert max(e.time for e in parts["train"]) <= min(e.time for e in parts["valid"])
    assert max(e.time for e in parts["valid"]) <= min(e.time for e in parts["test"])
    assert [len(part) for part in parts.values()] == [211, 30, 60]
    with pytest.raises(DataError, match="have a time"):
        time_ordered([Example("1", "x")], SHARES)


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        random_split(examples(), {"train": 0.8, "test": 0.3})


def test_few_shot_draws_are_balanced_and_documented_by_their_seed() -> None:
    rows = examples()
    drawn = few_shot(rows, "category", 5, seed=1)
    assert Counter(e.labels["category"] for e in drawn) == {"a": 5, "b": 5, "c": 5}
    assert drawn == few_shot(rows, "category", 5, seed=1) != few_shot(rows, "category", 5, seed=2)


@pytest.mark.parametrize(
    "left, right, near, template",
    [
        ("My VPN is down, please help", "my vpn is down please help!!", True, False),
        ("The printer on the second floor is broken again", "The printer on the second floor is broken agian", True, False),
        ("The printer is broken", "My laptop screen is black", False, False),
        ("Job 4711 failed at 03:00 on the main server", "Job 98 failed at 17:45 on the main server", False, True),
        ("Please create an account for Ana Ruiz in the sales team", "Please create an account for Zoltan in the sales team", False, True),
        ("please reset <EMAIL> for the user", "please reset <PHONE> for the user", False, True),
        ("café cerrado hoy en la oficina", "cafe cerrado hoy en la oficina", True, False),
        ("Error 5", "Error 6", False, False),
        ("", "", True, False),
    ],
)  # fmt: skip
def test_duplicates_and_templates(left: str, right: str, near: bool, template: bool) -> None:
    assert (len(set(near_groups([left, right]))) == 1) == near
    assert (len(set(near_duplicate_groups([left, right]))) == 1) == (near or template)
    assert (skeleton(left) == skeleton(right) != "") == template


def test_near_duplicates_are_found_among_many() -> None:
    rows = [e.text for e in examples(2000)]
    copies = [f"{text} thx" for text in rows[:200]]
    groups = near_groups([*rows, *copies])
    assert sum(groups[2000 + i] == groups[i] for i in range(200)) >= 199
    assert len(set(groups[:2000])) > 1990


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abcd ", max_size=24), min_size=2, max_size=6))
def test_near_duplicates_agree_with_the_definition(texts: list[str]) -> None:
    def shingles(text: str) -> set[str]:
        padded = f" {normalise(text)} ".ljust(SHINGLE, "\0")
        return {padded[i : i + SHINGLE] for i in range(len(padded) - SHINGLE + 1)}

    groups = near_groups(texts)
    for i, j in combinations(range(len(texts)), 2):
        a, b = shingles(texts[i]), shingles(texts[j])
        if len(a & b) / len(a | b) >= 0.9:
            assert groups[i] == groups[j]
        if not a & b and len(texts) == 2:
            assert groups[i] != groups[j]


def test_exact_groups_name_the_first_row() -> None:
    assert exact_groups(["A b", "c", "a  B!", "c."]) == [0, 1, 0, 1]


def test_tied_examples_join_groups_and_duplicates() -> None:
    rows = [
        Example("1", "the vpn is down in madrid", group="x"),
        Example("2", "something else entirely here", group="x"),
        Example("3", "The VPN is down in Madrid!"),
        Example("4", "a lonely text about a door"),
    ]
    groups = [e.group for e in tied(rows)]
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_unseen_rows_are_what_training_never_saw() -> None:
    known, judged = (
        [Example("1", "the vpn is down in madrid")],
        [Example("2", "The vpn is down in Madrid"), Example("3", "door open")],
    )
    assert [e.id for e in unseen(judged, known)] == ["3"]


def test_of_no_texts_none_are_near_duplicates() -> None:
    assert (near_groups([]), near_duplicate_groups([]), near_groups([""])) == ([], [], [0])
