"""Learn how much people's corrections of near tickets count against a model's own word (`tamiz.pipeline.vote`).

    python -m tamiz.lab.vote

Corrections are simulated on held-out tickets of the synthetic bank, whose scenarios the starter never saw: a person looks
at some tickets and corrects what is wrong; beside that, one scenario gets a label that the model does not know. The
weights are those under which the merged distributions make the other tickets' labels most likely, and other scenarios judge them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.taxonomy import Field, Label, Taxonomy
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.vote import Curve, Voice, Weighing, listen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEAREST = 20
ACCOUNTS = 5
NEW = "a new class"
SEEN = (0.2, 0.5)
"""Shares of the tickets at which a person looks."""
START = datetime(2026, 1, 1, tzinfo=UTC)
TINY = 1e-4
FLOOR = 1e-5
"""Probabilities are not taken for smaller, so that no single ticket decides a fit."""


@dataclass(frozen=True, slots=True)
class Rows:
    """N tickets as a model sees them: unit vectors [N, D]; per field probabilities [N, K] and true classes [N] (-1: none
    known); the group [N] that a ticket belongs to."""

    units: NDArray[np.float32]
    probabilities: Mapping[str, Floats]
    truth: Mapping[str, Ints]
    groups: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One simulation of one field on n tickets: the model's distributions and the voices' [n, K], true classes [n],
    which of them are of the new class, and what the weight depends on: similarity, lead, log-odds against, and how far
    the voices agree (0 where there are none)."""

    field: str
    own: Floats
    voiced: Floats
    truth: Ints
    new: Bools
    similarity: Floats
    lead: Floats
    against: Floats
    agreed: Floats

    def weights(self, curve: Curve) -> Floats:
        """Weights [n] of the votes."""
        found = [
            curve.weight(s, lead, against)
            for s, lead, against in zip(self.similarity, self.lead, self.against, strict=True)
        ]
        return np.asarray(found) * self.agreed

    def merged(self, weights: Floats) -> Floats:
        """The merged distributions [n, K]."""
        return (1.0 - weights)[:, None] * self.own + weights[:, None] * self.voiced


def rows_of(model: EncoderModel, examples: Sequence[Example]) -> Rows:
    """What a model says of examples; those that belong to a person are left out."""
    clear = [e for e in examples if not e.abstain]
    predictions = model.predict([e.text for e in clear])
    probabilities, truth = {}, {}
    for f in model.taxonomy.predicted:
        index = {label: i for i, label in enumerate(f.classes)}
        probabilities[f.name] = np.array([p.distributions[f.name].probabilities for p in predictions])
        truth[f.name] = np.array([index.get(e.labels.get(f.name, ""), -1) for e in clear], dtype=np.int64)
    units = np.array([p.embedding for p in predictions], np.float32)
    return Rows(units, probabilities, truth, np.array([e.group for e in clear]))


def cases(
    rows: Rows, taxonomy: Taxonomy, seed: int = 0, groups: int = 8, told: int = 10, ordinary: bool = True
) -> Iterator[Case]:
    """Simulations of every plain field: in each, one group's tickets get a class that the model does not know, `told` of them
    are corrected, and, where `ordinary`, so is what is wrong among the other tickets that were looked at."""
    rng = np.random.default_rng(seed)
    for f in taxonomy.predicted:
        if f.ordered:
            continue
        drawn = [g for g in rng.permutation(np.unique(rows.groups)) if (rows.groups == g).sum() >= told + 8]
        for number, group in enumerate(drawn[:groups]):
            yield _case(rows, f, rows.groups == group, rng, told, ordinary, SEEN[number % len(SEEN)])


