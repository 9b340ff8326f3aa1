"""Does an error budget hold? Random halves of one judged pool: a threshold from one half, the truth from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.budget import threshold_for

TRIALS = 100


def recalibrations(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    budget: float,
    trials: int = TRIALS,
    seed: int = 0,
) -> dict[str, float]:
    """Over `trials` random halvings: in how many the wrong share among applied stays within the budget, and the
    mean coverage and mean wrong share on the half that set no threshold. A half where nothing is applied holds."""
    rng = np.random.default_rng(seed)
    held, coverage, wrong = 0, [], []
    for _ in range(trials):
        order = rng.permutation(len(confidence))
        known, fresh = order[: len(order) // 2], order[len(order) // 2 :]
        at = threshold_for(confidence[known].tolist(), correct[known].tolist(), budget).at
        applied = confidence[fresh] >= at if at is not None else np.zeros(len(fresh), dtype=bool)
        share = float((~correct[fresh][applied]).mean()) if applied.any() else 0.0
        held += share <= budget
        coverage.append(float(applied.mean()))
        wrong.append(share)
    return {
        "budget": budget,
        "trials": trials,
        "held": held,
        "coverage": float(np.mean(coverage)),
        "wrong": float(np.mean(wrong)),
    }


def out_of_scope_gate(
    known: Mapping[str, NDArray[Any]],
    fresh: Mapping[str, NDArray[Any]],
    budget: float,
    strange_share: float = 0.02,
) -> dict[str, float]:
    """Thresholds of confidence and scope on `known` rows, judged on `fresh` ones.

    Both mappings hold `confidence`, `correct`, `scope` of in-scope rows, and `strange_confidence`, `strange_scope` of
    out-of-scope ones. The scope threshold lets `strange_share` of the known strange rows pass (among those that the
    confidence alone would apply); the confidence threshold keeps the error budget among known in-scope rows.
    """
    at = threshold_for(known["confidence"].tolist(), known["correct"].tolist(), budget).at
    if at is None:
        return {"coverage": 0.0, "wrong": 0.0, "strange_applied": 0.0}
    tempted = np.sort(known["strange_scope"][known["strange_confidence"] >= at])[::-1]
    room = int(strange_share * len(known["strange_scope"]))
    scope_at = float(tempted[room]) + 1e-9 if room < len(tempted) else 0.0
    applied = (fresh["confidence"] >= at) & (fresh["scope"] >= scope_at)
    strange = (fresh["strange_confidence"] >= at) & (fresh["strange_scope"] >= scope_at)
    return {
        "coverage": float(applied.mean()),
        "wrong": float((~fresh["correct"][applied]).mean()) if applied.any() else 0.0,
        "strange_applied": float(strange.mean()),
        "confidence_at": at,
        "scope_at": scope_at,
    }
