"""Judge a model on labelled tickets, beside the majority and a plain linear model on the same rows.

Every figure is about the value that the gate would show: children are read below the predicted parent, derived
fields follow from the predicted inputs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tamiz.domain.budget import threshold_for
from tamiz.domain.errors import DataError
from tamiz.domain.gate import Policy, decide, readable, shown
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import Field, Taxonomy
from tamiz.domain.triage import Decision, Prediction
from tamiz.lab import metrics
from tamiz.lab.data.check import LEAKS_ONLY, DataReport, check, require_clean
from tamiz.lab.data.example import Example, fingerprint
from tamiz.lab.metrics import BUDGETS, Bools, Floats, Strings
from tamiz.lab.train_baseline import linear_predictions

LATENCY_ROWS = 200
BATCH = 256


@dataclass(frozen=True, slots=True)
class View:
    """What a model says of one field on N rows: the value shown, its confidence, and the distributions [N, K]."""

    labels: tuple[str, ...]
    values: Strings
    confidences: Floats
    probabilities: Floats


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare with and how strict to be. `train` holds the rows that the model and the linear baseline
    learned from; without it the linear baseline is cross-validated on the judged rows. `fields` limits what is judged
    (empty: every field that has labels)."""

    train: Sequence[Example] = ()
    allow_leak: bool = False
    seed: int = 0
    note: str = ""
    fields: Sequence[str] = ()


def predict_all(model: Model, examples: Sequence[Example]) -> list[Prediction]:
    """Predictions for all rows, a batch at a time."""
    texts = [example.text for example in examples]
    return [p for start in range(0, len(texts), BATCH) for p in model.predict(texts[start : start + BATCH])]


def views(taxonomy: Taxonomy, predictions: Sequence[Prediction]) -> dict[str, View]:
    """The most likely value of every classification field; a policy may read severity with more caution."""
    return {f.name: _view(taxonomy, f, predictions) for f in taxonomy.choices}


def rows_of(view: View, rows: Sequence[int]) -> View:
    """The view of some of the rows."""
    chosen = np.asarray(rows, dtype=int)
    return View(view.labels, view.values[chosen], view.confidences[chosen], view.probabilities[chosen])


def evaluate(model: Model, examples: Sequence[Example], plan: Plan) -> dict[str, Any]:
    """The whole evaluation as plain data (see `tamiz.lab.report` for text and HTML).

    Raises LeakError where `plan.train` shares texts with the judged rows, unless `plan.allow_leak`, and DataError
    where no row has a label of the model's fields.
    """
    clear = [e for e in examples if not e.abstain]
    wanted = [f for f in model.taxonomy.choices if not plan.fields or f.name in plan.fields]
    if not any(f.name in e.labels for e in clear for f in wanted):
        named = ", ".join(f.name for f in model.taxonomy.choices)
        raise DataError(
            path=plan.note or "data", mistake=f"no row has a label of the model's fields ({named})"
        )
    predictions = predict_all(model, clear)
    seen = views(model.taxonomy, predictions)
    leaks: dict[str, list[str]] = {}
    fields: dict[str, Any] = {}
    for f in wanted:
        rows = [i for i, e in enumerate(clear) if f.name in e.labels]
        if len(rows) < 2:
            continue
        judged = [clear[i] for i in rows]
        data = _checked(judged, plan, f)
        leaks[f.name] = data.leaks if data else []
        view = rows_of(seen[f.name], rows)
        fields[f.name] = field_figures(f.name, judged, view, plan)
        if f.ordered:
            truth = np.array([e.labels[f.name] for e in judged], dtype=object)
            fields[f.name]["ordered"] = ordered_figures(f, truth, view.values)
    return {
        "model": {"name": model.info.name, "kind": model.info.kind, "hash": model.info.content_hash},
        "data": {
            "rows": len(examples),
            "fingerprint": fingerprint(examples),
            "note": plan.note,
            "baseline": _told(plan),
        },
        "leaks": leaks,
        "fields": fields,
        "gate": gate_figures(model, clear, predictions),
        "scope": scope_figures(model, examples, predictions),
        "latency_ms": latency(model, [e.text for e in clear]),
    }


