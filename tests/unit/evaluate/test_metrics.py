"""Figures against scikit-learn and against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tamiz.lab import metrics

RNG = np.random.default_rng(3)
LABELS = np.array(["a", "b", "c", "d"], dtype=object)
TRUTH = RNG.choice(LABELS, 300, p=[0.6, 0.2, 0.15, 0.05])
GUESS = np.where(RNG.random(300) < 0.7, TRUTH, RNG.choice(LABELS, 300))


def test_figures_equal_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    assert metrics.accuracy(TRUTH, GUESS) == pytest.approx(sk.accuracy_score(TRUTH, GUESS))
    assert metrics.macro_f1(TRUTH, GUESS) == pytest.approx(sk.f1_score(TRUTH, GUESS, average="macro"))
    assert metrics.weighted_f1(TRUTH, GUESS) == pytest.approx(sk.f1_score(TRUTH, GUESS, average="weighted"))
    matrix = metrics.confusion(TRUTH, GUESS, list(LABELS))
    assert matrix[:4, :4].tolist() == sk.confusion_matrix(TRUTH, GUESS, labels=list(LABELS)).tolist()
    expected = sk.precision_recall_fscore_support(TRUTH, GUESS, labels=list(LABELS))
    found = metrics.per_class(matrix, list(LABELS))
    assert [[c.precision, c.recall, c.f1, c.support] for c in found] == pytest.approx(np.array(expected).T)


def test_auroc_equals_scikit_learn_with_ties() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    positive, negative = RNG.integers(0, 9, 80) / 9 + 0.1, RNG.integers(0, 9, 60) / 9
    truth = [1] * 80 + [0] * 60
    expected = sk.roc_auc_score(truth, np.concatenate([positive, negative]))
    assert metrics.auroc(positive, negative) == pytest.approx(expected)


def test_a_class_that_is_only_guessed_costs_precision_and_not_the_mean() -> None:
    truth = np.array(["a", "a", "b", "b"], dtype=object)
    guess = np.array(["a", "z", "b", "b"], dtype=object)
    assert metrics.macro_f1(truth, guess) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.confusion(truth, guess, ["a", "b"]).tolist() == [[1, 0, 1], [0, 2, 0], [0, 0, 0]]


def test_top_k_counts_the_truth_among_the_likeliest() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    truth = np.array(["b", "c", "c"], dtype=object)
    assert metrics.top_k(truth, probabilities, ["a", "b", "c"], 1) == pytest.approx(1 / 3)
    assert metrics.top_k(truth, probabilities, ["a", "b", "c"], 2) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([0.9, 0.9, 0.9, 0.9], [True, True, True, False], 0.15),
        ([1.0, 1.0], [True, True], 0.0),
        ([0.2, 0.8], [True, True], 0.5),
    ],
)
def test_ece_is_the_weighted_gap(confidence: list[float], correct: list[bool], expected: float) -> None:
    assert metrics.ece(np.array(confidence), np.array(correct)) == pytest.approx(expected)


def test_risk_grows_along_the_confidence_order() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    points = metrics.risk_coverage(confidence, np.array([True, True, False, False]))
    assert [(p["coverage"], p["risk"]) for p in points] == [
        (0.25, 0.0),
        (0.5, 0.0),
        (0.75, pytest.approx(1 / 3)),
        (1.0, 0.5),
    ]


def test_mcnemar_is_the_exact_binomial_test() -> None:
    scipy = pytest.importorskip("scipy.stats")
    a = np.array([True] * 9 + [False] * 3 + [True] * 40)
    b = np.array([False] * 9 + [True] * 3 + [True] * 40)
    found = metrics.mcnemar(a, b)
    assert (found["only_a"], found["only_b"]) == (9, 3)
    assert found["p"] == pytest.approx(scipy.binomtest(3, 12).pvalue)
    assert metrics.mcnemar(a, a)["p"] == 1.0


def test_intervals_hold_the_figure_and_repeat_with_the_seed() -> None:
    found = metrics.quality(TRUTH, GUESS, seed=1)
    for name in ("accuracy", "macro_f1"):
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found == metrics.quality(TRUTH, GUESS, seed=1)


def test_the_gain_over_itself_is_nothing_and_over_chance_is_certain() -> None:
    chance = RNG.permutation(GUESS)
    same, better = metrics.gain(TRUTH, GUESS, GUESS), metrics.gain(TRUTH, GUESS, chance)
    assert (same["p"], same["macro_f1"]["value"]) == (1.0, 0.0)
    assert better["p"] < 0.001
    assert better["macro_f1"]["low"] > 0


def test_no_rows_give_no_number() -> None:
    none = np.zeros(0, dtype=object)
    assert math.isnan(metrics.accuracy(none, none))
    assert math.isnan(metrics.macro_f1(none, none))
    assert math.isnan(metrics.ece(np.zeros(0), np.zeros(0, dtype=bool)))
    assert metrics.risk_coverage(np.zeros(0), np.zeros(0, dtype=bool)) == []


def test_an_interval_over_groups_is_wider_than_one_over_rows() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25).astype(str).astype(object)
    truth = np.full(1000, "a", dtype=object)
    guess = np.where(np.repeat(rng.random(40) < 0.7, 25), "a", "b").astype(object)  # right or wrong by group
    by_group = metrics.clustered(truth, guess, groups)
    by_row = metrics.clustered(truth, guess, np.arange(1000).astype(object))
    assert by_group.value == by_row.value == pytest.approx(float(np.mean(truth == guess)))
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)
