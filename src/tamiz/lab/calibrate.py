"""Fit what turns raw scores into calibrated predictions, and predictions into a policy, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from tamiz.domain.budget import DELTA, binomial_cdf, minimum_rows, threshold_for, upper_bound
from tamiz.domain.gate import FieldPolicy, Policy, Rung, decide, shown
from tamiz.domain.taxonomy import ABSTAIN, Taxonomy
from tamiz.domain.triage import Prediction
from tamiz.lab.data.example import Example
from tamiz.models.calibration import Calibration, Fusion, Scope, Scores

Floats = NDArray[Any]

BIAS_PENALTY = 3.0
"""Ridge on the class biases, in units of one held-out row: small classes stay where the scores put them."""

WEIGHT_PENALTY = 1.0
"""Ridge on the logarithms of the weights, in the same units: flawless held-out rows must not mean certainty."""

STRANGE_APPLIED, STRANGE_DELTA = 0.03, 0.25
"""At most this share of strange texts may pass `scope_apply`, by an exact bound of this level on the held-out ones."""

HELD_BACK = 0.1
"""At least this share of the ordinary held-out tickets may not be applied: a few strange rows bound little."""

UNDER_RATED = 0.015
"""At most this share of the most severe held-out rows may be shown too low: less than the 2 % that new ones may show."""

SEVERE_STEPS = tuple(np.linspace(0.5, 0.06, 12).round(2))

LADDER = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Error budgets whose thresholds a model keeps, so that a policy file may ask for another one than it was made for. Fixed
before any row is looked at: which of them is used is the operator's choice, and each is proven by itself."""

FEW_SEVERE = 30
"""Fewer of the most severe held-out rows promise nothing: severity is read as it is."""

FEW_STRANGE, FEW_LABELLED = 10, 20
"""Fewer strange rows say nothing of scope; fewer labelled ones say nothing of a field, where a policy of before does."""

RECOMMEND_RIGHT = 0.5
RECOMMEND_STEPS = tuple(np.linspace(0.2, 0.6, 21))


@dataclass(frozen=True, slots=True)
class Answers:
    """Raw answers of a model on N held-out rows: a score table per component, and signals [N] of scope."""

    components: Sequence[Scores]
    signals: Mapping[str, Floats]


def fit_fusion(scores: Sequence[Floats], y: NDArray[Any], bias: bool = True) -> Fusion:
    """Weights (≥ 0) and class biases that minimise the log loss on held-out rows.

    `scores` holds one array [N, K] per component, `y` the true class indices [N].
    """
    stack = np.stack([s.astype(np.float64) for s in scores])
    count, rows, classes = stack.shape
    onehot = np.zeros((rows, classes))
    onehot[np.arange(rows), y] = 1.0
    # A bias per class needs rows per class; with fewer it would only fit noise.
    free = classes if bias and rows >= 10 * classes else 0

    start = np.concatenate([np.full(count, -np.log(count)), np.zeros(free)])

    def loss(x: Floats) -> tuple[float, Floats]:
        weights, biases = np.exp(x[:count]), x[count:]
        mixed = np.tensordot(weights, stack, axes=1) + (biases if free else 0.0)
        mixed -= mixed.max(axis=1, keepdims=True)
        logs = mixed - np.log(np.exp(mixed).sum(axis=1, keepdims=True))
        gap = (np.exp(logs) - onehot) / rows
        prior = WEIGHT_PENALTY / rows * (x[:count] - start[:count])
        slope = [w * (gap * s).sum() for w, s in zip(weights, stack, strict=True)] + 2 * prior
        penalty = BIAS_PENALTY / rows
        grad = np.concatenate([slope, gap.sum(axis=0) + 2 * penalty * biases if free else []])
        ridge = penalty * (biases**2).sum() + (prior * (x[:count] - start[:count])).sum()
        return float(-(logs * onehot).sum() / rows + ridge), grad

    bounds = [(-7.0, 5.0)] * count + [(-5.0, 5.0)] * free
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}).x
    return Fusion(tuple(np.exp(best[:count]).tolist()), tuple(best[count:].tolist()))


