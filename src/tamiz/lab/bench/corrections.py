"""What corrections do for the next tickets: ten examples of a class that no model knew, and corrections of ordinary errors.

Run: python -m tamiz.lab.bench.corrections --out docs/figures/corrections.json (about half an hour; TAMIZ_DATA names the folder
of public sets). `--vectors FOLDER` keeps the embeddings for the next run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import Taxonomy, infer
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.bench.page import written
from tamiz.lab.calibrate import fit_fusion
from tamiz.lab.data.example import Example
from tamiz.lab.data.public import load_public
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.encoder_config import parse
from tamiz.lab.encoder_data import targets_of
from tamiz.lab.frozen_encoder import FrozenEncoder, find_encoder
from tamiz.lab.frozen_heads import frozen_heads
from tamiz.lab.metrics import mcnemar
from tamiz.lab.vote import (
    NEAREST,
    Case,
    Floats,
    Ints,
    Known,
    Rows,
    Trial,
    Units,
    cases,
    heard_by,
    known_of,
    learned,
    rows_of,
)
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.vote import Curve, Voice, Weighing, votes

SETS = ("clinc150", "banking77")
STARTER = "starter"
ENCODERS = ("all-MiniLM-L6-v2", STARTER)
SEEDS = (10, 11, 12)
LEFT_OUT = 10
SHOTS = 10
READ = 4_000
"""Training rows that heads learn from; more would gain little."""
HELD_OUT = 0.2
REMEMBERED = 800
OLDER = 20
"""Tickets of the new class that came before anybody spoke, in the way that shows what unread ones do."""
OTHERS, FEW = 1_500, 300
"""Tickets of other classes that are asked for each new class, and where little but the recall is looked for."""
DRAWS = 1_000
FIELD = "intent"

NOTHING, NEIGHBOUR, HALF = "no vote", "the nearest correction alone", "a vote of weight 0.5"
ALONE, BESIDE = "by similarity", "by lead over 800 remembered tickets"
OWN, UNREAD = (
    "by lead, weights learned on the model's own held-out tickets",
    "by lead, older unread tickets counted too",
)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a public set: unit vectors [N, D] and classes [N]."""

    units: Units
    classes: Ints


@dataclass(frozen=True, slots=True)
class Model:
    """Heads over a frozen encoder that saw no row of the classes `out`, and what the trials need."""

    taxonomy: Taxonomy
    out: Ints
    train: Part
    test: Part
    own: Floats
    known: Known
    weighing: Weighing

    def trial(self) -> Trial:
        """The test rows as the model sees them."""
        field = self.taxonomy.field(FIELD)
        return Trial(
            field, self.test.units, self.own, self.test.classes, self.known.units, self.known.classes[FIELD]
        )


def parts_of(name: str, encoder: FrozenEncoder, folder: Path | None) -> tuple[Taxonomy, list[Part]]:
    """Taxonomy, training rows, held-out rows and test rows; rows without an intent are left out."""
    splits = {split: [e for e in rows if FIELD in e.labels] for split, rows in load_public(name).items()}
    taxonomy = infer(name, {FIELD: sorted({e.labels[FIELD] for e in splits["train"]})}, FIELD)
    train = _part(splits["train"], taxonomy, encoder, folder, f"{name}-train")
    test = _part(splits["test"], taxonomy, encoder, folder, f"{name}-test")
    if "valid" in splits:
        return taxonomy, [train, _part(splits["valid"], taxonomy, encoder, folder, f"{name}-valid"), test]
    order = np.random.default_rng(0).permutation(len(train.classes))
    cut = int(HELD_OUT * len(order))
    return taxonomy, [_at(train, order[cut:]), _at(train, order[:cut]), test]


def _part(
    examples: Sequence[Example], taxonomy: Taxonomy, encoder: FrozenEncoder, folder: Path | None, name: str
) -> Part:
    index = {label: i for i, label in enumerate(taxonomy.field(FIELD).classes)}
    classes = np.array([index[e.labels[FIELD]] for e in examples], dtype=np.int64)
    path = folder / f"{name}-{encoder.name}.npy" if folder else None
    if path is not None and path.is_file():
        return Part(np.load(path), classes)
    units = encoder.encoder.embed([e.text for e in examples])
    if path is not None:
        np.save(path, units)
    return Part(units, classes)


