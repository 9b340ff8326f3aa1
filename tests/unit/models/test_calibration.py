"""Calibration, scope and error budgets: fitted on held-out rows, and right about new ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy comes with the extra 'train'")

from scipy.stats import beta, binom

from tamiz.domain.budget import binomial_cdf, minimum_rows, threshold_for, upper_bound
from tamiz.lab.calibrate import fit_fusion, fit_scope
from tamiz.models.calibration import Calibration, Fusion, Scope, softmax


def scores(rng, rows, classes, heat, noise):
    y = rng.integers(0, classes, rows)
    clean = np.eye(classes)[y] * 3 + rng.normal(0, noise, (rows, classes))
    return clean * heat, y


def log_loss(p, y):
    return -np.log(p[np.arange(len(y)), y]).mean()


def test_fusion_cools_what_is_overconfident_and_ignores_noise() -> None:
    rng = np.random.default_rng(0)
    (hot, y), (fresh, fresh_y) = scores(rng, 600, 4, 8.0, 1.5), scores(rng, 600, 4, 8.0, 1.5)
    noise, fresh_noise = rng.normal(0, 1, hot.shape), rng.normal(0, 1, fresh.shape)
    fusion = fit_fusion([hot, noise], y)
    assert fusion.weights[0] < 0.6
    assert fusion.weights[1] < 0.2
    assert log_loss(fusion.probabilities([fresh, fresh_noise]), fresh_y) < 0.5 * log_loss(
        softmax(fresh), fresh_y
    )


def test_two_independent_components_beat_each_alone() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, 800)
    parts = [np.eye(5)[y] * 2 + rng.normal(0, 1.5, (800, 5)) for _ in range(2)]
    both = fit_fusion([p[:400] for p in parts], y[:400]).probabilities([p[400:] for p in parts])
    for part in parts:
        alone = fit_fusion([part[:400]], y[:400]).probabilities([part[400:]])
        assert log_loss(both, y[400:]) < log_loss(alone, y[400:])


def test_scope_separates_when_it_has_seen_strange_rows_and_ranks_when_not() -> None:
    rng = np.random.default_rng(2)
    logits = np.concatenate([rng.normal(5, 1, 300), rng.normal(1, 1, 100)])
    inside = np.arange(400) < 300
    fitted = fit_scope({"max_logit": logits, "noise": rng.normal(0, 1, 400)}, inside)
    values = fitted.score({"max_logit": logits, "noise": np.zeros(400)}, 400)
    assert values[inside].mean() > 0.9
    assert values[~inside].mean() < 0.2
    ranked = fit_scope({"max_logit": logits[:300]}, inside[:300])
    assert ranked.score({"max_logit": np.array([-9.0, np.median(logits[:300]), 99.0])}, 3) == pytest.approx(
        [0, 0.5, 1], abs=0.01
    )
    assert Scope().score({}, 2).tolist() == [1.0, 1.0]


def test_calibration_survives_a_round_trip() -> None:
    calibration = Calibration(
        {"a": Fusion((1.0, 0.5), (0.1, -0.1))}, Scope(("x",), (0.0,), (1.0,), (2.0,), 0.5)
    )
    assert Calibration.from_dict(calibration.to_dict()) == calibration


@pytest.mark.parametrize(("wrong", "rows"), [(0, 10), (1, 50), (7, 300), (300, 300), (12, 5000)])
def test_bounds_are_clopper_pearson(wrong, rows) -> None:
    exact = 1.0 if wrong == rows else beta.ppf(0.98, wrong + 1, rows - wrong)
    assert upper_bound(wrong, rows, 0.02) == pytest.approx(exact, abs=1e-6)
    assert binomial_cdf(wrong, rows, 0.03) == pytest.approx(binom.cdf(wrong, rows, 0.03), abs=1e-9)


def test_the_budget_holds_in_nearly_every_recalibration() -> None:
    rng = np.random.default_rng(3)
    held, coverages = 0, []
    for _ in range(100):
        confidence = rng.beta(4, 1, 1500)
        correct = rng.random(1500) < 0.6 + 0.4 * confidence
        found = threshold_for(confidence.tolist(), correct.tolist(), 0.05)
        at = 2.0 if found.at is None else found.at
        fresh = rng.beta(4, 1, 20_000)
        true_error = (0.4 * (1 - fresh[fresh >= at])).mean() if (fresh >= at).any() else 0.0
        held += true_error <= 0.05
        coverages.append(found.coverage)
    assert held >= 95
    assert np.mean(coverages) > 0.3


def test_too_few_rows_earn_nothing() -> None:
    few = minimum_rows(0.02) - 1
    assert threshold_for([0.9] * few, [True] * few, 0.02).at is None
    enough = threshold_for([0.9] * (few + 1), [True] * (few + 1), 0.02)
    assert (enough.at, enough.applied, enough.wrong) == (0.9, few + 1, 0)
    with pytest.raises(ValueError, match="differ in length"):
        threshold_for([0.1], [], 0.02)
