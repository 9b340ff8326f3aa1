"""What is easy: the majority class and TF-IDF with a linear SVM; and labels that a cross-validated model doubts.

Needs the extra `train` (scikit-learn, cleanlab).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamiz.domain.errors import MissingExtraError
from tamiz.lab.data.example import Example

MAX_TRAIN = 20_000
MAX_NOISE_ROWS = 6_000
MAX_CHARS = 4_000
FOLDS = 3
NOISE_LISTED = 200


@dataclass(frozen=True, slots=True)
class Baselines:
    """Accuracy of the majority class, accuracy and macro-F1 of the linear model, on `rows` rows.

    `split` says which rows. Macro-F1 is over the classes that occur in the judged rows.
    """

    rows: int
    split: str
    majority: float
    linear: float
    linear_macro_f1: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that a cross-validated model finds unlikely. `own` and `other` are its probabilities of both labels."""

    id: str
    line: int
    text: str
    label: str
    suggested: str
    own: float
    other: float


def baselines(
    train: Sequence[Example], judged: Sequence[Example], field: str, split: str, seed: int = 0
) -> Baselines | None:
    """Both baselines on the judged rows; at most 20,000 training rows are used. None where a side has no rows."""
    sampled = _sample(train, MAX_TRAIN, seed)
    truth = [e.labels[field] for e in judged]
    if not truth or not sampled:
        return None
    usual = Counter(e.labels[field] for e in train).most_common(1)[0][0]
    guess = _linear_guesses(sampled, judged, field, seed)
    return Baselines(
        rows=len(truth),
        split=split,
        majority=sum(label == usual for label in truth) / len(truth),
        linear=sum(map(str.__eq__, guess, truth)) / len(truth),
        linear_macro_f1=_macro_f1(truth, guess),
    )


def doubts(examples: Sequence[Example], field: str, seed: int = 0) -> list[Doubt]:
    """Label-noise candidates by confident learning (Northcutt et al. 2021), the least likely label first.

    Probabilities come from 3-fold cross-validated logistic regression on TF-IDF. Classes with fewer than 3 rows are
    left out; at most 6,000 rows are looked at, drawn by the seed.
    """
    find = _cleanlab()
    counts = Counter(e.labels[field] for e in examples)
    rows = _sample([e for e in examples if counts[e.labels[field]] >= FOLDS], MAX_NOISE_ROWS, seed)
    counts = Counter(e.labels[field] for e in rows)
    rows = [e for e in rows if counts[e.labels[field]] >= FOLDS]
    classes = sorted({e.labels[field] for e in rows})
    if len(classes) < 2:
        return []
    truth = np.array([classes.index(e.labels[field]) for e in rows])
    probabilities = _cross_probabilities(rows, truth, seed)
    order = find(truth, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    found = []
    for i in order[:NOISE_LISTED].tolist():
        e, best = rows[i], int(probabilities[i].argmax())
        own, other = float(probabilities[i, truth[i]]), float(probabilities[i, best])
        found.append(Doubt(e.id, e.line, e.text, e.labels[field], classes[best], own, other))
    return found


def _sample(examples: Sequence[Example], most: int, seed: int) -> list[Example]:
    if len(examples) <= most:
        return list(examples)
    return [examples[i] for i in sorted(random.Random(seed).sample(range(len(examples)), most))]


def _vectorizer(rows: int) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtraError(extra="train", package="scikit-learn") from error
    least = 2 if rows >= 50 else 1
    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=least, token_pattern=r"\w+")


def _texts(examples: Sequence[Example]) -> list[str]:
    return [f"{e.text[:MAX_CHARS]} _" for e in examples]  # a mark, so that no text is without words


def _linear_guesses(train: Sequence[Example], judged: Sequence[Example], field: str, seed: int) -> list[str]:
    vectorizer = _vectorizer(len(train))
    labels = [e.labels[field] for e in train]
    if len(set(labels)) == 1:
        return labels[:1] * len(judged)
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=0.5, random_state=seed).fit(vectorizer.fit_transform(_texts(train)), labels)
    return [str(guess) for guess in model.predict(vectorizer.transform(_texts(judged)))]


def _cross_probabilities(rows: Sequence[Example], truth: Any, seed: int) -> Any:
    """Held-out class probabilities [N, K]."""
    features = _vectorizer(len(rows)).fit_transform(_texts(rows))
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.multiclass import OneVsRestClassifier

    out = np.zeros((len(rows), int(truth.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for inside, outside in folds.split(features, truth):
        one = LogisticRegression(C=10.0, solver="liblinear", random_state=seed)
        model = (OneVsRestClassifier(one) if out.shape[1] > 2 else one).fit(features[inside], truth[inside])
        out[np.ix_(outside, model.classes_)] = model.predict_proba(features[outside])
    return out / out.sum(axis=1, keepdims=True)


def _macro_f1(truth: Sequence[str], guess: Sequence[str]) -> float:
    right = Counter(t for t, g in zip(truth, guess, strict=True) if t == g)
    true, guessed = Counter(truth), Counter(guess)
    return sum(2 * right[key] / (n + guessed[key]) for key, n in true.items()) / len(true)


def _cleanlab() -> Any:
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingExtraError(extra="train", package="cleanlab") from error
    return find_label_issues