def _case(
    rows: Rows, f: Field, fresh: Bools, rng: np.random.Generator, told: int, ordinary: bool, share: float
) -> Case:
    grown = replace(f, labels=(*f.labels, Label(NEW)))
    place = grown.classes.index(NEW)
    own = np.insert(rows.probabilities[f.name], place, 0.0, axis=1)
    truth = np.where(rows.truth[f.name] >= place, rows.truth[f.name] + 1, rows.truth[f.name])
    right = own.argmax(axis=1) == truth
    truth = np.where(fresh, place, truth)
    order = rng.permutation(len(own))
    seen = np.zeros(len(own), dtype=bool)
    seen[order[: int(share * len(own) / 2)]] = True
    seen &= ~fresh & (truth >= 0)
    taught = np.zeros(len(own), dtype=bool)
    taught[rng.permutation(np.flatnonzero(fresh))[:told]] = True
    corrected = np.flatnonzero(taught | (seen & ~right) if ordinary else taught)
    asked = np.zeros(len(own), dtype=bool)
    asked[order[len(own) // 2 :]] = True
    asked = (asked | fresh) & ~seen & ~taught & (truth >= 0)
    accounts = rng.integers(0, ACCOUNTS, len(own))
    return simulated(
        rows.units,
        own,
        truth,
        corrected,
        np.flatnonzero(seen & right),
        np.flatnonzero(asked),
        grown,
        accounts,
        fresh,
    )


def simulated(
    units: NDArray[np.float32],
    own: Floats,
    truth: Ints,
    corrected: Ints,
    standing: Ints,
    asked: Ints,
    f: Field,
    accounts: Ints,
    fresh: Bools,
    weighing: Weighing | None = None,
) -> Case:
    """What the `corrected` rows say of the `asked` ones, in the order in which they are given, beside the rows that stand."""
    weighing = weighing or Weighing()
    near = units[asked] @ units[corrected].T
    best = np.argsort(-near, axis=1, kind="stable")[:, :NEAREST]
    stood = (units[asked] @ units[standing].T).max(axis=1) if len(standing) else np.zeros(len(asked))
    voiced = np.zeros((len(asked), own.shape[1]))
    facts = np.zeros((4, len(asked)))
    for row in range(len(asked)):
        voices = [
            Voice(
                str(corrected[i]),
                float(near[row, i]),
                {f.name: f.classes[truth[corrected[i]]]},
                str(accounts[corrected[i]]),
                START + timedelta(minutes=int(i)),
            )
            for i in best[row]
        ]
        heard = listen(voices, f, f.classes, weighing, {})
        if heard is None:
            continue
        voiced[row] = heard.distribution.probabilities
        mine = own[asked[row]]
        peak = min(max(float(mine.max()), TINY), 1.0 - TINY)
        against = 0.0 if f.classes[int(mine.argmax())] == heard.label else math.log(peak / (1.0 - peak))
        facts[:, row] = heard.similarity, heard.similarity - stood[row], against, voiced[row].max()
    return Case(f.name, own[asked], voiced, truth[asked], fresh[asked], *facts)


def fit(found: Sequence[Case], beside: bool) -> Curve:
    """The curve under which the true classes are most likely; `beside` it may use the lead over tickets that stand."""
    at = [(c, np.arange(len(c.truth))) for c in found]
    own = np.concatenate([c.own[rows, c.truth] for c, rows in at])
    voiced = np.concatenate([c.voiced[rows, c.truth] for c, rows in at])
    names = ("similarity", "lead", "against", "agreed")
    similarity, lead, against, agreed = (np.concatenate([getattr(c, name) for c in found]) for name in names)

    def loss(numbers: Floats) -> float:
        bias, near, ahead, doubt = numbers
        odds = np.clip(bias + near * similarity + ahead * lead - doubt * against, -30.0, 30.0)
        weight = agreed / (1.0 + np.exp(-odds))
        return float(-np.log(np.maximum((1.0 - weight) * own + weight * voiced, FLOOR)).mean())

    bounds = [(-200.0, 50.0), (0.0, 200.0), (0.0, 200.0 if beside else 0.0), (0.0, 10.0)]
    starts = ((-10.0, 12.0, 0.0, 0.1), (-20.0, 25.0, 0.0, 0.1), (-2.0, 3.0, 30.0 if beside else 0.0, 0.1))
    tries = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(tries, key=lambda each: float(each.fun)).x
    return Curve(*(round(float(number), 2) for number in best))


def judged(found: Sequence[Case], curve: Curve) -> dict[str, float]:
    """Over all simulations: recall of the new class; accuracy and log loss of the other tickets without and with the vote."""
    figures = []
    for case in found:
        rows, merged = np.arange(len(case.truth)), case.merged(case.weights(curve))
        hit, before = merged.argmax(axis=1) == case.truth, case.own.argmax(axis=1) == case.truth
        losses = [
            -np.log(np.maximum(p[rows, case.truth], FLOOR))[~case.new].mean() for p in (case.own, merged)
        ]
        figures.append([hit[case.new].mean(), before[~case.new].mean(), hit[~case.new].mean(), *losses])
    names = ("new_recall", "others_before", "others_after", "log_loss_before", "log_loss_after")
    return dict(zip(names, np.mean(figures, axis=0).tolist(), strict=True))


def main() -> None:
    """Fit on one set of scenarios, judge on another, and print both."""
    model = EncoderModel.open(starter_folder())
    fitting, judging = (rows_of(model, synthetic_examples(2400, 1000, split)) for split in ("valid", "test"))
    kinds = (True, False)
    learned = [c for kind in kinds for c in cases(fitting, model.taxonomy, ordinary=kind)]
    tests = {kind: list(cases(judging, model.taxonomy, seed=1, ordinary=kind)) for kind in kinds}
    for beside in (False, True):
        curve = fit(learned, beside)
        print("beside" if beside else "alone", curve)
        for kind, held_out in tests.items():
            told = "and ordinary corrections" if kind else "alone"
            figures = {name: round(value, 4) for name, value in judged(held_out, curve).items()}
            print(f"  ten of a new class {told}: {figures}")


if __name__ == "__main__":
    main()
