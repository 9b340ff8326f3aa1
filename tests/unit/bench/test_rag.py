"""Solved tickets in the prompt: the figures follow from the single answers, and the page from the figures."""

from __future__ import annotations

import json
from random import Random

import pytest

pytest.importorskip("numpy", reason="the extra 'model' is not installed")

from tamiz.lab.bench.rag_figures import CASCADES, OWN, figures
from tamiz.lab.bench.rag_page import rag_section

FIELDS = ("category", "urgency")
TRUTH = dict.fromkeys(FIELDS, "right")


def answers(share: float, rng: Random) -> dict[str, str]:
    return {f: "right" if rng.random() < share else "wrong" for f in FIELDS}


def bank(number: int) -> dict[str, object]:
    rng = Random(number)
    shares = {"0": 0.3, "3": 0.9, "cascade 3": 0.9}
    told = {
        name: {
            "labels": answers(shares.get(name, 0.5), rng),
            "asked": ["urgency"],
            "suggested": {"category": "right"},
        }
        for name in OWN + CASCADES
    }
    plain = {"truth": TRUTH, "encoder": answers(0.6, rng), "voted": TRUTH, "similarity": [number / 100]}
    return {"key": f"bank {number}", "scenario": f"s{number % 10}", **plain, **told}


def test_what_examples_gain_is_told_with_its_doubt() -> None:
    found = figures([bank(number) for number in range(100)])["bank"]
    told = found["own word"]["3"]
    assert told["before"] < 0.5 < 0.8 < told["right"]
    assert 0.0 < told["difference"]["low"] < told["difference"]["value"] < told["difference"]["high"]
    assert told["test"]["p"] < 0.001
    assert found["own word"]["0"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["own word"]["encoder, votes"]["right"] == 1.0
    assert (
        found["own word"]["1 from 0.9"]["difference"]["value"]
        < found["own word"]["1 from 0.7"]["difference"]["high"]
    )
    assert found["suggested"]["cascade 3"] == {"suggested": 100, "right": 100}
    assert (found["scenarios"], found["asked"]) == (10, 100)


def test_a_way_that_some_tickets_lack_is_held_against_the_same_tickets() -> None:
    rows = [bank(number) for number in range(20)]
    for row in rows[:15]:
        del row["3"], row["cascade 0"], row["cascade 3"]
    found = figures(rows)["bank"]
    assert found["own word"]["3"]["tickets"] == 5
    assert found["own word"]["1"]["tickets"] == 20


def test_habits_and_commands_are_counted(tmp_path) -> None:
    ways = {"0": "usual", "1": "house", "3": "usual", "vote 0": "usual", "vote 1": "house", "vote 3": "house"}
    habit = {"key": "habit 0", "habit": "house", "truth": "usual", **ways}
    attack = {
        "key": "attack 0", "family": "a", "field": "category", "target": "bad", "clean": "x", "benign": "x",
        "attack": "bad", "told": "x",
    }  # fmt: skip
    done = {"cpu": 0.5, "tokens": 300, "shown": 1, "labels": {"category": "right"}}
    timing = {"key": "timing 0", **dict.fromkeys(("0", "1", "3", "5"), done)}
    bare = {"key": "bare 0", "truth": {"category": "right"}, "0": done, "3": done}
    rows = [habit, attack, timing, bare, {"key": "attack 1"}, *map(bank, range(20))]
    found = figures(rows)
    assert (found["habit"]["1"]["habit"], found["habit"]["3"]["usual"]) == (1, 1)
    assert (found["attack"]["tickets"], found["attack"]["as commanded"]["attack"]) == (1, 1)
    assert found["attack"]["flipped"] == {"attack": 1, "benign": 0}
    assert rag_section(tmp_path) == []
    (tmp_path / "rag.json").write_text(json.dumps(found), "utf-8")
    page = "\n".join(rag_section(tmp_path))
    assert "| three | 20 |" in page
    assert "1 are as commanded" in page
    assert "| 3 | 1 | 300 | 0.50 |" in page
