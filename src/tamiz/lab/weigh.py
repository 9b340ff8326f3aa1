"""Weigh the parts of a model against each other on held-out rows, with small classes in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.lab.calibrate import fit_fusion
from tamiz.lab.metrics import accuracy, macro_f1
from tamiz.models.calibration import Fusion

Floats = NDArray[Any]
Ints = NDArray[np.int64]

FOLDS = 5
FEWEST = 10
"""Labelled rows below which nothing is fitted and every part has the same say."""
PUSHES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""How far the log frequency of a class is taken off its score (logit adjustment, Menon et al. 2021)."""
ACCURACY_GIVEN = 0.01
"""Accuracy on held-out rows that the push may cost."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The fusion of one field, the push that it contains, and probabilities [N, K] of the held-out rows in which no
    row took part in fitting its own fusion: thresholds may be computed on them."""

    fusion: Fusion
    push: float
    crossed: Floats


def weigh(scores: Sequence[Floats], y: Ints, counts: Ints, seed: int = 0) -> Weighed:
    """Fuse scores [N, K], one array per part.

    `y` [N] holds true class indices, -1 where the row has no label; `counts` [K] the training rows of each class.
    Of the pushes that cost little accuracy, the one with the best accuracy + macro-F1 is taken.
    """
    known = np.flatnonzero(y >= 0)
    if len(known) < FEWEST:
        even = Fusion((1.0 / len(scores),) * len(scores))
        return Weighed(even, 0.0, even.probabilities(scores))
    prior = np.where(counts > 0, np.log(np.maximum(counts, 1) / max(1, counts.sum())), 0.0)
    folds = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    fits = [known[folds != fold] for fold in range(FOLDS)]
    tests = [known[folds == fold] for fold in range(FOLDS)]
    plain = [fit_fusion(_at(scores, rows), y[rows]) for rows in fits]
    logits = np.zeros_like(scores[0], dtype=np.float64)
    for fusion, rows in zip(plain, tests, strict=True):
        logits[rows] = _mixed(fusion, _at(scores, rows))
    push = _best_push(logits[known], y[known], prior)
    final = _pushed(fit_fusion(_at(scores, known), y[known]), _at(scores, known), y[known], push * prior)
    crossed = final.probabilities(scores)
    for fusion, rows, test in zip(plain, fits, tests, strict=True):
        own = _pushed(fusion, _at(scores, rows), y[rows], push * prior)
        crossed[test] = own.probabilities(_at(scores, test))
    return Weighed(final, push, crossed)


def _best_push(logits: Floats, y: Ints, prior: Floats) -> float:
    guesses = [(logits - push * prior).argmax(axis=1) for push in PUSHES]
    exact = [accuracy(y, guess) for guess in guesses]
    worth = [
        a + macro_f1(y, guess) if a >= max(exact) - ACCURACY_GIVEN else 0.0
        for a, guess in zip(exact, guesses, strict=True)
    ]
    return PUSHES[int(np.argmax(worth))]


def _pushed(fusion: Fusion, scores: Sequence[Floats], y: Ints, shift: Floats) -> Fusion:
    """The fusion with a shift taken off its class scores, its temperature fitted again."""
    if not shift.any():
        return fusion
    heat = fit_fusion([_mixed(fusion, scores) - shift], y, bias=False).weights[0]
    bias = (np.asarray(fusion.bias) if fusion.bias else 0.0) - shift
    return Fusion(tuple(heat * w for w in fusion.weights), tuple((heat * bias).tolist()))


def _mixed(fusion: Fusion, scores: Sequence[Floats]) -> Floats:
    mixed = sum((w * s.astype(np.float64) for w, s in zip(fusion.weights, scores, strict=True)), np.zeros(1))
    return mixed + np.asarray(fusion.bias) if fusion.bias else mixed


def _at(scores: Sequence[Floats], rows: Ints) -> list[Floats]:
    return [s[rows] for s in scores]
