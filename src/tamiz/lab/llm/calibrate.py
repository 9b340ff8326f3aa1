"""Fit what makes a language model's word comparable: temperatures per field, its scope, its thresholds, and the weights
with which a cascade pools it with the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamiz.domain.gate import Policy, decide
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Decision, Prediction, Reason
from tamiz.lab.calibrate import Answers, fit_calibration, fit_fusion, fit_policy
from tamiz.lab.data.example import Example
from tamiz.models.calibration import Calibration
from tamiz.models.llm.decode import Decoded
from tamiz.models.llm.writer import TINY, answers

BUDGET = 0.02
FEWEST = 60
"""With fewer open held-out rows, a field's pool is fitted on all of them."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A language model's calibration and policy, and its pools as plain data for the manifest."""

    calibration: Calibration
    policy: Policy
    pools: dict[str, Any]


def fit(
    taxonomy: Taxonomy, decoded: Sequence[Decoded], examples: Sequence[Example], encoder: Model
) -> Fitted:
    """From the uncalibrated answers to held-out examples. Nothing is ever applied: the rows are synthetic."""
    raw = answers(taxonomy, decoded)
    calibration = fit_calibration(taxonomy, Answers((raw.scores,), raw.signals), examples)
    predictions = calibration.predictions(taxonomy, [raw.scores], raw.signals)
    policy = fit_policy(taxonomy, predictions, examples, BUDGET, earned=False)
    return Fitted(calibration, policy, pools(taxonomy, predictions, examples, encoder))


def pools(
    taxonomy: Taxonomy, told: Sequence[Prediction], examples: Sequence[Example], encoder: Model
) -> dict[str, Any]:
    """Per field the weights of both opinions and a bias per class, fitted where the encoder leaves the field open."""
    own = encoder.predict([e.text for e in examples])
    outcomes = [decide(taxonomy, p, encoder.policy) for p in own]
    fields = {}
    for f in taxonomy.predicted:
        index = {label: i for i, label in enumerate(f.classes)}
        known = [i for i, e in enumerate(examples) if not e.abstain and e.labels.get(f.name) in index]
        open_rows = [i for i in known if _open(outcomes[i][f.name].decision, outcomes[i][f.name].reason)]
        rows = open_rows if len(open_rows) >= FEWEST else known
        if len(rows) < FEWEST:
            continue
        both = [
            np.log(np.maximum([p[i].distributions[f.name].probabilities for i in rows], TINY))
            for p in (own, told)
        ]
        fusion = fit_fusion(both, np.array([index[examples[i].labels[f.name]] for i in rows]))
        fields[f.name] = {
            "encoder": fusion.weights[0],
            "writer": fusion.weights[1],
            "bias": list(fusion.bias),
            "rows": len(rows),
        }
    return {"encoder": encoder.info.content_hash, "fields": fields}


def _open(decision: Decision, reason: Reason) -> bool:
    return decision is Decision.REVIEW and reason in (Reason.LOW_CONFIDENCE, Reason.DEPENDS)