def _at(part: Part, rows: Ints) -> Part:
    return Part(part.units[rows], part.classes[rows])


def model_of(taxonomy: Taxonomy, parts: Sequence[Part], seed: int) -> Model:
    """Leave ten classes out, drawn by the seed, and train heads on the rest; the taxonomy lists them all."""
    rng = np.random.default_rng(seed)
    train, held_out, test = parts
    field = taxonomy.field(FIELD)
    out = np.sort(rng.choice(len(field.classes), LEFT_OUT, replace=False))
    rows = rng.permutation(np.flatnonzero(~np.isin(train.classes, out)))
    read = _at(train, rows[:READ])
    named = [Example(str(i), "", {FIELD: field.classes[c]}) for i, c in enumerate(read.classes)]
    heads = frozen_heads(read.units, targets_of(named, taxonomy), taxonomy, parse({"mode": "frozen"}))
    weight, bias = heads[f"{FIELD}.weight"], heads[f"{FIELD}.bias"]
    inside = _at(held_out, np.flatnonzero(~np.isin(held_out.classes, out)))
    fusion = fit_fusion([inside.units @ weight.T + bias], inside.classes, bias=False)
    own, held = (fusion.probabilities([p.units @ weight.T + bias]) for p in (test, inside))
    sample = _at(train, rows[:REMEMBERED])
    known = Known(sample.units, {FIELD: sample.classes})
    seen = Rows(inside.units, {FIELD: held}, {FIELD: inside.classes}, inside.classes)
    weighing = learned(list(cases(seen, known, taxonomy, seed)))
    return Model(taxonomy, out, train, test, own, known, weighing)


def ways(case: Case, model: Model) -> dict[str, Floats]:
    """Weights [n] of every way of voting."""
    default = Weighing()
    heard = (case.agreed > 0).astype(np.float64)
    return {
        NOTHING: 0.0 * heard,
        NEIGHBOUR: heard,
        HALF: 0.5 * heard,
        ALONE: case.weights(default.alone),
        BESIDE: case.weights(default.beside),
        OWN: case.weights(model.weighing.beside),
    }


def figures_of(case: Case, weights: Floats) -> dict[str, float]:
    """Recall of the new class, and what the vote costs the other tickets (a share of all of them)."""
    after, before = (p.argmax(axis=1) == case.truth for p in (case.merged(weights), case.own))
    return {
        "recall": float(after[case.new].mean()),
        "loss": float(before[~case.new].mean() - after[~case.new].mean()),
    }


def new_classes(model: Model, seed: int) -> dict[str, list[dict[str, float]]]:
    """Way → figures of each class that was left out, told one at a time; and all ten at once under "all at once"."""
    rng, trial = np.random.default_rng(seed), model.trial()
    outside = np.isin(trial.truth, model.out)
    found: dict[str, list[dict[str, float]]] = {}
    told = {c: rng.permutation(np.flatnonzero(model.train.classes == c)) for c in model.out.tolist()}
    for c, rows in told.items():
        fresh = trial.truth == c
        others = rng.permutation(np.flatnonzero(~outside))
        asked, few = (np.concatenate([np.flatnonzero(fresh), others[:n]]) for n in (OTHERS, FEW))
        case = _told(trial, model, rows[:SHOTS], asked, fresh, rng)
        for way, weights in ways(case, model).items():
            found.setdefault(way, []).append(figures_of(case, weights))
        older = rows[SHOTS : SHOTS + OLDER]
        blind = replace(
            trial,
            known_units=np.concatenate([trial.known_units, model.train.units[older]]),
            known_truth=np.concatenate([trial.known_truth, np.full(len(older), _any_but(c))]),
        )
        case = _told(blind, model, rows[:SHOTS], few, fresh, rng)
        found.setdefault(UNREAD, []).append(figures_of(case, case.weights(Weighing().beside)))
        for shots in (1, 3, 5):
            case = _told(trial, model, rows[:shots], few, fresh, rng)
            found.setdefault(f"{shots} told", []).append(figures_of(case, case.weights(Weighing().beside)))
    every = np.concatenate([rows[:SHOTS] for rows in told.values()])
    case = _told(trial, model, every, np.arange(len(trial.truth)), outside, rng)
    found["all at once"] = [figures_of(case, case.weights(Weighing().beside))]
    return found


