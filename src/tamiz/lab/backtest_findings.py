"""What a backtest says about one field: applied at each error budget, mistakes, small classes, reassignments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tamiz.domain.budget import DELTA, binomial_cdf, minimum_rows
from tamiz.domain.gate import FieldPolicy
from tamiz.domain.triage import Decision, FieldTriage
from tamiz.lab.data.check import CheckOptions, check
from tamiz.lab.data.example import Example

SMALL = 10
"""Training rows below which a class counts as too small to learn."""
MISTAKES = 8
LISTED = 8
EXCERPT = 120
_FURTHEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Proof:
    """The calibration rows of a field: the confidence of what would be shown, and whether it is right."""

    confidences: Sequence[float]
    correct: Sequence[bool]

    def wrong_among(self, rows: int) -> int:
        """Wrong values among the most confident rows."""
        order = sorted(range(len(self.confidences)), key=lambda i: -self.confidences[i])
        return sum(not self.correct[i] for i in order[:rows])


@dataclass(frozen=True, slots=True)
class Applied:
    """What the gate did with the judged rows of a field at one error budget."""

    budget: float
    policy: FieldPolicy
    outcomes: Sequence[FieldTriage]
    truth: Sequence[str]

    @property
    def rows(self) -> list[int]:
        """The rows whose value was applied."""
        return [i for i, outcome in enumerate(self.outcomes) if outcome.decision is Decision.APPLY]

    @property
    def wrong(self) -> list[int]:
        """The applied rows whose value is not the truth."""
        return [i for i in self.rows if self.outcomes[i].value != self.truth[i]]

    def to_dict(self, proof: Proof, share: float) -> dict[str, Any]:
        """Plain figures and one sentence; `share` is the share of all rows that calibrates."""
        applied, wrong = len(self.rows), len(self.wrong)
        return {
            "budget": self.budget,
            "threshold": self.policy.apply_at,
            "rows": len(self.outcomes),
            "applied": applied,
            "wrong": wrong,
            "realised": wrong / applied if applied else None,
            "sentence": self._sentence(proof, share),
        }

    def _sentence(self, proof: Proof, share: float) -> str:
        applied, wrong, rows = len(self.rows), len(self.wrong), len(self.outcomes)
        if self.policy.apply_at is None:
            return f"Nothing can be applied at {self.budget:.0%}. {why_nothing(proof, self.budget, share)}"
        told = f"{applied:,} of {rows:,} tickets would have been applied ({applied / max(1, rows):.0%}), {wrong} of them wrong"
        if applied and wrong / applied > self.budget:
            return f"{told} ({wrong / applied:.1%}): MORE than the budget of {self.budget:.0%} on these newer tickets."
        return f"{told}." if not applied else f"{told} ({wrong / applied:.1%})."


def why_nothing(proof: Proof, budget: float, share: float) -> str:
    """Why no threshold is safe, and how many more labelled tickets might change that."""
    have, need = len(proof.confidences), minimum_rows(budget)
    if have < need:
        more = max(1, round((need - have) / max(share, 0.01), -1))
        return (
            f"To prove it takes {need} held-out tickets without one mistake; there are {have}. "
            f"About {more:,.0f} more labelled tickets are needed."
        )
    wrong = proof.wrong_among(need)
    enough = rows_for(wrong / need, budget)
    told = f"The {need} most confident held-out tickets hold {counted(wrong, 'mistake')}."
    if not enough:
        return f"{told} More tickets of this kind would not help; clearer labels or fewer classes might."
    more = max(10, round((enough - need) / max(share, 0.01), -1))
    return f"{told} If that rate holds, about {more:,.0f} more labelled tickets would prove the budget."


def counted(number: int, what: str) -> str:
    """A number with its noun: 1 mistake, 2 mistakes, 3 classes."""
    many = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {what if number == 1 else many}"


def rows_for(rate: float, budget: float) -> int:
    """The smallest number of rows that proves the budget at this error rate; 0 when none does."""
    if rate >= 0.8 * budget:
        return 0
    low, high = minimum_rows(budget), _FURTHEST
    while low < high:
        middle = (low + high) // 2
        passes = binomial_cdf(round(rate * middle), middle, budget) <= DELTA
        low, high = (low, middle) if passes else (middle + 1, high)
    return low if low < _FURTHEST else 0


def mistakes(judged: Sequence[Example], applied: Applied) -> list[dict[str, Any]]:
    """The most confident wrong values, with a short piece of the redacted text; those that would be applied first."""
    wrong = [i for i, outcome in enumerate(applied.outcomes) if guess_of(outcome) != applied.truth[i]]
    gone = set(applied.wrong)
    wrong.sort(key=lambda i: (i not in gone, -applied.outcomes[i].confidence))
    return [
        {
            "line": judged[i].line,
            "text": excerpt(judged[i].text),
            "label": applied.truth[i],
            "value": guess_of(applied.outcomes[i]),
            "confidence": applied.outcomes[i].confidence,
            "applied": i in gone,
        }
        for i in wrong[:MISTAKES]
    ]


def guess_of(outcome: FieldTriage) -> str:
    """The likeliest label, also where the gate asks a person."""
    return outcome.top[0][0] if outcome.top else ""


def excerpt(text: str) -> str:
    """The first EXCERPT characters of a canonical (redacted) text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1] + "…"


