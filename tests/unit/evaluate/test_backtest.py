"""From a messy export to a report and a model; the rules of its slices and sentences."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamiz.domain.budget import minimum_rows
from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.gate import FieldPolicy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Decision, FieldTriage
from tamiz.lab.data.example import Example

pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
from tamiz.lab.backtest import BacktestOptions, backtest, learnable
from tamiz.lab.backtest_findings import (
    Applied,
    Proof,
    excerpt,
    reassignments,
    rows_for,
    small_classes,
    why_nothing,
)
from tamiz.lab.backtest_report import as_html, as_text, verdict, write_backtest
from tamiz.lab.backtest_slices import cut, newest
from tamiz.lab.synth import generate
from tamiz.models.open import open_model

Report = dict[str, Any]


@pytest.fixture(scope="module")
def done(messy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path, list[str]]:
    """The messy export through a quick backtest: the report, its folder, and what was told on the way."""
    out = tmp_path_factory.mktemp("backtest") / "out"
    told: list[str] = []
    report = backtest(messy, BacktestOptions(out, quick=True), told.append)
    write_backtest(report, out)
    return report, out, told


def test_a_stated_taxonomy_says_what_is_learned(tmp_path: Path) -> None:
    rows = [
        {"text": t.body, "category": t.labels["category"], "priority": t.labels["priority"]}
        for t in generate(400, 5)
        if not t.abstain
    ]
    path = tmp_path / "desk.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    report = backtest(path, BacktestOptions(tmp_path / "out", quick=True, taxonomy=default_taxonomy()), print)
    assert list(report["fields"]) == ["category", "priority"]
    taxonomy = open_model(tmp_path / "out" / "model").taxonomy
    assert taxonomy.field("category").keys == default_taxonomy().field("category").keys
    assert taxonomy.field("priority").matrix is None  # urgency and impact have no labels here
    category = report["fields"]["category"]
    majority = category["baselines"]["majority"]["accuracy"]["value"]
    assert category["model"]["accuracy"]["value"] > majority


def test_a_messy_export_goes_through_by_itself(done: tuple[Report, Path, list[str]]) -> None:
    report, out, told = done
    data = report["data"]
    assert (data["encoding"], data["delimiter"]) == ("cp1252", ";")
    assert {"en", "es", "other"} <= set(data["languages"])
    assert data["how"].startswith("By time")
    assert data["repeats"] > 0
    assert list(report["fields"]) == ["zuweisungsgruppe", "prioritat"]
    assert "learning words and characters" in told
    assert {p.name for p in out.iterdir()} == {
        "report.json",
        "report.txt",
        "report.html",
        "rejected.csv",
        "model",
    }


def test_rows_that_cannot_be_used_are_kept_with_their_lines(done: tuple[Report, Path, list[str]]) -> None:
    report, out, _ = done
    with (out / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rejected = list(csv.DictReader(file))
    assert len(rejected) == report["data"]["rejected"]
    assert any(row["line"] == "41" and "8 cells" in row["reason"] for row in rejected)


def test_the_model_is_at_least_as_good_as_the_baseline_on_the_same_rows(
    done: tuple[Report, Path, list[str]],
) -> None:
    group = done[0]["fields"]["zuweisungsgruppe"]
    for figure in ("accuracy", "macro_f1"):
        ours = group["model"][figure]["value"]
        assert (
            ours
            >= group["baselines"]["linear"][figure]["value"]
            > group["baselines"]["majority"][figure]["value"]
        )


def test_the_report_is_honest_about_too_few_rows_and_routing(done: tuple[Report, Path, list[str]]) -> None:
    report = done[0]
    group = report["fields"]["zuweisungsgruppe"]
    assert group["applied"][0]["threshold"] is None
    assert "more labelled tickets are needed" in group["applied"][0]["sentence"]
    assert group["routing"]["usual"] == "Service Desk"
    assert report["fields"]["prioritat"]["routing"] == {}


def test_examples_are_short_and_the_page_is_whole(done: tuple[Report, Path, list[str]]) -> None:
    report, out, _ = done
    for found in report["fields"].values():
        assert all(len(m["text"]) <= 120 and m["value"] != m["label"] for m in found["mistakes"])
    html = (out / "report.html").read_text("utf-8")
    assert html == as_html(report)
    assert "<script" not in html
    assert json.loads((out / "report.json").read_text("utf-8"))["file"] == "messy.csv"
    assert "tamiz models activate" in as_text(report)


def test_the_model_folder_opens_and_knows_the_groups(done: tuple[Report, Path, list[str]]) -> None:
    model = open_model(done[1] / "model")
    (prediction,) = model.predict(["VPN-Verbindung bricht ab, bitte um Hilfe"])
    assert prediction.distributions["zuweisungsgruppe"].best[0] == "Network"


def test_a_second_run_into_the_same_folder_is_refused_before_it_starts(
    done: tuple[Report, Path, list[str]], messy: Path
) -> None:
    with pytest.raises(ConfigError, match="already holds a model"):
        backtest(messy, BacktestOptions(done[1]), lambda text: None)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("subject;body\n" + "vpn;does not work at all today\n" * 60, "no column holds labels"),
        (
            "body,category\n"
            + "".join(f"ticket {i} about {'vpn' if i % 2 else 'mail'},{'ab'[i % 2]}\n" for i in range(30)),
            "30 labelled rows are too few",
        ),
        (
            "body,category\n" + "the same text again and again,a\nthe same text again and again,b\n" * 40,
            "repeats itself too much",
        ),
    ],
)
def test_exports_that_cannot_work_say_so_in_one_line(text: str, mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=mistake) as caught:
        backtest(path, BacktestOptions(tmp_path / "out", quick=True), lambda text: None)
    assert "\n" not in caught.value.one_line()


def rows(count: int, timed: bool = True) -> list[Example]:
    return [
        Example(
            str(i),
            f"ticket number {i * 7919} asks about subject {i * 104729}",
            {"f": "ab"[i % 2]},
            time=f"2024-01-01T{i:05}" if timed else "",
        )
        for i in range(count)
    ]


def test_the_newest_rows_are_judged_and_repeats_are_not() -> None:
    examples = rows(100)
    examples[95] = replace(examples[95], text=examples[3].text)
    found = cut(examples, "f", 0)
    assert {e.id for e in found.judged} == {str(i) for i in range(80, 100)} - {"95"}
    assert [e.id for e in found.repeats] == ["95"]
    assert max(int(e.id) for e in found.slices.train) < min(int(e.id) for e in found.slices.calibrate)


def test_without_times_near_duplicates_stay_on_one_side() -> None:
    examples = [
        replace(e, text=f"{examples_text(i // 4)} {i % 4}") for i, e in enumerate(rows(200, timed=False))
    ]
    found = cut(examples, "f", 0)
    sides = [
        {int(e.id) // 4 for e in side} for side in (found.slices.train, found.slices.calibrate, found.judged)
    ]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert found.how.startswith("At random")


def examples_text(number: int) -> str:
    return f"{'abcdefgh'[number % 8] * 9} {'ijklmnop'[number // 8 % 8] * 9} some longer words {number * 7919} follow here"


def test_a_small_export_is_used_whole() -> None:
    assert newest(rows(5), 0) == (rows(5), [])


def test_single_and_surplus_labels_are_not_learned() -> None:
    assert learnable(["a", "a", "b", "c", "c"]) == ["a", "a", "c", "c"]


def applied_of(values: list[tuple[str, str]], budget: float = 0.02) -> Applied:
    outcomes = [FieldTriage(value, 0.9, Decision.APPLY, ((value, 0.9),)) for value, _ in values]
    return Applied(budget, FieldPolicy(apply_at=0.5), outcomes, [truth for _, truth in values])


def test_more_wrong_than_the_budget_is_said_aloud() -> None:
    figures = applied_of([("a", "a")] * 9 + [("a", "b")]).to_dict(Proof([], []), 0.16)
    assert (figures["applied"], figures["wrong"], figures["realised"]) == (10, 1, 0.1)
    assert "MORE than the budget" in figures["sentence"]


def test_reassignments_are_counted_against_the_largest_group() -> None:
    past = [Example(str(i), "t", {"g": "desk" if i else "net"}) for i in range(5)]
    found = reassignments(applied_of([("net", "net"), ("net", "desk"), ("desk", "desk")]), past, "g")
    assert (found["usual"], found["spared"], found["caused"]) == ("desk", 1, 1)


@pytest.mark.parametrize(
    ("confident", "budget", "told"),
    [
        (
            [True] * 50,
            0.02,
            f"takes {minimum_rows(0.02)} held-out tickets without one mistake; there are 50. About 900 more",
        ),
        ([False] * 40 + [True] * 400, 0.02, "hold 40 mistakes. More tickets of this kind would not help"),
        ([False] + [True] * 400, 0.02, "If that rate holds"),
    ],
)
def test_why_nothing_can_be_applied(confident: list[bool], budget: float, told: str) -> None:
    confidences = [1 - i / 1000 for i in range(len(confident))]
    assert told in why_nothing(Proof(confidences, confident), budget, 0.16)


def test_rows_for_a_flawless_record_are_the_minimum() -> None:
    assert rows_for(0.0, 0.02) == minimum_rows(0.02)
    assert rows_for(0.005, 0.02) > minimum_rows(0.02)
    assert rows_for(0.02, 0.02) == 0


def test_small_classes_are_those_with_few_earlier_rows() -> None:
    past = [Example(str(i), "t", {"f": "big" if i else "small"}) for i in range(11)]
    judged = [Example("j", "t", {"f": "new"}), Example("k", "t", {"f": "big"})]
    found = small_classes(past, judged, "f")
    assert (found["classes"], found["share"]) == ({"new": 0, "small": 1}, 0.5)


def test_excerpts_are_one_line_of_at_most_120_characters() -> None:
    assert excerpt("a\n\n b") == "a b"
    assert len(excerpt("word " * 100)) == 120


@pytest.mark.parametrize(
    ("ours", "told"),
    [((0.8, 0.5), "Better"), ((0.6, 0.3), "NOT better"), ((0.8, 0.3), "Against"), ((0.7, 0.4), "Equal")],
)
def test_the_verdict_follows_the_figures(ours: tuple[float, float], told: str) -> None:
    def quality(pair: tuple[float, float]) -> dict[str, Any]:
        return {"accuracy": {"value": pair[0]}, "macro_f1": {"value": pair[1]}}

    found = {
        "model": quality(ours),
        "baselines": {"linear": quality((0.7, 0.4))},
        "against_linear": {"p": 0.2},
    }
    assert verdict(found).startswith(told)
