"""Linear heads on words and on characters, plain and class-balanced, and their sum as one linear component."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.train_baseline import ABSENT, matrix
from tamiz.models.linear import LinearComponent
from tamiz.models.tfidf import Tfidf, TfidfOptions

Floats = NDArray[Any]

WORK = 2_500_000
"""Rows × classes of all fields beyond which a block gets one half-balanced head instead of a plain and a balanced."""

WEIGHTS = 20_000_000
"""Weights (features × classes of all fields) that a block may have: bounds memory, and the model on disk."""
FEATURES = 300_000
RARE_ROWS = 10_000
"""Up to so many rows, terms of a single ticket count too."""
_PENALTY = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One head per field on some of the columns: weights [F', K] and biases [K]."""

    columns: slice
    weights: Mapping[str, Floats]
    biases: Mapping[str, Floats]

    def margins(self, features: Any, name: str) -> Floats:
        """Margins [N, K] of a field for feature rows [N, F]."""
        return np.asarray(features[:, self.columns] @ self.weights[name] + self.biases[name])


def fit_parts(train: Sequence[Example], taxonomy: Taxonomy, seed: int) -> tuple[Tfidf, list[Part]]:
    """A vectoriser, and for its words and its characters a head without and with class balance.

    DataError when there is no word at all.
    """
    texts = [e.text for e in train]
    classes = sum(len(f.classes) for f in taxonomy.predicted)
    most = max(1_000, min(FEATURES, WEIGHTS // classes))
    rare = 1 if len(train) <= RARE_ROWS else 2
    tfidf = Tfidf.fit(texts, TfidfOptions(words=(1, 2), characters=(2, 5), min_df=rare, max_features=most))
    if not tfidf.vocabulary:
        raise DataError(path="training rows", mistake="the texts hold no words, so nothing can be learned")
    features = matrix(tfidf, texts)
    blocks = [slice(0, tfidf.word_features), slice(tfidf.word_features, len(tfidf.vocabulary))]
    parts = [
        _fit(features, columns, train, taxonomy, balance, seed)
        for columns in blocks
        for balance in ((0.0, 1.0) if len(train) * classes <= WORK else (0.5,))
        if columns.stop > columns.start
    ]
    return tfidf, parts


def merged(tfidf: Tfidf, parts: Sequence[Part], says: Mapping[str, Sequence[float]]) -> LinearComponent:
    """One component whose margins are the weighted sum of the parts'; `says[field]` has a weight for each part."""
    weights, biases = {}, {}
    for name, shares in says.items():
        classes = len(parts[0].biases[name])
        total = np.zeros((len(tfidf.vocabulary), classes), dtype=np.float32)
        for share, part in zip(shares, parts, strict=True):
            total[part.columns] += share * part.weights[name]
        weights[name] = total.astype(np.float16)
        biases[name] = sum(
            (share * part.biases[name] for share, part in zip(shares, parts, strict=True)),
            np.zeros(classes, dtype=np.float32),
        ).astype(np.float32)
    return LinearComponent(tfidf, weights, biases)


def _fit(
    features: Any, columns: slice, train: Sequence[Example], taxonomy: Taxonomy, balance: float, seed: int
) -> Part:
    block = features[:, columns]
    weights, biases = {}, {}
    for f in taxonomy.predicted:
        rows = [i for i, e in enumerate(train) if not e.abstain and e.labels.get(f.name) in f.classes]
        y = [f.classes.index(train[i].labels[f.name]) for i in rows]
        weights[f.name], biases[f.name] = _head(block[rows], y, len(f.classes), balance, seed)
    return Part(columns, weights, biases)


def _head(features: Any, y: Sequence[int], size: int, balance: float, seed: int) -> tuple[Floats, Floats]:
    """Weights [F', K] and biases [K] of a one-vs-rest linear SVM; a class weighs (mean count / its count)^balance."""
    weight = np.zeros((features.shape[1], size), dtype=np.float32)
    bias = np.full(size, ABSENT, dtype=np.float32)
    counts = Counter(y)
    if len(counts) < 2:
        bias[list(counts)] = 1.0
        return weight, bias
    mean = len(y) / len(counts)
    model = LinearSVC(
        C=_PENALTY, random_state=seed, class_weight={k: (mean / n) ** balance for k, n in counts.items()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a margin that is almost optimal serves as well
        model.fit(features, y)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(counts) == 2:
        coefficients = np.concatenate([-coefficients, coefficients])
        intercepts = np.concatenate([-intercepts, intercepts])
    weight[:, model.classes_] = coefficients.T
    bias[model.classes_] = intercepts
    return weight, bias
