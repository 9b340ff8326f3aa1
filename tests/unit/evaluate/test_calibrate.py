"""Thresholds from held-out rows: how severity is read."""

from __future__ import annotations

import numpy as np
import pytest

from tamiz.domain.gate import Policy, decide
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.data.example import Example

pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
from tamiz.lab.calibrate import LADDER, UNDER_RATED, fit_policy

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


def too_low(policy: Policy, predictions: list[Prediction], examples: list[Example]) -> float:
    """The share of critical rows whose priority is suggested, and too low."""
    outcomes = [decide(TAXONOMY, p, policy)["priority"] for p in predictions]
    told = [o.value for o, e in zip(outcomes, examples, strict=True) if e.labels["priority"] == "Critical"]
    return float(np.mean([value not in ("Critical", ABSTAIN) for value in told]))


def test_severity_is_read_so_that_critical_tickets_are_seldom_suggested_too_low() -> None:
    policy = fit_policy(TAXONOMY, *rows(4000, 12.0), 0.02, earned=False)
    at = policy.of("urgency").severe_at
    assert at is not None
    assert at < 0.5
    assert policy.of("impact").severe_at == at
    assert policy.of("category").severe_at is None
    fresh = rows(4000, 12.0, seed=1)
    assert too_low(policy, *fresh) <= 2 * UNDER_RATED
    plain = fit_policy(
        TAXONOMY, *rows(20, 12.0), 0.02, earned=False
    )  # too few critical rows to promise anything
    assert plain.of("urgency").severe_at is None
    assert too_low(plain, *fresh) > 2 * UNDER_RATED


def test_a_model_that_cannot_tell_severity_asks() -> None:
    predictions, examples = rows(4000, 0.0)
    policy = fit_policy(TAXONOMY, predictions, examples, 0.02, earned=False)
    assert {decide(TAXONOMY, p, policy)["priority"].value for p in predictions} == {ABSTAIN}


def test_a_model_keeps_what_other_budgets_would_give_and_none_applies_more_than_a_laxer_one() -> None:
    predictions, examples = rows(3000, 12.0)
    policy = fit_policy(TAXONOMY, predictions, examples, 0.02, earned=True)
    own = policy.of("urgency")
    assert [rung.budget for rung in own.ladder] == list(LADDER)
    assert own.within(0.02, policy.budget).apply_at == own.apply_at
    rung = next(rung for rung in own.ladder if rung.budget == 0.02)
    assert (rung.apply_at, rung.by_label) == (own.apply_at, own.by_label)
    proven = [rung.apply_at for rung in own.ladder if rung.apply_at is not None]
    assert len(proven) > 2
    assert proven == sorted(proven, reverse=True)
    assert Policy.from_dict(policy.to_dict()) == policy
    assert fit_policy(TAXONOMY, predictions, examples, 0.02, earned=False).of("urgency").ladder == ()
    few = fit_policy(TAXONOMY, predictions[:40], examples[:40], 0.02, earned=True)
    assert few.of("urgency").ladder == (), "nothing proven, nothing kept"