def fit_scope(signals: Mapping[str, Floats], in_scope: NDArray[Any]) -> Scope:
    """The scope score from signals [N] and whether each row is an ordinary ticket.

    With ten or more strange rows: a logistic regression, balanced. With fewer: ranks of the first signal.
    """
    names = tuple(signals)
    if not names:
        return Scope()
    if (~in_scope).sum() < FEW_STRANGE:
        return Scope(names[:1], reference=tuple(np.sort(signals[names[0]][in_scope]).astype(float).tolist()))
    columns = np.stack([signals[name].astype(np.float64) for name in names], axis=1)
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    spread[spread < 1e-9] = 1.0
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    model.fit((columns - mean) / spread, in_scope.astype(int))
    weights = model.coef_[0]
    return Scope(
        names,
        tuple(mean.tolist()),
        tuple(spread.tolist()),
        tuple(weights.tolist()),
        float(model.intercept_[0]),
    )


def fit_calibration(taxonomy: Taxonomy, answers: Answers, examples: Sequence[Example]) -> Calibration:
    """Fusions of every predicted field (on rows that carry its label) and the scope score."""
    ordinary = np.array([not e.abstain for e in examples])
    fusions = {}
    for f in taxonomy.predicted:
        index = {label: i for i, label in enumerate(f.classes)}
        rows = [i for i, e in enumerate(examples) if ordinary[i] and e.labels.get(f.name) in index]
        y = np.array([index[examples[i].labels[f.name]] for i in rows], dtype=int)
        scores = [component[f.name][rows] for component in answers.components]
        fusions[f.name] = fit_fusion(scores, y) if len(rows) >= 10 else Fusion((1.0,) * len(scores))
    return Calibration(fusions, fit_scope(answers.signals, ordinary))


def fit_policy(
    taxonomy: Taxonomy,
    predictions: Sequence[Prediction],
    examples: Sequence[Example],
    budget: float,
    earned: bool,
    before: Policy | None = None,
) -> Policy:
    """Thresholds on held-out rows, of what the gate would show.

    Nothing is applied (`apply_at` None) unless `earned`: the rows are the tenant's own tickets. Thresholds are
    computed among the rows in scope, since only those can be applied. What the rows are too few for is taken over from
    the policy of `before`: where scope begins, the caution with severity, a field with fewer than FEW_LABELLED rows.
    """
    scope = np.array([p.scope for p in predictions])
    strange = np.array([bool(e.abstain) for e in examples])
    scope_apply, scope_recommend = _scope_thresholds(scope, strange)
    if before is not None and strange.sum() < FEW_STRANGE:
        scope_apply, scope_recommend = before.scope_apply, before.scope_recommend
    clear = [(p, e) for p, e, odd in zip(predictions, examples, strange, strict=True) if not odd]
    limits = Policy(scope_apply=scope_apply, scope_recommend=scope_recommend, budget=budget)

    def policy(severe: Mapping[str, float]) -> Policy:
        reading = Policy({name: FieldPolicy(severe_at=at) for name, at in severe.items()})
        fields = {}
        for f in taxonomy.choices:
            labelled = [(p, e) for p, e in clear if f.name in e.labels]
            if before is not None and len(labelled) < FEW_LABELLED:
                fields[f.name] = replace(before.of(f.name), severe_at=severe.get(f.name))
                continue
            rows = [(p, e) for p, e in labelled if p.scope >= scope_apply]
            answers = [shown(taxonomy, f, p, reading) for p, _ in rows]
            own = _field_policy(answers, [e.labels[f.name] for _, e in rows], budget, earned)
            fields[f.name] = replace(own, severe_at=severe.get(f.name))
        return replace(limits, fields=fields)

    caution = {} if before is None else {name: own.severe_at for name, own in before.fields.items()}
    return _cautious(taxonomy, clear, policy, {name: at for name, at in caution.items() if at is not None})


