"""Train the TF-IDF model, the majority model, and the plain linear baseline of every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from tamiz import __version__
from tamiz.domain.errors import DataError
from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.calibrate import Answers, fit_calibration, fit_policy, fit_scope
from tamiz.lab.data.example import Example, fingerprint
from tamiz.models import linear, majority
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.models.linear import LinearComponent
from tamiz.models.tfidf import Tfidf, TfidfOptions
from tamiz.text import TEXT_VERSION

FOLDS = 3
ABSENT = -3.0
"""The margin of a class that no training row has."""


@dataclass(frozen=True, slots=True)
class BaselineOptions:
    """How a linear model is trained. `budget` is the wrong share among applied values; `earned` says whether the
    rows are the tenant's own tickets."""

    name: str = "baseline"
    seed: int = 0
    tfidf: TfidfOptions = field(default_factory=TfidfOptions)
    C: float = 0.5
    balanced: bool = False
    budget: float = 0.02
    earned: bool = False
    majority: bool = False


def train_baseline(
    train: Sequence[Example],
    held_out: Sequence[Example],
    taxonomy: Taxonomy,
    out: Path,
    options: BaselineOptions,
) -> Path:
    """Train on `train`, calibrate on `held_out` (on cross-validated margins where that is empty) and write a model
    folder to `out`. DataError when no row carries a label."""
    if not any(e.labels for e in train):
        raise DataError(path=out.name, mistake="no training row carries a label")
    if options.majority:
        return _write_majority(train, taxonomy, out, options)
    component = fit_component(train, taxonomy, options)
    judged = list(held_out) or list(train)
    scores = (
        component.scores([e.text for e in judged]) if held_out else _cross_scores(train, taxonomy, options)
    )
    fitted = fit_calibration(taxonomy, Answers([scores], {}), judged)
    fused = fitted.fusions[taxonomy.primary].probabilities([scores[taxonomy.primary]])
    signals = linear.linear_signals(component, [e.text for e in judged], fused, scores[taxonomy.primary])
    calibration = replace(fitted, scope=fit_scope(signals, np.array([not e.abstain for e in judged])))
    predictions = calibration.predictions(taxonomy, [scores], signals)
    policy = fit_policy(taxonomy, predictions, judged, options.budget, options.earned)
    manifest = make_manifest(linear.KIND, options.name, options.seed, taxonomy, train, held_out)
    training = {"C": options.C, "balanced": options.balanced, **asdict(options.tfidf)}
    facts = {"training": training, "policy": policy.to_dict(), "calibration": calibration.to_dict()}
    return write_artifact(out, Manifest(**{**manifest, **facts}), taxonomy, component.files())


def fit_component(train: Sequence[Example], taxonomy: Taxonomy, options: BaselineOptions) -> LinearComponent:
    """One vectoriser and a one-vs-rest linear SVM per predicted field, on the rows that carry its label."""
    texts = [e.text for e in train]
    tfidf = Tfidf.fit(texts, options.tfidf)
    features = matrix(tfidf, texts)
    weights, biases = {}, {}
    for f in taxonomy.predicted:
        rows = [i for i, e in enumerate(train) if not e.abstain and e.labels.get(f.name) in f.classes]
        y = [train[i].labels[f.name] for i in rows]
        weight, bias = _fit_head(features[rows], y, f.classes, options)
        weights[f.name], biases[f.name] = weight.astype(np.float16), bias
    return LinearComponent(tfidf, weights, biases)


def matrix(tfidf: Tfidf, texts: Sequence[str]) -> Any:
    """The features of N texts as a sparse matrix [N, F], by the code that serves."""
    rows = [tfidf.transform(text) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(places) for places, _ in rows])])
    places = np.concatenate([p for p, _ in rows]) if rows else np.zeros(0, dtype=np.int64)
    values = np.concatenate([v for _, v in rows]) if rows else np.zeros(0, dtype=np.float32)
    return csr_matrix((values, places, starts), shape=(len(rows), len(tfidf.vocabulary)))


