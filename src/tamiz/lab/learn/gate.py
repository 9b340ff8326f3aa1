"""May a candidate be proposed? Both models on the same rows, field by field, with paired tests.

A candidate is refused for every harm that is found, and where nothing is gained. Tests are two-sided at ALPHA; of eight
fields on two sets a harmless candidate is refused for one of them in a third of all runs at most, which costs a week; a
harmful one that passes costs tickets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.budget import binomial_cdf
from tamiz.domain.gate import decide
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import ABSTAIN, Field, Taxonomy
from tamiz.domain.triage import Decision, Prediction
from tamiz.lab import metrics
from tamiz.lab.data.example import Example
from tamiz.lab.evaluate import View, correctness, predict_all, rows_of, views

ALPHA = 0.05
FEWEST = 30
"""Labelled rows of a field below which a set says nothing about it."""
MISCALIBRATED = 0.02
"""By so much the calibration error may grow before it is looked at whether that is chance."""
DRAWS = 400
LEAST_LIKELY = 1e-4
"""A probability below this counts as this: one sure mistake must not outweigh everything."""
NEWEST, GOLDEN = "newest", "golden"

Bools = NDArray[np.bool_]
Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A model and what it predicts for the rows of a set."""

    model: Model
    predictions: Sequence[Prediction]

    def views(self) -> Mapping[str, View]:
        """The value that it would show for each field."""
        return views(self.model.taxonomy, self.predictions)

    def decided(self) -> list[dict[str, Any]]:
        """What its own policy does with each row."""
        return [decide(self.model.taxonomy, p, self.model.policy) for p in self.predictions]

    def asks(self) -> Bools:
        """Does it ask a person because the ticket is out of scope?"""
        least = self.model.policy.scope_recommend
        return np.array([p.scope <= 0.0 or p.scope < least for p in self.predictions], dtype=bool)


def compared(active: Model, candidate: Model, examples: Sequence[Example]) -> Report:
    """Both models on the rows of one set."""
    old, new = (Answered(model, predict_all(model, examples)) for model in (active, candidate))
    fields: dict[str, Report] = {}
    views_of = old.views(), new.views()
    decided = old.decided(), new.decided()
    for f in active.taxonomy.choices:
        rows = [i for i, e in enumerate(examples) if f.name in e.labels]
        truth = np.array([examples[i].labels[f.name] for i in rows], dtype=object)
        if len(rows) < FEWEST:
            fields[f.name] = {"rows": len(rows)}
            continue
        mine, theirs = (rows_of(own[f.name], rows) for own in views_of)
        fields[f.name] = {
            **_quality(truth, mine, theirs),
            "applied": [_applied([own[i][f.name] for i in rows], truth) for own in decided],
        }
    return {
        "rows": len(examples),
        "fields": fields,
        "severe": _severe(active.taxonomy, examples, decided),
        "out_of_scope": _flips(old.asks(), new.asks()),
    }


def strange(active: Model, candidate: Model, examples: Sequence[Example]) -> Report:
    """Both models on tickets that must go to a person: of how many each would show a value of the primary field."""
    shown = []
    for model in (active, candidate):
        decided = Answered(model, predict_all(model, examples)).decided()
        primary = model.taxonomy.primary
        shown.append(
            np.array(
                [d[primary].decision in (Decision.APPLY, Decision.RECOMMEND) for d in decided], dtype=bool
            )
        )
    return {"rows": len(examples), "shown": _flips(*shown)}


def reasons(sets: Mapping[str, Report], odd: Report, budget: float) -> list[str]:
    """Everything that speaks against the candidate; empty: it is proposed."""
    found = [told for name, one in sets.items() for told in _harms(name, one, budget)]
    if odd and _more(odd["shown"]):
        found.append(
            f"of {odd['rows']} tickets that must go to a person it shows values for {odd['shown']['after']}, the active "
            f"model for {odd['shown']['before']} (p = {odd['shown']['p']:.2g})"
        )
    if not any(_gained(figures) for figures in sets[NEWEST]["fields"].values()):
        found.append(
            "nothing is gained: on the newest tickets no field is significantly more right, nor right more surely"
        )
    return found


def _harms(name: str, found: Report, budget: float) -> Iterator[str]:
    for field_name, figures in found["fields"].items():
        if "model" in figures:
            yield from (f"{name}, {field_name}: {told}" for told in _field_harms(figures, budget))
    severe, scope = found["severe"], found["out_of_scope"]
    if severe and severe["low"][1] > severe["low"][0]:
        yield (
            f"{name}, {severe['field']}: of {severe['rows']} tickets that are {severe['label']} it suggests "
            f"{severe['low'][1]} too low, the active model {severe['low'][0]}"
        )
    if _more(scope):
        yield (
            f"{name}: {scope['after']} of {found['rows']} tickets count as out of scope, with the active model "
            f"{scope['before']} (p = {scope['p']:.2g})"
        )