def _cautious(
    taxonomy: Taxonomy,
    clear: Sequence[tuple[Prediction, Example]],
    policy: Callable[[dict[str, float]], Policy],
    severe: dict[str, float],
) -> Policy:
    """The policy that reads severity with enough caution: the inputs of an ordered derived field (urgency and impact
    of a priority) at the highest probability at which at most UNDER_RATED of the most severe held-out rows are shown
    too low. Rows that ask a person are not shown. Where no step is enough, the lowest one is taken. Where severe rows are too
    few, `severe` stays as it was given."""
    for f in taxonomy.derived:
        assert f.matrix is not None
        inputs = (f.matrix.rows, f.matrix.columns)
        worst = [p for p, e in clear if e.labels.get(f.name) == f.keys[0]]
        if (
            not f.ordered
            or not all(taxonomy.field(name).ordered for name in inputs)
            or len(worst) < FEW_SEVERE
        ):
            continue
        for step in SEVERE_STEPS:
            severe |= dict.fromkeys(inputs, float(step))
            fitted = policy(severe)
            told = [decide(taxonomy, p, fitted)[f.name].value for p in worst]
            if sum(value not in (f.keys[0], ABSTAIN) for value in told) <= UNDER_RATED * len(worst):
                break
    return policy(severe)


def _field_policy(
    answers: Sequence[tuple[str, float]], truth: Sequence[str], budget: float, earned: bool
) -> FieldPolicy:
    confidences = [confidence for _, confidence in answers]
    correct = [value == true for (value, _), true in zip(answers, truth, strict=True)]
    recommend_at = _recommend_at(np.array(confidences), np.array(correct, dtype=bool))
    if not earned:
        return FieldPolicy(recommend_at=recommend_at)
    ladder = tuple(_rung(answers, correct, confidences, each) for each in LADDER)
    if all(rung.apply_at is None for rung in ladder):
        ladder = ()
    own = _rung(answers, correct, confidences, budget)
    if own.apply_at is not None:
        recommend_at = min(recommend_at, own.apply_at)
    return FieldPolicy(apply_at=own.apply_at, recommend_at=recommend_at, by_label=own.by_label, ladder=ladder)


def _rung(
    answers: Sequence[tuple[str, float]],
    correct: Sequence[bool],
    confidences: Sequence[float],
    budget: float,
) -> Rung:
    threshold = threshold_for(confidences, correct, budget).at
    if threshold is None:
        return Rung(budget, None)
    return Rung(budget, threshold, _strict_labels(answers, correct, threshold, budget))


def _strict_labels(
    answers: Sequence[tuple[str, float]], correct: Sequence[bool], threshold: float, budget: float
) -> dict[str, float | None]:
    """Labels whose own record above the field's threshold is significantly over budget: a threshold of their own
    where one exists, else None."""
    by_label: dict[str, float | None] = {}
    for label in {value for value, _ in answers}:
        own = [(c, right) for (value, c), right in zip(answers, correct, strict=True) if value == label]
        above = [right for c, right in own if c >= threshold]
        wrong = len(above) - sum(above)
        if wrong and binomial_cdf(wrong - 1, len(above), budget) > 1 - DELTA:
            enough = len(own) >= 4 * minimum_rows(budget)
            by_label[label] = (
                threshold_for([c for c, _ in own], [r for _, r in own], budget).at if enough else None
            )
    return by_label


def _recommend_at(confidences: Floats, correct: NDArray[np.bool_]) -> float:
    """The lowest confidence from which suggestions near it are right at least half of the time."""
    for low in RECOMMEND_STEPS:
        near = (confidences >= low) & (confidences < low + 0.1)
        if near.sum() >= 10 and correct[near].mean() >= RECOMMEND_RIGHT:
            return float(low)
    return 0.5


def _scope_thresholds(scope: Floats, strange: NDArray[np.bool_]) -> tuple[float, float]:
    """Where applying and where recommending starts. With strange rows: few of them pass; without: 5 % and 1 % of
    the ordinary rows are held back."""
    if strange.sum() >= FEW_STRANGE:
        ranked = np.sort(scope[strange])[::-1]
        passing = 0
        while upper_bound(passing + 1, len(ranked), STRANGE_DELTA) <= STRANGE_APPLIED:
            passing += 1
        apply_at = max(
            float(np.nextafter(ranked[passing], 2.0)), float(np.quantile(scope[~strange], HELD_BACK))
        )
        # One ordinary ticket in a hundred may always be held back from a recommendation, one in ten never more.
        low, high = np.quantile(scope[~strange], [0.01, 0.1])
        recommend_at = max(float(np.quantile(scope[strange], 0.9, method="higher")), float(low))
        return apply_at, min(recommend_at, apply_at, float(high))
    return (float(np.quantile(scope, 0.05)), float(np.quantile(scope, 0.01))) if len(scope) else (0.0, 0.0)
