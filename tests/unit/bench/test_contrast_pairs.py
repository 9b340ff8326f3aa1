"""The pairs that the contrast of texts is judged by."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tamiz.lab.bench.contrast import check_figures, matching
from tamiz.lab.bench.contrast_guard import shares
from tamiz.lab.bench.contrast_page import contrast_section
from tamiz.lab.bench.contrast_pairs import HALVES, JUDGED, SAME, judgement, pairs
from tamiz.lab.bench.page import FIGURES
from tamiz.text.contrast import Kind, contrast, same_request


def test_there_are_enough_pairs_of_each_kind() -> None:
    made = pairs()
    counts = Counter(p.kind == SAME for p in made)
    assert counts[False] >= 1_000
    assert counts[True] >= 500
    assert {(p.kind, p.language, p.half) for p in made} >= {
        (kind, language, half)
        for kind in (*Kind, SAME)
        if kind is not Kind.WORDING
        for language in ("en", "es")
        for half in HALVES
    }


def test_pairs_follow_from_the_seed_and_the_halves_share_none() -> None:
    made = pairs()
    assert made == pairs()
    halves = [{(p.a, p.b) for p in made if p.half == half} for half in HALVES]
    assert not halves[0] & halves[1]
    assert not any("{" in text for p in made for text in (p.a, p.b))


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_development_half_stays_caught(language: str) -> None:
    own = [p for p in pairs() if p.half == HALVES[0] and p.language == language]
    missed = [p for p in own if p.kind != SAME and not contrast(p.a, p.b)]
    refused = [p for p in own if p.kind == SAME and contrast(p.a, p.b)]
    assert missed == []
    assert len(refused) <= 0.05 * sum(p.kind == SAME for p in own)


def test_the_judged_parts_are_large_and_in_both_languages() -> None:
    first = judgement("judgement")
    for language in ("en", "es"):
        assert sum(p.kind != SAME and p.language == language for p in first) >= 500
    assert sum(p.kind == SAME for p in first) >= 300
    made = [p for name in JUDGED for p in judgement(name)]
    assert {p.half for p in made} == set(JUDGED)
    assert not any("{" in text for p in made for text in (p.a, p.b))
    assert len({(p.a, p.b) for p in made}) == len(made)


@pytest.mark.parametrize("name", JUDGED)
def test_what_was_judged_stays_refused(name: str) -> None:
    made = judgement(name)
    differ = [p for p in made if p.kind != SAME]
    passed = [p for p in differ if same_request(p.a, p.b, 1.0)]
    assert len(passed) <= 0.01 * len(differ)
    alike = [p for p in made if p.kind == SAME]
    assert sum(same_request(p.a, p.b, 0.9) for p in alike) >= 0.4 * len(alike)


def test_a_threshold_lets_no_more_pass_than_the_contrast() -> None:
    close, same = np.array([0.9, 0.8, 0.7, 0.95]), np.array([False, False, False, True])
    for passing in range(3):
        free = np.array([i < passing for i in range(3)] + [True])
        assert int((close >= matching(close, same, free))[:3].sum()) == passing


def test_shares_count_both_errors() -> None:
    found = shares(np.array([True, False, True]), np.array([False, False, True]))
    assert (found["wrong"], found["different"], found["passed"], found["same"]) == (1, 2, 1, 1)


def test_the_data_check_lists_slips_and_explains_opposites() -> None:
    found = check_figures()
    assert found["listed"] >= 0.8 * found["slips"]
    assert found["explained"] >= 0.8 * found["slips"]


def test_the_page_shows_what_was_measured() -> None:
    page = "\n".join(contrast_section(FIGURES))
    assert "held-out" in page
    assert all(f"| {name} |" in page for name in JUDGED)
    assert contrast_section(FIGURES / "nowhere") == []
