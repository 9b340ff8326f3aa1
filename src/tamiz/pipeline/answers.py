"""What a model answers, held against what an answer is: a broken encoder must never become a label."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tamiz.domain.errors import BadPredictionError
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction

_MASS = 1e-3
"""How far from 1 the probabilities of a field may sum up: rounding, and nothing else."""


def answers(model: Model, texts: Sequence[str]) -> list[Prediction]:
    """The model's predictions, one per text, in order. BadPredictionError where one is no distribution over the classes
    of every predicted field: NaN, infinite, of another shape, or missing."""
    predictions = model.predict(texts)
    if len(predictions) != len(texts):
        raise BadPredictionError(
            name=model.info.name, mistake=f"{len(predictions)} answers to {len(texts)} texts"
        )
    for prediction in predictions:
        mistake = _mistake(model.taxonomy, prediction)
        if mistake:
            raise BadPredictionError(name=model.info.name, mistake=mistake)
    return predictions


def _mistake(taxonomy: Taxonomy, prediction: Prediction) -> str:
    """What is wrong with a prediction; empty where it is sound. NaN fails every comparison."""
    if not 0.0 <= prediction.scope <= 1.0:
        return "its scope is no share"
    for f in taxonomy.predicted:
        found = prediction.distributions.get(f.name)
        if found is None or found.labels != f.classes or len(found.probabilities) != len(f.classes):
            return f"{f.name} has other classes than the taxonomy"
        if not all(0.0 <= p <= 1.0 + _MASS for p in found.probabilities):
            return f"{f.name} has what is no probability"
        if not abs(math.fsum(found.probabilities) - 1.0) <= _MASS:
            return f"the probabilities of {f.name} do not sum up to 1"
    return ""
