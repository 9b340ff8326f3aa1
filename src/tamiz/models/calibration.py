"""From scores to calibrated probabilities, and from signals to one scope score. Small numpy code; fitting is in `lab`.

A model has one or more components (a linear one, an encoder). For each field, component c gives scores s_c [N, K];
the calibrated distribution is softmax(sum_c a_c · s_c + b). With one component and no bias this is temperature
scaling (Guo et al. 2017); with several it fuses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution, Prediction

Floats = NDArray[Any]
Scores = Mapping[str, Floats]
"""Field → scores [N, K], columns in the order of the field's classes."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights of the components of one field, one per component, and a bias per class (empty: none)."""

    weights: tuple[float, ...]
    bias: tuple[float, ...] = ()

    def probabilities(self, components: Sequence[Floats]) -> Floats:
        """Calibrated probabilities [N, K] from one score array [N, K] per component."""
        mixed = sum(
            (w * s.astype(np.float64) for w, s in zip(self.weights, components, strict=True)), np.zeros(1)
        )
        return softmax(mixed + np.asarray(self.bias) if self.bias else mixed)


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope score from named signals.

    With `reference` empty: a logistic regression on standardised signals (fitted with out-of-scope examples).
    Otherwise: the share of held-out in-scope rows whose first signal is no larger than this text's (a conformal
    p-value, Vovk et al. 2005), for models that have seen no out-of-scope example.
    """

    signals: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    bias: float = 0.0
    reference: tuple[float, ...] = ()

    def score(self, signals: Mapping[str, Floats], rows: int) -> Floats:
        """Scope scores [N] in [0, 1]; 1 for a model without any signal."""
        if not self.signals:
            return np.ones(rows)
        if self.reference:
            below = np.searchsorted(np.asarray(self.reference), signals[self.signals[0]], side="right")
            return np.asarray(below / len(self.reference))
        columns = np.stack([np.asarray(signals[name], dtype=np.float64) for name in self.signals], axis=1)
        standard = (columns - np.asarray(self.mean)) / np.asarray(self.spread)
        odds = np.clip(standard @ np.asarray(self.weights) + self.bias, -30.0, 30.0)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything between a model's raw answers and its predictions."""

    fusions: Mapping[str, Fusion]
    scope: Scope = Scope()

    def predictions(
        self,
        taxonomy: Taxonomy,
        components: Sequence[Scores],
        signals: Mapping[str, Floats],
        embeddings: Floats | None = None,
    ) -> list[Prediction]:
        """Predictions for N texts from their component scores, signals [N] and unit embeddings [N, D]."""
        rows = len(next(iter(components[0].values())))
        fused = {
            f.name: self.fusions[f.name].probabilities([scores[f.name] for scores in components])
            for f in taxonomy.predicted
        }
        scope = self.scope.score(signals, rows)
        classes = {f.name: f.classes for f in taxonomy.predicted}
        return [
            Prediction(
                {name: Distribution(classes[name], tuple(p[row].tolist())) for name, p in fused.items()},
                float(scope[row]),
                () if embeddings is None else embeddings[row],
            )
            for row in range(rows)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest; `from_dict` reads it back."""
        scope = {name: getattr(self.scope, name) for name in self.scope.__slots__}
        fusions = {
            name: {"weights": list(f.weights), "bias": list(f.bias)} for name, f in self.fusions.items()
        }
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in scope.items()}
        return {"fusions": fusions, "scope": plain}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Read what `to_dict` wrote."""
        fusions = {name: Fusion(tuple(f["weights"]), tuple(f["bias"])) for name, f in data["fusions"].items()}
        scope: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data["scope"].items()
        }
        return cls(fusions, Scope(**scope))


def softmax(scores: Floats) -> Floats:
    """Row-wise softmax of [N, K] in float64."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def confidence_signals(probabilities: Floats, scores: Floats) -> dict[str, Floats]:
    """Signals of scope from a field's fused probabilities [N, K] and one component's raw scores [N, K]."""
    top = np.sort(probabilities, axis=1)
    second = top[:, -2] if top.shape[1] > 1 else np.zeros(len(top))
    peak = scores.max(axis=1)
    energy = peak + np.log(np.exp(scores - peak[:, None]).sum(axis=1))
    return {"max_logit": peak, "energy": energy, "margin": top[:, -1] - second}
