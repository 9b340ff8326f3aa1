"""Figures of quality, each a few lines of numpy with its definition.

Labels are strings in object arrays of shape [N]; probabilities are float arrays [N, K] whose columns follow
`labels` [K]. Every figure is `nan` on no rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Strings = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Figure = Callable[[Ints, Ints], float]
"""A figure over class codes [N] of the truth and of the guess."""

BUDGETS = (0.01, 0.02, 0.05)
"""The error budgets (wrong among applied values) that reports speak of."""
BINS = 15
DRAWS = 300


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Precision, recall and F1 of one class; `support` counts its true rows."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def codes(*columns: Strings) -> tuple[Ints, ...]:
    """The same integer for the same label in every column."""
    index: dict[str, int] = {}
    return tuple(
        np.array([index.setdefault(str(label), len(index)) for label in column], dtype=np.int64)
        for column in columns
    )


def accuracy(truth: Strings, guess: Strings) -> float:
    """Share of rows where the guess is the truth."""
    return float(np.mean(truth == guess)) if len(truth) else float("nan")


def macro_f1(truth: Strings, guess: Strings) -> float:
    """Unweighted mean F1 over the classes that occur in the truth."""
    return _macro_f1(*codes(truth, guess))


def weighted_f1(truth: Strings, guess: Strings) -> float:
    """Mean F1 over classes, weighted by their true rows."""
    true, guessed = codes(truth, guess)
    f1, support = _f1(true, guessed)
    return float(f1 @ support / support.sum()) if len(truth) else float("nan")


def confusion(truth: Strings, guess: Strings, labels: Sequence[str]) -> Ints:
    """Counts [K + 1, K + 1]: rows are the truth, columns the guess; the last of each gathers everything else."""
    index = {label: i for i, label in enumerate(labels)}
    other = len(labels)
    matrix = np.zeros((other + 1, other + 1), dtype=np.int64)
    for t, g in zip(truth, guess, strict=True):
        matrix[index.get(str(t), other), index.get(str(g), other)] += 1
    return matrix


def per_class(matrix: Ints, labels: Sequence[str]) -> list[ClassFigures]:
    """Precision, recall and F1 from a confusion matrix; a class without true rows or guesses counts as 0."""
    figures = []
    for i, label in enumerate(labels):
        hit, guessed, true = int(matrix[i, i]), int(matrix[:, i].sum()), int(matrix[i].sum())
        precision = hit / guessed if guessed else 0.0
        recall = hit / true if true else 0.0
        f1 = 2 * hit / (guessed + true) if hit else 0.0
        figures.append(ClassFigures(label, precision, recall, f1, true))
    return figures


def top_k(truth: Strings, probabilities: Floats, labels: Sequence[str], k: int) -> float:
    """Share of rows whose truth is among the k most likely labels."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    names = np.asarray(labels, dtype=object)[best]
    return float(np.mean((names == truth[:, None]).any(axis=1))) if len(truth) else float("nan")


def reliability(confidence: Floats, correct: Bools, bins: int = BINS) -> list[dict[str, float]]:
    """Equal-width bins of confidence: mean confidence, accuracy and rows of each bin that is not empty."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for b in range(bins):
        inside = place == b
        if inside.any():
            rows.append(
                {
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                    "rows": int(inside.sum()),
                }
            )
    return rows


def ece(confidence: Floats, correct: Bools, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015): the row-weighted gap between confidence and accuracy."""
    rows = reliability(confidence, correct, bins)
    gaps = sum(r["rows"] * abs(r["confidence"] - r["accuracy"]) for r in rows)
    return gaps / len(confidence) if len(confidence) else float("nan")


def risk_coverage(confidence: Floats, correct: Bools, points: int = 50) -> list[dict[str, float]]:
    """Error among the most confident share of rows, for growing shares."""
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(~correct[order])
    sizes = np.unique(np.linspace(1, len(order), min(points, len(order))).astype(int)).tolist()
    return [{"coverage": n / len(order), "risk": float(errors[n - 1] / n)} for n in sizes if n]


def auroc(positive: Floats, negative: Floats) -> float:
    """Probability that a positive row scores above a negative one (ties count half)."""
    n, m = len(positive), len(negative)
    if not n or not m:
        return float("nan")
    _, inverse, counts = np.unique(
        np.concatenate([positive, negative]), return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def mcnemar(correct_a: Bools, correct_b: Bools) -> dict[str, float]:
    """Exact two-sided McNemar test on the same rows: rows that only A gets right, only B, and the p-value."""
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((~correct_a & correct_b).sum())
    n, k = only_a + only_b, min(only_a, only_b)
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    p = min(1.0, 2 * sum(math.exp(value) for value in logs)) if n else 1.0
    return {"only_a": only_a, "only_b": only_b, "p": p}


def quality(truth: Strings, guess: Strings, seed: int = 0) -> dict[str, Any]:
    """Accuracy, macro-F1 and weighted F1, the first two with their bootstrap intervals over rows."""
    true, guessed = codes(truth, guess)
    return {
        "accuracy": asdict(_bootstrap(_accuracy, true, guessed, seed)),
        "macro_f1": asdict(_bootstrap(_macro_f1, true, guessed, seed)),
        "weighted_f1": weighted_f1(truth, guess),
    }


def gain(truth: Strings, ours: Strings, theirs: Strings, seed: int = 0) -> dict[str, Any]:
    """What A has over B on the same rows: McNemar's test on accuracy, and the paired bootstrap interval of the
    difference in macro-F1 (both guesses resampled together)."""
    true, a, b = codes(truth, ours, theirs)
    differences = [
        _macro_f1(true[rows], a[rows]) - _macro_f1(true[rows], b[rows]) for rows in _draws(len(true), seed)
    ]
    low, high = np.quantile(differences, [0.025, 0.975])
    value = _macro_f1(true, a) - _macro_f1(true, b)
    return {**mcnemar(true == a, true == b), "macro_f1": asdict(Interval(value, float(low), float(high)))}


def clustered(truth: Strings, guess: Strings, groups: Strings, seed: int = 0) -> Interval:
    """Accuracy with an interval that resamples whole groups [N]: rows of one group are no independent witnesses."""
    _, group = np.unique(groups.astype(str), return_inverse=True)
    right, rows = np.bincount(group, truth == guess), np.bincount(group)
    values = [right[drawn].sum() / rows[drawn].sum() for drawn in _draws(len(rows), seed)]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(np.mean(truth == guess)), float(low), float(high))


def _bootstrap(figure: Figure, true: Ints, guessed: Ints, seed: int) -> Interval:
    """A figure with its percentile bootstrap interval."""
    values = [figure(true[rows], guessed[rows]) for rows in _draws(len(true), seed)]
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(figure(true, guessed), float(low), float(high))


def _draws(rows: int, seed: int) -> Iterator[Ints]:
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield rng.integers(0, rows, rows)


def _accuracy(true: Ints, guessed: Ints) -> float:
    return float(np.mean(true == guessed))


def _macro_f1(true: Ints, guessed: Ints) -> float:
    f1, support = _f1(true, guessed)
    return float(f1[support > 0].mean()) if len(true) else float("nan")


def _f1(true: Ints, guessed: Ints) -> tuple[Floats, Ints]:
    """F1 and true rows of every class code; F1 = 2 · hits / (true + guessed)."""
    size = int(max(true.max(initial=0), guessed.max(initial=0))) + 1
    support, chosen = np.bincount(true, minlength=size), np.bincount(guessed, minlength=size)
    hits = np.bincount(true[true == guessed], minlength=size)
    return 2 * hits / np.maximum(support + chosen, 1), support
