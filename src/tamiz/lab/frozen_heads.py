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

_SPREAD = 0.05
"""The standard deviation of a coordinate of unit vectors in 400 dimensions that point every way."""

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
        # Centred and brought to one spread, because some encoders' vectors all point one way; folded back below.
        centre = unit.mean(axis=0)
        factor = _SPREAD / max(float((unit - centre).std()), 1e-6)
        model = LogisticRegression(
            C=config.inverse_penalty,
            max_iter=1000,
            class_weight="balanced" if config.class_weights else None,
        ).fit((unit - centre) * factor, classes)
        slopes, offsets = model.coef_ * factor, model.intercept_ - model.coef_ @ centre * factor
        if (
            len(present) == 2
        ):  # one row of coefficients for both: half of it for the one, half against the other
            slopes, offsets = np.concatenate([-slopes, slopes]) / 2, np.concatenate([-offsets, offsets]) / 2
        weight[present], bias[present] = slopes, offsets
    if len(present):
        bias[np.setdiff1d(np.arange(size), present)] = bias[present].min() - _UNSEEN
    return weight, bias
