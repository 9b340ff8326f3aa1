"""The measurement of the cache: streams with a known truth, and the simulation that counts by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the bench compares with a model that needs it")

from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import CanonicalText
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.bench.cache import own_pairs
from tamiz.lab.bench.cache_page import cache_section
from tamiz.lab.bench.cache_rows import Rows
from tamiz.lab.bench.cache_run import Checks, Simulation, Way, best_fixed, fixed, nearest
from tamiz.lab.bench.cache_stream import Arrival, Stream, alike, development, judged, same
from tamiz.lab.bench.cache_week import ORDINARY, OUTAGES, weeks
from tamiz.lab.bench.page import FIGURES
from tamiz.lab.synth.bank import default_bank

TAXONOMY = default_taxonomy()
BANK = default_bank()


def arrival(text: str, request: str, **more) -> Arrival:
    view = CanonicalText(text, "", text)
    return Arrival(view, request, request, ("Low", "Low"), frozenset(), {"category": request}, "new", **more)


def prediction(label: int = 0) -> Prediction:
    found = {}
    for f in TAXONOMY.predicted:
        rest = 0.1 / (len(f.classes) - 1)
        found[f.name] = Distribution(
            f.classes, tuple(0.9 if i == label else rest for i in range(len(f.classes)))
        )
    return Prediction(found)


def rows(texts: list[tuple[str, str]], angles: list[float], labels: list[int] | None = None) -> Rows:
    units = np.array([(np.cos(a), np.sin(a)) for a in angles], np.float32)
    said = [prediction(label) for label in labels or [0] * len(texts)]
    return Rows([arrival(text, request) for text, request in texts], said, units)


def simulated(table: Rows, **way):
    checks = Checks(table, TAXONOMY, Policy())
    return Simulation(checks, nearest(table.units, 8), Way(**way)).run()


def test_streams_follow_from_their_seed_and_know_what_is_the_same() -> None:
    stream = Stream(BANK, judged(BANK), seed=3).take(400)
    assert [a.text.text for a in stream] == [
        a.text.text for a in Stream(BANK, judged(BANK), seed=3).take(400)
    ]
    assert set(Counter(a.how for a in stream)) == {
        "new",
        "again",
        "dress",
        "words",
        "foil",
        "opposite",
        "other",
    }
    assert all(same(a, a) and alike(a, a) for a in stream)
    by_request: dict[str, list[Arrival]] = {}
    for a in stream:
        by_request.setdefault(a.request, []).append(a)
    repeated = [group for group in by_request.values() if len(group) > 1]
    assert repeated
    assert all(same(group[0], one) for group in repeated for one in group)


def test_what_judges_shares_nothing_with_what_was_tuned_on() -> None:
    ours, tuned = judged(BANK), development(BANK)
    assert not {s.id for s in ours.scenarios} & {s.id for s in tuned.scenarios}
    assert not ours.acts.keys() & tuned.acts.keys()
    assert all(s.split == "test" for s in ours.scenarios)


def test_opposites_and_other_things_are_not_the_same() -> None:
    pairs = own_pairs(BANK)
    kinds = Counter(kind for kind, *_ in pairs)
    assert kinds["opposite"] + kinds["entity"] + kinds["slot"] >= 1_000
    for kind, _, one, other in pairs:
        assert same(one, other) is (kind == "same"), (kind, one.text.text, other.text.text)


def test_a_week_has_outages_forms_and_ordinary_tickets() -> None:
    visits = weeks(BANK, judged(BANK), 1)
    kinds = Counter(v.arrival.how for v in visits)
    assert kinds["new"] == ORDINARY
    assert kinds["outage"] >= 0.7 * sum(reports for *_, reports in OUTAGES)
    assert [v.hour for v in visits] == sorted(v.hour for v in visits)


def test_equal_texts_are_served_and_other_words_only_where_nothing_speaks_against_it() -> None:
    table = rows(
        [
            ("Outlook is slow", "a"),
            ("Outlook is slow", "a"),
            ("Hi,\nOutlook is slow", "a"),
            ("Outlook is not slow", "b"),
        ],
        [0.0, 0.0, 0.1, 0.1],
    )
    outcome = simulated(table)
    assert list(outcome.tiers) == ["", "exact", "verified", ""]
    assert list(outcome.source) == [0, 0, 0, 3]
    counts = simulated(table, contrast=False).counts()
    assert (counts["verified"], counts["wrong"], counts["labels"]) == (2, 1, 1)


def test_what_the_model_sees_otherwise_is_not_served() -> None:
    table = rows([("Outlook is slow", "a"), ("Hi,\nOutlook is slow", "b")], [0.0, 0.1], [0, 1])
    assert simulated(table).counts()["verified"] == 0
    assert simulated(table, agree=False).counts()["verified"] == 1


def test_an_answer_taken_over_is_not_passed_on() -> None:
    texts = [("Outlook is slow", "a"), ("Hi,\nOutlook is slow", "a"), ("Hello all,\nOutlook is slow", "a")]
    table = rows(texts, [0.0, 0.5, 1.0])
    assert list(simulated(table, again=0.0).tiers) == ["", "verified", ""]
    assert list(simulated(table, settled=False, budget=None).source) == [0, 0, 0]


def test_many_wrong_answers_shut_the_cache() -> None:
    texts = [(f"{'Hi,' if i % 2 else 'Hello,'}\nItem {'x' * (i // 2)} is slow", f"{i}") for i in range(400)]
    table = rows(texts, [0.005 * (i // 2) for i in range(len(texts))])
    outcome = simulated(table, again=1.0)
    tiers = Counter(outcome.tiers)
    assert tiers["withheld"] > tiers["verified"] > 0


def test_the_nearest_are_earlier_and_within_reach() -> None:
    units = np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 0]]
    near = nearest(units, 2, keep=2)
    assert near.places[0].tolist() == [-1, -1]
    assert near.places[2].tolist() == [0, 1]
    assert near.places[4].tolist() == [2, 3]


def test_a_fixed_threshold_passes_on_what_it_took_over() -> None:
    table = rows([("a", "a"), ("b", "b"), ("c", "c")], [0.0, 0.3, 0.6])
    outcome = fixed(table, nearest(table.units, 1), 0.95)
    assert list(outcome.source) == [0, 0, 0]
    assert outcome.counts()["wrong"] == 2
    best = best_fixed(table, nearest(table.units, 1), 0.01, [0.95])
    assert best["threshold"] is None


def test_a_source_of_known_severity_differs_from_another_one() -> None:
    one = arrival("x", "a")
    other = replace(one, request="b", scenario="a", levels=("High", "Low"))
    assert not same(one, other)
    assert same(one, replace(other, levels=one.levels))
    named = replace(other, levels=one.levels, facts=frozenset({("site", "Madrid")}))
    assert not same(one, named)


def test_the_page_is_made_from_what_was_measured() -> None:
    if not (FIGURES / "cache.json").is_file():
        pytest.skip("nothing was measured yet")
    assert cache_section(FIGURES)[0].startswith("## ")