def _any_but(c: int) -> int:
    return 0 if c else 1


def _told(trial: Trial, model: Model, rows: Ints, asked: Ints, fresh: Any, rng: np.random.Generator) -> Case:
    return heard_by(trial, model.train.units[rows], model.train.classes[rows], asked, fresh, rng)


def ordinary(model: Model, seed: int, curve: Curve) -> dict[str, float]:
    """Half of the test tickets of known classes are looked at, and what is wrong there is corrected; the other half is asked."""
    rng, trial = np.random.default_rng(seed), model.trial()
    inside = rng.permutation(np.flatnonzero(~np.isin(trial.truth, model.out)))
    seen, asked = inside[: len(inside) // 2], np.sort(inside[len(inside) // 2 :])
    wrong = seen[~trial.right[seen]]
    case = heard_by(
        trial, trial.units[wrong], trial.truth[wrong], asked, np.zeros(len(trial.truth), dtype=bool), rng
    )
    return _compared(case, case.weights(curve), len(wrong))


def _compared(case: Case, weights: Floats, corrections: int) -> dict[str, float]:
    after, before = (p.argmax(axis=1) == case.truth for p in (case.merged(weights), case.own))
    test = mcnemar(after, before)
    return {
        "corrections": corrections,
        "asked": len(after),
        "before": float(before.mean()),
        "after": float(after.mean()),
        "better": test["only_a"],
        "worse": test["only_b"],
        "p": test["p"],
    }


def scenarios(seeds: Sequence[int] = SEEDS[:1]) -> dict[str, Any]:
    """The starter on scenarios that it never saw: a scenario becomes a new class of a field; and ordinary corrections."""
    model = EncoderModel.open(starter_folder())
    examples = [e for e in synthetic_examples(2400, 1000, "test") if not e.abstain]
    rows, known = rows_of(model, examples), known_of(model)
    spoken = np.array([e.language for e in examples])
    curves = {ALONE: Weighing().alone, BESIDE: Weighing().beside}
    found: dict[str, list[dict[str, float]]] = {}
    by_language: dict[str, list[float]] = {}
    for looked in (False, True):
        for seed in seeds:
            for case in cases(rows, known, model.taxonomy, seed, looked, SHOTS):
                for way, curve in curves.items():
                    name = f"{way}, and ordinary corrections" if looked else way
                    found.setdefault(name, []).append(figures_of(case, case.weights(curve)))
                if not looked:
                    _by_language(case, curves[BESIDE], spoken[case.rows], by_language)
    fields = {
        f.name: _ordinary_rows(rows, known, model.taxonomy, f.name, seeds)
        for f in model.taxonomy.predicted
        if not f.ordered
    }
    recall = {language: float(np.mean(values)) for language, values in sorted(by_language.items())}
    return {"new": summary(found), "recall_by_language": recall, "ordinary": fields}


def _by_language(case: Case, curve: Curve, spoken: Any, found: dict[str, list[float]]) -> None:
    hit = case.merged(case.weights(curve)).argmax(axis=1) == case.truth
    for language in sorted(set(spoken[case.new])):
        found.setdefault(language, []).append(float(hit[case.new & (spoken == language)].mean()))


def _ordinary_rows(
    rows: Rows, known: Known, taxonomy: Taxonomy, name: str, seeds: Sequence[int]
) -> dict[str, float]:
    """Figures of one field, means over draws of who was looked at."""
    field = taxonomy.field(name)
    labelled = known.classes[name] >= 0
    trial = Trial(
        field,
        rows.units,
        rows.probabilities[name],
        rows.truth[name],
        known.units[labelled],
        known.classes[name][labelled],
    )
    drawn = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(np.flatnonzero(trial.truth >= 0))
        seen, asked = order[: len(order) // 2], np.sort(order[len(order) // 2 :])
        wrong = seen[~trial.right[seen]]
        none = np.zeros(len(trial.truth), dtype=bool)
        case = heard_by(trial, trial.units[wrong], trial.truth[wrong], asked, none, rng)
        drawn.append(_compared(case, case.weights(Weighing().beside), len(wrong)))
    return {key: float(np.mean([each[key] for each in drawn])) for key in drawn[0]}


def summary(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Way → means over classes with 95 % bootstrap intervals that resample classes, and the worst class."""
    rng = np.random.default_rng(0)
    lines = {}
    for way, figures in found.items():
        table = np.array([[each["recall"], each["loss"]] for each in figures])
        means = table[rng.integers(0, len(table), (DRAWS, len(table)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        lines[way] = {
            "classes": len(table),
            "recall": [float(x) for x in (table[:, 0].mean(), low[0], high[0])],
            "loss": [float(x) for x in (table[:, 1].mean(), low[1], high[1])],
            "worst_recall": float(table[:, 0].min()),
            "worst_loss": float(table[:, 1].max()),
            "reached": float((table[:, 0] >= 0.8).mean()),
        }
    return lines


def microseconds(rounds: int = 300) -> dict[str, float]:
    """Time of `votes` for the default taxonomy: 20 voices that told every field, 20 known tickets."""
    taxonomy, rng = default_taxonomy(), np.random.default_rng(0)
    classes = {f.name: f.classes for f in taxonomy.predicted}
    own = {name: Distribution(c, tuple(np.full(len(c), 1 / len(c)).tolist())) for name, c in classes.items()}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    drawn = [{name: c[int(rng.integers(len(c)))] for name, c in classes.items()} for _ in range(2 * NEAREST)]
    voices = [
        Voice(str(i), 0.9 - i / 100, drawn[i], str(i % 3), start + timedelta(minutes=i))
        for i in range(NEAREST)
    ]
    known = [Neighbour(str(i), 0.8 - i / 100, drawn[NEAREST + i]) for i in range(NEAREST)]
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        votes(voices, Prediction(own), taxonomy, known=known)
        taken.append(1e6 * (time.perf_counter() - begun))
    return {"median": float(np.median(taken)), "p99": float(np.quantile(taken, 0.99))}


def public(
    base: str, folder: Path | None, say: Callable[[str], None], sets: Sequence[str] = SETS
) -> dict[str, Any]:
    """The figures of one encoder on public sets. ConfigError or DataError where a set is missing."""
    encoder = replace(_encoder(str(starter_folder()) if base == STARTER else base), name=base)
    lines: dict[str, Any] = {}
    for name in sets:
        taxonomy, parts = parts_of(name, encoder, folder)
        found: dict[str, list[dict[str, float]]] = {}
        plain: dict[str, list[dict[str, float]]] = {ALONE: [], BESIDE: []}
        for seed in SEEDS:
            model = model_of(taxonomy, parts, seed)
            for way, figures in new_classes(model, seed).items():
                found.setdefault(way, []).extend(figures)
            for way, curve in ((ALONE, Weighing().alone), (BESIDE, Weighing().beside)):
                plain[way].append(ordinary(model, seed, curve))
            say(f"{name}, {base}, seed {seed}")
        lines[f"{name}, {base}"] = {"new": summary(found), "ordinary": plain}
    return lines


def _encoder(wanted: str) -> FrozenEncoder:
    texts = [e.text for name in SETS for e in load_public(name)["train"]]
    found = find_encoder(wanted, starter_folder(), texts, 0.0)
    assert found is not None
    return found


def main() -> None:
    """Measure, and write the figures and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/figures/corrections.json"))
    parser.add_argument("--vectors", type=Path, help="a folder that keeps embeddings")
    given = parser.parse_args()
    facts = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "seeds": SEEDS, "shots": SHOTS, "left_out": LEFT_OUT}
    sets: dict[str, Any] = {}
    for base in ENCODERS:
        sets |= public(base, given.vectors, lambda line: print(line, flush=True))
    report = {**facts, "public": sets, "starter": scenarios(), "microseconds": microseconds()}
    given.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(f"wrote {given.out} and {written()}")


if __name__ == "__main__":
    main()
