"""Is the language model's confidence worth its name? Calibration on tickets of unseen scenarios, two ways.

As it ships, it was calibrated on tickets of other scenarios: what a desk sees on its first day. Calibrated on a desk's
own tickets, it meets more of their kind: here halves of the tickets calibrate each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction
from tamiz.lab import metrics
from tamiz.lab.calibrate import Answers, fit_calibration
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.evaluate import views
from tamiz.models.calibration import Calibration
from tamiz.models.llm.writer import LlmModel, Raw, answers

DRAWS = 200


def confidence(model: LlmModel, count: int, seed: int) -> dict[str, Any]:
    """ECE per field on ordinary test tickets, `count` of them with the strange ones, and what of it is chance."""
    examples = [e for e in synthetic_examples(count, seed, "test") if not e.abstain]
    decoded = [model.decoder.decode(model.question(e.text)) for e in examples]
    raw, taxonomy = answers(model.taxonomy, decoded), model.taxonomy
    assert model.calibration is not None
    shipped = model.calibration.predictions(taxonomy, [raw.scores], raw.signals)
    own = crossed(taxonomy, raw, examples, seed)
    return {
        "tickets": len(examples),
        "scenarios": len({e.group for e in examples}),
        "seed": seed,
        "calibrated on other scenarios": calibrated(taxonomy, shipped, examples, seed),
        "calibrated on tickets of these scenarios": calibrated(taxonomy, own, examples, seed),
    }


def crossed(taxonomy: Taxonomy, raw: Raw, examples: Sequence[Example], seed: int) -> list[Prediction]:
    """Predictions of each half, calibrated on the other; halves are drawn by chance."""
    order = np.random.default_rng(seed).permutation(len(examples))
    halves = order[::2], order[1::2]
    told: dict[int, Prediction] = {}
    for judged, fitted in (halves, halves[::-1]):
        learned = _fit(taxonomy, _rows(raw, fitted), [examples[i] for i in fitted])
        part = _rows(raw, judged)
        predictions = learned.predictions(taxonomy, [part.scores], part.signals)
        told.update(zip(judged.tolist(), predictions, strict=True))
    return [told[i] for i in range(len(examples))]


def calibrated(
    taxonomy: Taxonomy, predictions: Sequence[Prediction], examples: Sequence[Example], seed: int
) -> dict[str, Mapping[str, float]]:
    """Field → accuracy, mean confidence, ECE, and the ECE that confidences which were exactly true would still show on
    so many rows (mean of draws)."""
    rng = np.random.default_rng(seed)
    seen = views(taxonomy, predictions)
    found: dict[str, Mapping[str, float]] = {}
    for f in taxonomy.choices:
        rows = [i for i, e in enumerate(examples) if f.name in e.labels]
        truth = np.array([examples[i].labels[f.name] for i in rows], dtype=object)
        told = seen[f.name].confidences[rows]
        right = np.asarray(seen[f.name].values[rows] == truth, dtype=bool)
        chance = [metrics.ece(told, rng.random(len(told)) < told) for _ in range(DRAWS)]
        found[f.name] = {
            "accuracy": float(right.mean()),
            "confidence": float(told.mean()),
            "ece": metrics.ece(told, right),
            "ece_by_chance": float(np.mean(chance)),
        }
    return found


def _fit(taxonomy: Taxonomy, raw: Raw, examples: Sequence[Example]) -> Calibration:
    """No scope is fitted: the rows are ordinary ones."""
    return fit_calibration(taxonomy, Answers((raw.scores,), {}), examples)


def _rows(raw: Raw, rows: Any) -> Raw:
    return replace(
        raw,
        scores={name: scores[rows] for name, scores in raw.scores.items()},
        signals={name: signal[rows] for name, signal in raw.signals.items()},
    )
