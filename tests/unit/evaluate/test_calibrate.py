"""Thresholds from held-out rows: how severity is read."""

from __future__ import annotations

import numpy as np

from tamiz.domain.gate import shown
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.calibrate import UNDER_RATED, fit_policy
from tamiz.lab.data.example import Example

TAXONOMY = default_taxonomy()
LEVELS = ("High", "Medium", "Low")


def rows(count: int, sharpness: float, seed: int = 0) -> tuple[list[Prediction], list[Example]]:
    """Predictions whose severity is drawn from their own probabilities: calibrated, and surer with `sharpness`."""
    rng = np.random.default_rng(seed)
    uniform = {
        f.name: Distribution(f.classes, (1 / len(f.classes),) * len(f.classes)) for f in TAXONOMY.predicted
    }
    matrix = TAXONOMY.field("priority").matrix
    assert matrix is not None
    predictions, examples = [], []
    for i in range(count):
        odds = np.exp(sharpness * rng.normal(size=(2, 3)))
        chances = odds / odds.sum(axis=1, keepdims=True)
        urgency, impact = (str(rng.choice(LEVELS, p=p)) for p in chances)
        severity = {
            name: Distribution(LEVELS, tuple(p.tolist()))
            for name, p in zip(("urgency", "impact"), chances, strict=True)
        }
        predictions.append(Prediction({**uniform, **severity}))
        labels = {"urgency": urgency, "impact": impact, "priority": matrix.at(urgency, impact)}
        examples.append(Example(str(i), "text", labels))
    return predictions, examples


def under_rated(policy, predictions, examples) -> float:
    priority = TAXONOMY.field("priority")
    worst = [p for p, e in zip(predictions, examples, strict=True) if e.labels["priority"] == "Critical"]
    return float(np.mean([shown(TAXONOMY, priority, p, policy)[0] != "Critical" for p in worst]))


def test_severity_is_read_so_that_critical_tickets_are_seldom_rated_too_low() -> None:
    policy = fit_policy(TAXONOMY, *rows(4000, 25.0), 0.02, earned=False)
    at = policy.of("urgency").severe_at
    assert at is not None
    assert at < 0.5
    assert policy.of("impact").severe_at == at
    assert policy.of("category").severe_at is None
    fresh = rows(4000, 25.0, seed=1)
    assert under_rated(policy, *fresh) <= 2 * UNDER_RATED
    plain = fit_policy(
        TAXONOMY, *rows(20, 25.0), 0.02, earned=False
    )  # too few critical rows to promise anything
    assert plain.of("urgency").severe_at is None
    assert under_rated(plain, *fresh) > 2 * UNDER_RATED


def test_a_model_that_cannot_tell_severity_shows_the_worst_or_asks() -> None:
    policy = fit_policy(TAXONOMY, *rows(4000, 0.0), 0.02, earned=False)
    assert under_rated(policy, *rows(500, 0.0, seed=1)) == 0.0
