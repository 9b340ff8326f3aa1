"""Learn how much people's corrections of near tickets count against a model's own word (`tamiz.pipeline.vote`).

    python -m tamiz.lab.vote

Corrections are simulated on held-out tickets of the synthetic bank, whose scenarios the starter never saw: a person looks
at some tickets and corrects what is wrong; beside that, one scenario gets a label that the model does not know. The
weights are those under which the merged distributions make the other tickets' labels most likely, and other scenarios judge them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import Field, Label, Taxonomy
from tamiz.domain.triage import Distribution
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.vote import Curve, Voice, Weighing, against, lead_of, listen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Units = NDArray[np.float32]

NEAREST = 20
ACCOUNTS = 5
GROUPS = 6
FEWEST = 18
"""A group with fewer tickets is not made a new class: something must be left to ask."""
TOLD = (3, 10)
EVERY = 10**6
NEW = "a new class"
SEEN = (0.0, 0.2, 0.5)
"""Shares of the tickets at which a person looks."""
START = datetime(2026, 1, 1, tzinfo=UTC)
FLOOR = 1e-5
"""Probabilities are not taken for smaller, so that no single ticket decides a fit."""


@dataclass(frozen=True, slots=True)
class Rows:
    """N tickets as a model sees them: unit vectors [N, D]; per field probabilities [N, K] and true classes [N] (-1: none
    known); the group [N] that a ticket belongs to."""

    units: Units
    probabilities: Mapping[str, Floats]
    truth: Mapping[str, Ints]
    groups: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Known:
    """M tickets whose labels are right beyond doubt: unit vectors [M, D] and classes [M] by field, -1 for none."""

    units: Units
    classes: Mapping[str, Ints]


@dataclass(frozen=True, slots=True)
class Trial:
    """One field of n tickets as they are and as a person sees them: vectors [n, D], the model's distributions [n, K], true
    classes [n], and what is known beside them."""

    field: Field
    units: Units
    own: Floats
    truth: Ints
    known_units: Units
    known_truth: Ints

    @property
    def right(self) -> Bools:
        """Where the model is right [n]."""
        return np.asarray(self.own.argmax(axis=1) == self.truth)


@dataclass(frozen=True, slots=True)
class Case:
    """What corrections say of n tickets: the model's distributions and the voices' [n, K], true classes [n], which of them
    are of the new class, what the weight depends on (similarity, lead, log-odds against, crowd, and how far the voices
    agree, 0 where there are none), and which rows of the trial they are."""

    field: Field
    own: Floats
    voiced: Floats
    truth: Ints
    new: Bools
    similarity: Floats
    lead: Floats
    against: Floats
    crowd: Floats
    agreed: Floats
    rows: Ints

    def weights(self, curve: Curve) -> Floats:
        """Weights [n] of the votes."""
        facts = zip(self.similarity, self.lead, self.against, self.crowd, strict=True)
        return np.array([curve.weight(*each) for each in facts]) * self.agreed

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


def known_of(model: EncoderModel) -> Known:
    """The training tickets that a model remembers."""
    width = model.encoder.width
    if model.exemplars is None:
        return Known(np.zeros((0, width), np.float32), {})
    found = model.exemplars.nearest(np.zeros(width, np.float32), EVERY)
    classes = {}
    for f in model.taxonomy.predicted:
        index = {label: i for i, label in enumerate(f.classes)}
        classes[f.name] = np.array([index.get(n.labels.get(f.name, ""), -1) for n in found], dtype=np.int64)
    return Known(model.exemplars.units, classes)


def cases(
    rows: Rows, known: Known, taxonomy: Taxonomy, seed: int = 0, ordinary: bool = True, told: int = 0
) -> Iterator[Case]:
    """Simulations of every plain field: in each, one group's tickets get a class that the model does not know, `told` of them
    are corrected (0: three or ten by turns), and, where `ordinary`, so is what is wrong among other tickets that a person
    looked at. What was right there is known from then on."""
    rng = np.random.default_rng(seed)
    for f in taxonomy.predicted:
        if f.ordered:
            continue
        names, sizes = np.unique(rows.groups, return_counts=True)
        drawn = rng.permutation(names[sizes >= FEWEST])[:GROUPS]
        for number, group in enumerate(drawn):
            trial = renamed(rows, known, f, rows.groups == group)
            looked = SEEN[number % len(SEEN)] if ordinary else 0.0
            yield _case(trial, rows.groups == group, rng, told or TOLD[number % len(TOLD)], looked)


def renamed(rows: Rows, known: Known, f: Field, fresh: Bools) -> Trial:
    """The field with one class more, that of the `fresh` rows [N]. Where no other row had their class, the model is made
    to forget it."""
    grown = replace(f, labels=(*f.labels, Label(NEW)))
    place = grown.classes.index(NEW)
    own = np.insert(rows.probabilities[f.name], place, 0.0, axis=1)
    truth, known_truth = (
        np.where(classes >= place, classes + 1, classes)
        for classes in (rows.truth[f.name], known.classes.get(f.name, np.zeros(0, np.int64)))
    )
    gone = np.setdiff1d(truth[fresh], truth[~fresh])
    own[:, gone] = 0.0
    own /= np.maximum(own.sum(axis=1, keepdims=True), FLOOR)
    kept = (known_truth >= 0) & ~np.isin(known_truth, gone)
    units = known.units[kept] if len(known_truth) else known.units[:0]
    return Trial(grown, rows.units, own, np.where(fresh, place, truth), units, known_truth[kept])


def _case(trial: Trial, fresh: Bools, rng: np.random.Generator, told: int, looked: float) -> Case:
    order, size = rng.permutation(len(fresh)), len(fresh)
    seen, taught, asked = (np.zeros(size, dtype=bool) for _ in range(3))
    seen[order[: int(looked * size / 2)]] = True
    seen &= ~fresh & (trial.truth >= 0)
    taught[rng.permutation(np.flatnonzero(fresh))[:told]] = True
    asked[order[size // 2 :]] = True
    asked = (asked | fresh) & ~seen & ~taught & (trial.truth >= 0)
    confirmed = seen & trial.right
    sure = replace(
        trial,
        known_units=np.concatenate([trial.known_units, trial.units[confirmed]]),
        known_truth=np.concatenate([trial.known_truth, trial.truth[confirmed]]),
    )
    corrected = np.flatnonzero(taught | (seen & ~trial.right))
    return heard_by(sure, trial.units[corrected], trial.truth[corrected], np.flatnonzero(asked), fresh, rng)


def heard_by(
    trial: Trial, units: Units, told: Ints, asked: Ints, fresh: Bools, rng: np.random.Generator
) -> Case:
    """What corrected tickets (unit vectors [M, D], told classes [M]) say of the `asked` rows. Who told what is drawn."""
    f, classes = trial.field, trial.field.classes
    voiced, facts = np.zeros((len(asked), len(classes))), []
    by = rng.integers(0, ACCOUNTS, len(told)).astype(str)
    near, best = _nearest(trial.units[asked], units)
    beside, others = _nearest(trial.units[asked], trial.known_units)
    for row, one in enumerate(asked.tolist()):
        voices = [
            Voice(str(i), s, {f.name: classes[told[i]]}, by[i], START + timedelta(minutes=i))
            for i, s in zip(best[row].tolist(), near[row].tolist(), strict=True)
        ]
        heard = listen(voices, f, classes, Weighing(), {})
        if heard is None:
            facts.append((0.0,) * 5)
            continue
        known = [
            Neighbour(str(i), s, {f.name: classes[trial.known_truth[i]]})
            for i, s in zip(others[row].tolist(), beside[row].tolist(), strict=True)
        ]
        own = Distribution(classes, tuple(trial.own[one].tolist()))
        voiced[row] = heard.distribution.probabilities
        lead = lead_of(heard, f, known) or 0.0
        facts.append((heard.similarity, lead, against(heard, own), heard.crowd, voiced[row].max()))
    close, leads, odds, crowd, agreed = np.array(facts).T
    return Case(
        f,
        trial.own[asked],
        voiced,
        trial.truth[asked],
        fresh[asked],
        close,
        leads,
        odds,
        crowd,
        agreed,
        asked,
    )


def _nearest(asked: Units, among: Units) -> tuple[Floats, Ints]:
    """Similarities and rows [n, at most NEAREST] of the nearest vectors."""
    similarity = asked @ among.T
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :NEAREST]
    return np.take_along_axis(similarity, best, axis=1).astype(np.float64), best


def fit(found: Sequence[Case], beside: bool) -> Curve:
    """The curve under which the true classes are most likely; `beside` it may use the lead over tickets that stand."""
    own, voiced = (
        np.concatenate([p[np.arange(len(c.truth)), c.truth] for c, p in zip(found, ps, strict=True)])
        for ps in ([c.own for c in found], [c.voiced for c in found])
    )
    names = ("similarity", "lead", "against", "crowd", "agreed")
    similarity, lead, odds_against, crowd, agreed = (
        np.concatenate([getattr(c, name) for c in found]) for name in names
    )

    def loss(numbers: Floats) -> float:
        bias, near, ahead, doubt, many = numbers
        odds = bias + near * similarity + ahead * lead - doubt * odds_against + many * crowd
        weight = agreed / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))
        return float(-np.log(np.maximum((1.0 - weight) * own + weight * voiced, FLOOR)).mean())

    bounds = [(-200.0, 50.0), (0.0, 200.0), (0.0, 200.0 if beside else 0.0), (0.0, 10.0), (0.0, 10.0)]
    starts = (
        (-10.0, 12.0, 0.0, 0.1, 1.0),
        (-20.0, 25.0, 0.0, 0.1, 1.0),
        (-4.0, 3.0, 25.0 if beside else 0.0, 0.1, 2.0),
    )
    tries = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(tries, key=lambda each: float(each.fun)).x
    return Curve(*(round(float(number), 2) for number in best))


def learned(found: Sequence[Case]) -> Weighing:
    """The default weighing with curves fitted to simulations."""
    return replace(Weighing(), alone=fit(found, beside=False), beside=fit(found, beside=True))


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
    known = known_of(model)
    fitting, judging = (rows_of(model, synthetic_examples(2400, 1000, split)) for split in ("valid", "test"))
    kinds = (True, False)
    own = model.taxonomy
    weighing = learned([c for kind in kinds for c in cases(fitting, known, own, ordinary=kind)])
    for kind in kinds:
        held_out = list(cases(judging, known, own, seed=1, ordinary=kind, told=10))
        print("ten of a new class", "and ordinary corrections" if kind else "alone")
        for curve in (weighing.alone, weighing.beside):
            print(" ", curve, {name: round(value, 4) for name, value in judged(held_out, curve).items()})


if __name__ == "__main__":
    main()