def field_figures(name: str, judged: Sequence[Example], view: View, plan: Plan) -> dict[str, Any]:
    """Everything about one field: quality beside both baselines, calibration, coverage at error budgets."""
    truth = np.array([e.labels[name] for e in judged], dtype=object)
    correct = correctness(view, truth)
    labels = sorted(set(truth) | set(view.labels))
    matrix = metrics.confusion(truth, view.values, labels)
    baselines = _baselines(name, judged, truth, plan)
    unknown = Counter(str(label) for label in truth if label not in view.labels)
    return {
        "rows": len(truth),
        "model": metrics.quality(truth, view.values, plan.seed),
        "baselines": {key: metrics.quality(truth, guess, plan.seed) for key, guess in baselines.items()},
        "against_linear": metrics.gain(truth, view.values, baselines["linear"], plan.seed),
        "top3": metrics.top_k(truth, view.probabilities, view.labels, 3),
        "ece": metrics.ece(view.confidences, correct),
        "reliability": metrics.reliability(view.confidences, correct),
        "risk_coverage": metrics.risk_coverage(view.confidences, correct),
        "budgets": {
            str(b): asdict(threshold_for(view.confidences.tolist(), correct.tolist(), b)) for b in BUDGETS
        },
        "per_class": [asdict(c) for c in metrics.per_class(matrix, labels)],
        "confusion": {"labels": labels, "counts": matrix.tolist()},
        "by_language": by_language([e.language for e in judged], truth, view.values),
        "unknown_labels": dict(unknown.most_common()),
    }


def by_language(languages: Sequence[str], truth: Strings, guess: Strings) -> dict[str, Any]:
    """Accuracy and macro-F1 of each language; empty where all rows share one."""
    known = np.array(languages, dtype=object)
    found = {}
    for language, rows in Counter(languages).most_common():
        here = known == language
        found[language] = {
            "rows": rows,
            "accuracy": metrics.accuracy(truth[here], guess[here]),
            "macro_f1": metrics.macro_f1(truth[here], guess[here]),
        }
    return found if len(found) > 1 else {}


def ordered_figures(f: Field, truth: Strings, guess: Strings) -> dict[str, Any]:
    """For a field whose labels run from the most to the least severe: how far off the wrong values are.

    `within_one` is the share at most one level away; of the `rows` that are truly `most_severe`, `underrated` got a
    lower level. Rows with a value off the scale (`none`) are left out.
    """
    level = {key: i for i, key in enumerate(f.keys)}
    pairs = [(level[t], level[g]) for t, g in zip(truth, guess, strict=True) if t in level and g in level]
    distances = np.array([abs(t - g) for t, g in pairs])
    severe = [g for t, g in pairs if t == 0]
    return {
        "within_one": float(np.mean(distances <= 1)) if pairs else float("nan"),
        "most_severe": f.keys[0],
        "rows": len(severe),
        "underrated": sum(g > 0 for g in severe),
    }


