"""Heads for an encoder that stays as it is: one logistic regression per field on its embeddings (seconds)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.encoder_config import EncoderConfig
from tamiz.lab.encoder_data import Ints, Targets
from tamiz.models.encoder_heads import ABSTAIN_HEAD

Floats = NDArray[np.float32]

_UNSEEN = 10.0
"""How far the bias of a class without training rows lies below the lowest of the others."""


def frozen_heads(
    unit: Floats, targets: Targets, taxonomy: Taxonomy, config: EncoderConfig
) -> dict[str, Floats]:
    """Arrays for `EncoderHeads` from embeddings [N, D]; the abstain head only where rows of both kinds exist."""
    arrays: dict[str, Floats] = {}
    for f in taxonomy.predicted:
        rows = targets.labelled(f.name)
        weight, bias = _logistic(unit[rows], targets.fields[f.name][rows], len(f.classes), config)
        arrays |= {f"{f.name}.weight": weight, f"{f.name}.bias": bias}
    if 0 < targets.abstain.sum() < len(targets.abstain):
        weight, bias = _logistic(unit, targets.abstain.astype(np.int64), 2, config)
        arrays |= {
            f"{ABSTAIN_HEAD}.weight": weight[1:] - weight[:1],
            f"{ABSTAIN_HEAD}.bias": bias[1:] - bias[:1],
        }
    return arrays


def _logistic(unit: Floats, classes: Ints, size: int, config: EncoderConfig) -> tuple[Floats, Floats]:
    """Weights [K, D] and biases [K] of a softmax over all `size` classes."""
    weight = np.zeros((size, unit.shape[1]), np.float32)
    bias = np.zeros(size, np.float32)
    present = np.unique(classes)
    if len(present) > 1:
        model = LogisticRegression(
            C=config.inverse_penalty,
            max_iter=1000,
            class_weight="balanced" if config.class_weights else None,
        ).fit(unit, classes)
        # Two classes share one row of coefficients: its half for one and against the other.
        both = len(present) == 2
        weight[present] = np.concatenate([-model.coef_, model.coef_]) / 2 if both else model.coef_
        bias[present] = (
            np.concatenate([-model.intercept_, model.intercept_]) / 2 if both else model.intercept_
        )
    if len(present):
        bias[np.setdiff1d(np.arange(size), present)] = bias[present].min() - _UNSEEN
    return weight, bias
