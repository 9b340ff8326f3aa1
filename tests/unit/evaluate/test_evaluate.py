"""The evaluation of a model whose answers are known, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tamiz.domain.errors import DataError, LeakError
from tamiz.domain.taxonomy import Field, FieldKind, Label
from tamiz.lab import charts
from tamiz.lab.report import as_html, as_text, to_json, write_report

pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
from tamiz.lab.evaluate import Plan, by_language, evaluate, ordered_figures

VOID = frozenset(("meta", "br", "img", "link", "input", "hr"))


@pytest.fixture
def evaluation(model: Any, make: Any) -> dict[str, Any]:
    """The scripted model judged on 120 rows beside a baseline from 150 others."""
    return evaluate(model, make(120, seed=1), Plan(make(150, seed=2, start=1000), note="test.csv"))


class Balanced(HTMLParser):
    """Complains about tags that are not closed in order, and collects what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_figures_are_those_of_the_values_shown(evaluation: dict[str, Any], make: Any) -> None:
    rows = make(120, seed=1)
    wrong = sum("odd" in e.text and e.labels["topic"] != "Mail" for e in rows)
    topic = evaluation["fields"]["topic"]
    assert topic["model"]["accuracy"]["value"] == pytest.approx(1 - wrong / 120)
    assert topic["rows"] == 120
    assert (
        topic["baselines"]["linear"]["accuracy"]["value"]
        > topic["baselines"]["majority"]["accuracy"]["value"]
    )
    assert topic["against_linear"]["only_b"] <= wrong
    assert set(topic["by_language"]) == {"en", "es"}


def test_budgets_count_the_sure_rows(evaluation: dict[str, Any]) -> None:
    at_five = evaluation["fields"]["topic"]["budgets"]["0.05"]
    assert (at_five["at"], at_five["wrong"]) == (0.95, 0)
    assert evaluation["fields"]["level"]["budgets"]["0.05"]["at"] is None


def test_ordered_fields_say_how_far_off_they_are(evaluation: dict[str, Any], make: Any) -> None:
    ordered = evaluation["fields"]["level"]["ordered"]
    high = sum(e.labels["level"] == "High" for e in make(120, seed=1))
    assert (ordered["most_severe"], ordered["rows"], ordered["underrated"]) == ("High", high, high)
    assert ordered["within_one"] == pytest.approx(1 - high / 120)


def test_values_off_the_scale_are_left_out_of_ordered_figures() -> None:
    field = Field("level", FieldKind.CHOICE, ordered=True, labels=(Label("High"), Label("Low")))
    found = ordered_figures(field, np.array(["High", "none", "Low"]), np.array(["High", "Low", "none"]))
    assert (found["rows"], found["underrated"], found["within_one"]) == (1, 0, 1.0)


def test_one_language_needs_no_table() -> None:
    truth = np.array(["a", "b"], dtype=object)
    assert by_language(["en", "en"], truth, truth) == {}


def test_a_leaking_split_gives_no_figures_unless_told(model: Any, make: Any) -> None:
    rows = make(80, seed=1)
    with pytest.raises(LeakError, match="word for word"):
        evaluate(model, rows, Plan(rows))
    evaluation = evaluate(model, rows, Plan(rows, allow_leak=True, fields=("topic",)))
    assert list(evaluation["fields"]) == ["topic"]
    assert "LEAK" in as_text(evaluation)
    assert 'class="alarm"' in as_html(evaluation)


def test_labels_unknown_to_the_model_count_as_wrong_and_are_named(model: Any, make: Any) -> None:
    rows = [replace(e, labels={"topic": "Telephony"}) if i < 5 else e for i, e in enumerate(make(60))]
    evaluation = evaluate(model, rows, Plan(fields=("topic",)))
    assert evaluation["fields"]["topic"]["unknown_labels"] == {"Telephony": 5}
    assert "Telephony (5)" in as_text(evaluation)


def test_data_without_the_fields_of_the_model_is_refused(model: Any, make: Any) -> None:
    rows = [replace(e, labels={"colour": "red"}) for e in make(10)]
    with pytest.raises(DataError, match="topic, level"):
        evaluate(model, rows, Plan())


def test_strange_tickets_are_judged_by_the_scope_score(model: Any, make: Any) -> None:
    strange = [replace(e, labels={}, abstain="vague", text=f"vpn hmm {e.id}") for e in make(12, start=500)]
    model.scope = lambda text: 0.1 if "hmm" in text else 0.9
    scope = evaluate(model, [*make(60), *strange], Plan(fields=("topic",)))["scope"]
    assert (scope["rows"], scope["auroc"], scope["auroc_by_reason"]) == (12, 1.0, {"vague": 1.0})


def test_the_report_is_json_text_html_and_pictures(evaluation: dict[str, Any], tmp_path: Path) -> None:
    written = write_report(evaluation, tmp_path / "out")
    names = {path.name for path in written}
    assert names == {"report.json", "report.txt", "report.html", "confusion-topic.svg", "confusion-level.svg"}
    loaded = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    assert loaded["fields"]["topic"]["rows"] == 120
    assert ElementTree.parse(tmp_path / "out/confusion-topic.svg").getroot().tag.endswith("svg")
    text = (tmp_path / "out/report.txt").read_text("utf-8")
    assert "TF-IDF + LinearSVC" in text
    assert "majority class" in text


def test_the_page_is_whole_and_fetches_nothing(evaluation: dict[str, Any]) -> None:
    html = as_html(evaluation)
    parser = Balanced()
    parser.feed(html)
    assert (parser.open, parser.fetched) == ([], [])
    assert "<script" not in html
    assert "prefers-color-scheme: dark" in html
    assert html.count("<svg") == 6
    assert "<mail>" not in html


def test_what_is_not_a_number_becomes_null() -> None:
    assert json.loads(to_json({"a": float("nan"), "b": [float("inf"), 1.5]})) == {"a": None, "b": [None, 1.5]}


def test_the_picture_gathers_what_is_beyond_the_largest_classes() -> None:
    labels = ["a", "b", "c", "empty"]
    counts = [[5, 1, 0, 0, 0], [0, 3, 1, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    names, matrix = charts.gathered(labels, counts, 2)
    assert names == ["a", "b", charts.REST]
    assert matrix == [[5, 1, 0], [0, 3, 1], [1, 0, 1]]
    assert charts.gathered(labels, counts, 9)[0] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "svg",
    [
        charts.confusion_svg(['<b>&"'], [[1]]),
        charts.confusion_svg([], []),
        charts.reliability_svg([]),
        charts.risk_coverage_svg([{"coverage": 1.0, "risk": 1.0}], (0.01,)),
    ],
)
def test_every_picture_is_well_formed(svg: str) -> None:
    assert ElementTree.fromstring(charts.standalone(svg).encode()).tag.endswith("svg")