def gate_figures(model: Model, clear: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """What the model's own policy does with these rows: the share of each decision, and how many are right."""
    decided = [decide(model.taxonomy, p, model.policy) for p in predictions]
    figures: dict[str, Any] = {}
    for f in model.taxonomy.choices:
        counts = {d.value: 0 for d in Decision}
        right = {d.value: 0 for d in Decision}
        for example, outcome in zip(clear, decided, strict=True):
            if f.name in example.labels:
                shown = outcome[f.name]
                counts[shown.decision.value] += 1
                right[shown.decision.value] += (shown.value or "none") == example.labels[f.name]
        figures[f.name] = {"decisions": counts, "right": right}
    return figures


def scope_figures(
    model: Model, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> dict[str, Any]:
    """How well the scope score tells ordinary tickets from those that must go to a person; empty without any."""
    strange = [e for e in examples if e.abstain]
    if not strange or not predictions:
        return {}
    answers = predict_all(model, strange)
    primary = model.taxonomy.primary
    decisions = [decide(model.taxonomy, p, model.policy)[primary].decision for p in answers]
    ordinary = np.array([p.scope for p in predictions])
    reasons = sorted({e.abstain for e in strange})
    by_reason = {
        r: np.array([p.scope for p, e in zip(answers, strange, strict=True) if e.abstain == r])
        for r in reasons
    }
    return {
        "rows": len(strange),
        "auroc": metrics.auroc(ordinary, np.array([p.scope for p in answers])),
        "auroc_by_reason": {reason: metrics.auroc(ordinary, scores) for reason, scores in by_reason.items()},
        "decisions": {d.value: sum(x is d for x in decisions) for d in Decision},
    }


def latency(model: Model, texts: Sequence[str]) -> dict[str, float]:
    """Milliseconds for one text per call over up to 200 texts, after a warm-up: p50 and p99."""
    sample = list(texts[:LATENCY_ROWS])
    model.predict(sample[:8])
    times = []
    for text in sample:
        start = time.perf_counter()
        model.predict([text])
        times.append((time.perf_counter() - start) * 1000)
    return {"p50": float(np.quantile(times, 0.5)), "p99": float(np.quantile(times, 0.99))} if times else {}


def _view(taxonomy: Taxonomy, f: Field, predictions: Sequence[Prediction]) -> View:
    policy = Policy()
    distributions = [readable(f, p, policy) for p in predictions]
    answers = [shown(taxonomy, f, p, policy) for p in predictions]
    labels = distributions[0].labels if distributions else ()
    return View(
        labels,
        np.array([value for value, _ in answers], dtype=object),
        np.array([confidence for _, confidence in answers], dtype=np.float64),
        np.array([d.probabilities for d in distributions], dtype=np.float64).reshape(-1, len(labels)),
    )


def _checked(judged: Sequence[Example], plan: Plan, f: Field) -> DataReport | None:
    if not plan.train:
        return None
    report = check({"train": plan.train, "test": judged}, f.name, LEAKS_ONLY)
    require_clean(report, plan.allow_leak)
    return report


def _baselines(name: str, judged: Sequence[Example], truth: Strings, plan: Plan) -> Mapping[str, Strings]:
    train = [e for e in plan.train if name in e.labels and not e.abstain]
    if not train:
        return {"majority": _majority(truth, truth), "linear": _cross_validated(name, judged, plan.seed)}
    guess, _ = linear_predictions(train, judged, name)
    return {
        "majority": _majority(np.array([e.labels[name] for e in train], dtype=object), truth),
        "linear": np.asarray(guess, dtype=object),
    }


def _told(plan: Plan) -> str:
    if plan.train:
        return f"The baselines learned from {len(plan.train):,} training rows."
    return "Without training rows (--train), the linear baseline is cross-validated on the judged rows themselves."


def _majority(known: Strings, truth: Strings) -> Strings:
    labels, counts = np.unique(known.astype(str), return_counts=True)
    return np.full(len(truth), str(labels[counts.argmax()]), dtype=object)


def _cross_validated(name: str, judged: Sequence[Example], seed: int, folds: int = 5) -> Strings:
    groups = {name: i for i, name in enumerate(dict.fromkeys(e.group or e.id for e in judged))}
    fold_of = np.random.default_rng(seed).permutation(len(groups)) % folds
    place = np.array([fold_of[groups[e.group or e.id]] for e in judged])
    guess = np.full(len(judged), "", dtype=object)
    for fold in range(folds):
        train = [e for e, p in zip(judged, place, strict=True) if p != fold]
        test = [e for e, p in zip(judged, place, strict=True) if p == fold]
        if test and len({e.labels[name] for e in train}) > 1:
            guess[place == fold] = np.asarray(linear_predictions(train, test, name)[0], dtype=object)
    return guess


def correctness(view: View, truth: Strings) -> Bools:
    """Row by row: is the value shown the truth?"""
    return np.asarray(view.values == truth, dtype=bool)