def small_classes(past: Sequence[Example], judged: Sequence[Example], name: str) -> dict[str, Any]:
    """Classes with too few earlier tickets to learn, with those counts, and how many judged tickets they hold."""
    known = Counter(e.labels[name] for e in past if name in e.labels)
    asked = Counter(e.labels[name] for e in judged if name in e.labels)
    small = {label: known[label] for label in known | asked if known[label] < SMALL}
    return {
        "limit": SMALL,
        "classes": dict(sorted(small.items(), key=lambda pair: (pair[1], pair[0]))),
        "judged_rows": sum(asked[label] for label in small),
        "share": sum(asked[label] for label in small) / max(1, asked.total()),
    }


def reassignments(applied: Applied, past: Sequence[Example], name: str) -> dict[str, Any]:
    """For a field that routes tickets: how many would have reached the right group at once, against sending every
    ticket to the group that gets most of them."""
    counts = Counter(e.labels[name] for e in past if name in e.labels)
    usual = counts.most_common(1)[0][0]
    wrong = set(applied.wrong)
    right = [i for i in applied.rows if i not in wrong]
    spared = sum(applied.truth[i] != usual for i in right)
    caused = sum(applied.truth[i] == usual for i in wrong)
    rows = len(applied.truth)
    at_usual = sum(label == usual for label in applied.truth)
    sentence = (
        f"If all {rows:,} tickets went to '{usual}' first, {rows - at_usual:,} would have to be reassigned. "
    )
    if applied.rows:
        sentence += (
            f"At a budget of {applied.budget:.0%} Tamiz routes {len(applied.rows):,} of them itself, {len(right):,} to the "
            f"right group: {spared:,} reassignments spared and {caused:,} caused. The others go the way they go today."
        )
    else:
        sentence += (
            f"At a budget of {applied.budget:.0%} Tamiz routes none of them itself, so none is spared."
        )
    return {
        "usual": usual,
        "applied": len(applied.rows),
        "spared": spared,
        "caused": caused,
        "sentence": sentence,
    }


def label_findings(examples: Sequence[Example], name: str, quick: bool, seed: int) -> dict[str, Any]:
    """Problems in the labels of a field: contradictions, doubtful labels (not in a quick run), repeats, shortcuts."""
    labelled = [e for e in examples if name in e.labels and not e.abstain]
    options = CheckOptions(baselines=False, doubts=not quick, seed=seed)
    report = check({"all": labelled}, name, options)
    return {
        "contradictions": {
            "texts": len(report.contradictions),
            "rows": sum(len(c.lines) for c in report.contradictions),
            "examples": [
                {"text": excerpt(c.text), "labels": dict(c.labels), "lines": list(c.lines[:LISTED])}
                for c in report.contradictions[:LISTED]
            ],
        },
        "doubts": {
            "count": len(report.doubts),
            "examples": [
                {"line": d.line, "text": excerpt(d.text), "label": d.label, "suggested": d.suggested}
                for d in report.doubts[:LISTED]
            ],
        },
        "repeated": dict(report.repeated["all"]),
        "shortcuts": [s.render() for s in report.shortcuts if s.artefact][:LISTED],
    }