def _field_harms(figures: Report, budget: float) -> Iterator[str]:
    test, macro, ece = figures["test"], figures["test"]["macro_f1"], figures["ece"]
    if test["p"] < ALPHA and test["only_b"] > test["only_a"]:
        yield (
            f"worse on {figures['rows']} rows: {test['only_b']} are right with the active model alone, {test['only_a']} with "
            f"the candidate alone (McNemar p = {test['p']:.2g})"
        )
    elif macro["high"] < 0:
        yield f"worse macro-F1 by {-macro['value']:.3f} ({-macro['high']:.3f} to {-macro['low']:.3f})"
    if ece["low"] > MISCALIBRATED:
        yield f"confidences err by {ece['candidate']:.3f}, before by {ece['active']:.3f}"
    applied = figures["applied"][1]
    if applied["wrong"] and binomial_cdf(applied["wrong"] - 1, applied["count"], budget) > 1 - ALPHA:
        yield f"{applied['wrong']} of {applied['count']} applied values are wrong, over the budget of {budget:.1%}"


def _gained(figures: Report) -> bool:
    """More right, and significantly so in the number of right values or in how likely the true ones are."""
    if "test" not in figures:
        return False
    test, likely = figures["test"], figures["log_loss"]["high"] < 0
    return bool(test["only_a"] > test["only_b"] and (likely or test["p"] < ALPHA))


def _quality(truth: NDArray[Any], active: View, candidate: View) -> Report:
    mine, theirs = correctness(candidate, truth), correctness(active, truth)
    return {
        "rows": len(truth),
        "active": float(theirs.mean()),
        "model": float(mine.mean()),
        "test": metrics.gain(truth, candidate.values, active.values),
        "ece": _calibration(active.confidences, theirs, candidate.confidences, mine),
        "log_loss": _likelier(active, candidate, truth),
    }


def _calibration(
    before: NDArray[np.float64], right_before: Bools, after: NDArray[np.float64], right_after: Bools
) -> Report:
    """Calibration errors, and the lower end of the paired bootstrap interval (95 %) of how much it grew."""
    rng, grown = np.random.default_rng(0), []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(before), len(before))
        grown.append(
            metrics.ece(after[rows], right_after[rows]) - metrics.ece(before[rows], right_before[rows])
        )
    return {
        "active": metrics.ece(before, right_before),
        "candidate": metrics.ece(after, right_after),
        "low": float(np.quantile(grown, ALPHA / 2)),
    }


def _likelier(active: View, candidate: View, truth: NDArray[Any]) -> Report:
    """Mean log losses, and the upper end of the paired bootstrap interval (95 %) of the difference: it sees a gain in far
    fewer rows than accuracy does."""
    before, after = (_losses(view, truth) for view in (active, candidate))
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(truth), (DRAWS, len(truth)))
    high = float(np.quantile((after - before)[drawn].mean(axis=1), 1 - ALPHA / 2))
    return {"active": float(before.mean()), "candidate": float(after.mean()), "high": high}


def _losses(view: View, truth: NDArray[Any]) -> NDArray[np.float64]:
    index = {label: i for i, label in enumerate(view.labels)}
    likely = [
        p[index[label]] if label in index else 0.0 for p, label in zip(view.probabilities, truth, strict=True)
    ]
    return -np.log(np.maximum(likely, LEAST_LIKELY))


def _applied(outcomes: Sequence[Any], truth: NDArray[Any]) -> dict[str, int]:
    """How many values would be applied, and how many of them are wrong."""
    values = [
        (outcome.value or "none", true)
        for outcome, true in zip(outcomes, truth, strict=True)
        if outcome.decision is Decision.APPLY
    ]
    return {"count": len(values), "wrong": sum(value != true for value, true in values)}


def _severe(
    taxonomy: Taxonomy, examples: Sequence[Example], decided: Sequence[Sequence[Mapping[str, Any]]]
) -> Report:
    """Of the tickets with the most severe label of a derived ordered field (a critical priority): how many each model
    suggests lower. A ticket that asks a person is not suggested. Empty where there is no such field."""
    f = next((one for one in taxonomy.derived if one.ordered), None)
    if f is None:
        return {}
    rows = [i for i, e in enumerate(examples) if e.labels.get(f.name) == f.keys[0]]
    low = [sum(_low(f, own[i][f.name]) for i in rows) for own in decided]
    return {"field": f.name, "label": f.keys[0], "rows": len(rows), "low": low}


def _low(f: Field, outcome: Any) -> bool:
    shown = outcome.decision in (Decision.APPLY, Decision.RECOMMEND)
    return shown and outcome.value not in (f.keys[0], ABSTAIN)


def _flips(before: Bools, after: Bools) -> Report:
    """How often each is true, with McNemar's test."""
    test = metrics.mcnemar(after, before)
    return {"before": int(before.sum()), "after": int(after.sum()), "p": test["p"]}


def _more(found: Report) -> bool:
    return bool(found["after"] > found["before"] and found["p"] < ALPHA)