def linear_predictions(
    train: Sequence[Example], test: Sequence[Example], field: str, balanced: bool = False
) -> tuple[list[str], NDArray[Any]]:
    """The linear baseline of every report: TF-IDF of words (1-2 grams) and LinearSVC (C = 1) as scikit-learn ships
    them. Labels [N] and margins of the test rows; train rows without the field's label are passed over."""
    known = [e for e in train if field in e.labels and not e.abstain]
    labels = sorted({e.labels[field] for e in known})
    if len(labels) < 2:
        return labels * len(test), np.zeros((len(test), len(labels)))
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LinearSVC(C=1.0, class_weight="balanced" if balanced else None)
    model.fit(vectoriser.fit_transform(e.text for e in known), [e.labels[field] for e in known])
    features = vectoriser.transform(e.text for e in test)
    return [str(label) for label in model.predict(features)], model.decision_function(features)


def make_manifest(
    kind: str, name: str, seed: int, taxonomy: Taxonomy, train: Sequence[Example], held_out: Sequence[Example]
) -> dict[str, Any]:
    """The facts that every trained model states in its manifest."""
    return {
        "name": name,
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tamiz_version": __version__,
        "classes_hash": taxonomy.classes_hash,
        "prose_hash": taxonomy.prose_hash,
        "text_version": TEXT_VERSION,
        "seed": seed,
        "data": {
            "train": {"rows": len(train), "fingerprint": fingerprint(train)},
            "held_out": {"rows": len(held_out), "fingerprint": fingerprint(held_out)},
        },
    }


def _fit_head(
    features: Any, y: Sequence[str], classes: tuple[str, ...], options: BaselineOptions
) -> tuple[NDArray[Any], NDArray[Any]]:
    weight = np.zeros((features.shape[1], len(classes)), dtype=np.float32)
    bias = np.full(len(classes), ABSENT, dtype=np.float32)
    seen = sorted(set(y))
    if len(seen) < 2:
        bias[[classes.index(label) for label in seen]] = 1.0
        return weight, bias
    model = LinearSVC(
        C=options.C, class_weight="balanced" if options.balanced else None, random_state=options.seed
    )
    model.fit(features, y)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(seen) == 2:
        coefficients, intercepts = (
            np.concatenate([-coefficients, coefficients]),
            np.concatenate([-intercepts, intercepts]),
        )
    places = [classes.index(str(label)) for label in model.classes_]
    weight[:, places] = coefficients.T
    bias[places] = intercepts
    return weight, bias


def _cross_scores(
    train: Sequence[Example], taxonomy: Taxonomy, options: BaselineOptions
) -> dict[str, NDArray[Any]]:
    place = np.random.default_rng(options.seed).permutation(len(train)) % FOLDS
    found = {f.name: np.zeros((len(train), len(f.classes)), dtype=np.float32) for f in taxonomy.predicted}
    for fold in range(FOLDS):
        inside = np.flatnonzero(place == fold)
        component = fit_component(
            [e for e, p in zip(train, place, strict=True) if p != fold], taxonomy, options
        )
        for name, scores in component.scores([train[int(i)].text for i in inside]).items():
            found[name][inside] = scores
    return found


def _write_majority(
    train: Sequence[Example], taxonomy: Taxonomy, out: Path, options: BaselineOptions
) -> Path:
    shares: Mapping[str, NDArray[Any]] = {
        f.name: _shares(train, f.name, f.classes) for f in taxonomy.predicted
    }
    facts = make_manifest(majority.KIND, options.name, options.seed, taxonomy, train, ())
    manifest = Manifest(**facts, policy=Policy().to_dict())
    return write_artifact(out, manifest, taxonomy, {majority.FILE: save(dict(shares))})


def _shares(train: Sequence[Example], name: str, classes: tuple[str, ...]) -> NDArray[Any]:
    counts = np.array(
        [sum(e.labels.get(name) == label for e in train) for label in classes], dtype=np.float64
    )
    return counts / counts.sum() if counts.sum() else np.full(len(classes), 1.0 / len(classes))
