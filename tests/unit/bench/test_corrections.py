"""The figures of corrections: what a summary says, and that the page can show it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("scipy", reason="needs the extra 'train'")
pytest.importorskip("sklearn", reason="needs the extra 'train'")

from tamiz.lab.bench.corrections import microseconds, summary
from tamiz.lab.bench.corrections_page import corrections_section

NEW = [{"recall": 0.7, "loss": 0.001}, {"recall": 0.9, "loss": 0.003}] * 5
PLAIN = {"corrections": 30, "asked": 500, "before": 0.9, "after": 0.92, "better": 12, "worse": 2, "p": 0.01}


def test_a_summary_has_means_intervals_and_the_worst() -> None:
    line = summary({"a way": NEW})["a way"]
    assert line["recall"][0] == pytest.approx(0.8)
    assert line["recall"][1] < 0.8 < line["recall"][2]
    assert (line["worst_recall"], line["worst_loss"], line["reached"]) == (0.7, 0.003, 0.5)


def test_the_page_shows_every_way(tmp_path) -> None:
    new = summary({"a way": NEW, "all at once": NEW[:3]})
    report = {
        "shots": 10,
        "left_out": 10,
        "seeds": [1, 2, 3],
        "public": {"toy, encoder": {"new": new, "ordinary": {"a vote": [PLAIN, PLAIN]}}},
        "starter": {"new": new, "recall_by_language": {"es": 0.8}, "ordinary": {"topic": PLAIN}},
        "microseconds": microseconds(3),
    }
    assert corrections_section(tmp_path) == []
    (tmp_path / "corrections.json").write_text(json.dumps(report), "utf-8")
    page = "\n".join(corrections_section(tmp_path))
    assert page.count("| a way |") == 2
    assert "90.0% → 92.0%" in page
