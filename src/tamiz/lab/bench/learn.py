"""Measure `tamiz learn` on simulated desks, and write docs/figures/learn.json.

Run: python -m tamiz.lab.bench.learn [--out docs/figures/learn.json]   (TAMIZ_DATA: for the second desk)

The first desk has the starter and habits of its own: synthetic tickets of scenarios that the starter never saw, labelled
otherwise by a few rules (VPN is a matter of access, there is no mail team, ...). The second has a linear model from 1,500
real tickets (it_tickets, topics, words that betray the request type taken out) and 2,000 more that people spoke of. Every
candidate is judged once more on later tickets that no run has seen, beside the active model, the majority, and a linear model
that learned from the same corrections alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.ports import Model
from tamiz.domain.taxonomy import infer
from tamiz.lab import metrics
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.evaluate import predict_all, views
from tamiz.lab.learn.job import Golden, Job, Taught
from tamiz.lab.learn.opened import Opened
from tamiz.lab.learn.run import MODEL, run
from tamiz.lab.train_baseline import BaselineOptions, linear_predictions, train_baseline

SEED = 0
SIZES = (500,), 500
TOPIC_SIZES = (500, 2_000), 2_000
LATER, GOLDEN = 500, 200
T0 = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC = "topic"

Report = dict[str, Any]


def habit(e: Example) -> Example:
    """How the first desk labels: a few rules about its teams and its terms."""
    own = dict(e.labels)
    if own["application"] == "VPN":
        own |= {"assignment_group": "Security / Access", "category": "Access", "subcategory": "Permissions"}
    if own["application"] == "Print Service":
        own["assignment_group"] = "Facilities"
    if own["assignment_group"] == "Email / Messaging":
        own["assignment_group"] = "End User Applications"
    if own["subcategory"] == "Login Issues":
        own["request_type"] = "Service Request"
    return replace(e, labels=own)


@dataclass(frozen=True, slots=True)
class Desk:
    """A simulated desk: its model's folder, tickets as they came in, a golden set, and later ones to judge on."""

    active: Path
    stream: Sequence[Example]
    golden: Sequence[Example]
    later: Sequence[Example]


def synthetic_desk() -> Desk:
    """The starter where labels mean something else."""
    rows = [habit(e) for e in synthetic_examples(3_000, SEED + 7, "test") if not e.abstain]
    return _desk(starter_folder(), rows)


def topics_desk(data: Path, folder: Path) -> Desk:
    """A linear model of 1,500 tickets, and the next ones."""
    with (data / "it_tickets_endava" / "topics_dev.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            Example(line["row"], line["text_debiased"], {TOPIC: line["Topic_group"]}, language="en")
            for line in csv.DictReader(file)
        ]
    random.Random(SEED).shuffle(rows)
    known = rows[:1_500]
    taxonomy = infer("topics", {TOPIC: [e.labels[TOPIC] for e in known]}, TOPIC)
    active = train_baseline(
        known[:1_200], known[1_200:], taxonomy, folder / "topics", BaselineOptions("topics")
    )
    return _desk(active, rows[1_500:4_400])


def _desk(active: Path, rows: Sequence[Example]) -> Desk:
    golden, rest = rows[:GOLDEN], rows[GOLDEN:]
    timed = [replace(e, time=(T0 + timedelta(minutes=10 * i)).isoformat()) for i, e in enumerate(rest)]
    return Desk(active, timed[:-LATER], golden, timed[-LATER:])


Said = Callable[[Model, Sequence[Example]], list[Taught]]


def everything(model: Model, rows: Sequence[Example]) -> list[Taught]:
    """People state every field of every ticket."""
    return [Taught(e) for e in rows]


def only_mistakes(model: Model, rows: Sequence[Example]) -> list[Taught]:
    """People correct what is wrong and say nothing of the rest: no ticket comes here that the model got right."""
    seen = views(model.taxonomy, predict_all(model, rows))
    told = []
    for i, e in enumerate(rows):
        wrong = {name: label for name, label in e.labels.items() if seen[name].values[i] != label}
        if wrong:
            left = {name: label for name, label in e.labels.items() if name not in wrong}
            told.append(Taught(replace(e, labels=wrong), left))
    return told


def noisy(model: Model, rows: Sequence[Example], share: float = 0.1) -> list[Taught]:
    """One label in ten is a slip."""
    rng = random.Random(SEED)
    return [Taught(_swapped(model, e, share, rng)) for e in rows]


def poisoned(model: Model, rows: Sequence[Example]) -> list[Taught]:
    """The newer half is wrong on purpose, each label turned into the next one."""
    half = len(rows) // 2
    turned = [
        replace(
            e,
            labels={name: _next(model, name, label) for name, label in e.labels.items()},
        )
        for e in rows[half:]
    ]
    return [Taught(e) for e in (*rows[:half], *turned)]


def targeted(model: Model, rows: Sequence[Example]) -> list[Taught]:
    """Somebody calls everything of one class another one, in the newer half: a fifth of the tickets or less."""
    name, half = model.taxonomy.primary, len(rows) // 2
    old, new = model.taxonomy.field(name).classes[:2]
    turned = [replace(e, labels={name: new}) if e.labels[name] == old else e for e in rows[half:]]
    return [Taught(e) for e in (*rows[:half], *turned)]


def _next(model: Model, name: str, label: str) -> str:
    classes = model.taxonomy.field(name).classes
    return classes[(classes.index(label) + 1) % len(classes)]


def _swapped(model: Model, e: Example, share: float, rng: random.Random) -> Example:
    labels = {
        f.name: rng.choice(f.classes) if rng.random() < share else e.labels[f.name]
        for f in model.taxonomy.choices
    }
    return replace(e, labels=labels)


def measured(desk: Desk, count: int, said: Said, weak: bool, opened: Opened) -> Report:
    """One run on so many tickets of the desk, and what the candidate does with later ones."""
    active = opened(desk.active)
    rows = said(active, desk.stream[:count])
    golden = Golden(1, "drawn", desk.golden)
    with tempfile.TemporaryDirectory() as folder:
        job = Job("desk", desk.active, Path(folder), rows, golden, len(rows), weak=weak)
        started = time.process_time()
        report = run(job, lambda text: print(f"  {text}", flush=True), opened)
        seconds = time.process_time() - started
        found: Report = {
            "tickets": count,
            "corrected": len(rows),
            "weak": weak,
            "processor_seconds": round(seconds, 1),
        }
        found |= {"state": report["state"], "reasons": report["reasons"], "rows": report["rows"]}
        if "candidate" in report:
            taught = [row.example for row in rows]
            found["later"] = later(active, opened(job.out / MODEL), desk.later, taught)
            found["strengths"] = {name: own["strength"] for name, own in report["changes"].items()}
    return found


def later(active: Model, candidate: Model, rows: Sequence[Example], taught: Sequence[Example]) -> Report:
    """Accuracy per field on later tickets: both models, the majority, and a linear model of the corrections alone."""
    seen = [views(model.taxonomy, predict_all(model, rows)) for model in (active, candidate)]
    found: Report = {"rows": len(rows)}
    for f in active.taxonomy.choices:
        truth = np.array([e.labels[f.name] for e in rows], dtype=object)
        known = [e.labels[f.name] for e in taught if f.name in e.labels]
        most = max(set(known), key=known.count) if known else ""
        linear = np.asarray(
            linear_predictions(taught, rows, f.name)[0] if known else [""] * len(rows), dtype=object
        )
        guesses = {"active": seen[0][f.name].values, "candidate": seen[1][f.name].values, "linear": linear}
        guesses["majority"] = np.full(len(rows), most, dtype=object)
        test = metrics.gain(truth, guesses["candidate"], guesses["active"])
        found[f.name] = {name: metrics.accuracy(truth, guess) for name, guess in guesses.items()} | {
            "p": test["p"]
        }
    return found


def main() -> None:
    """Measure everything and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=FIGURES / "learn.json")
    out = parser.parse_args().out
    data = os.environ.get("TAMIZ_DATA", "")
    with tempfile.TemporaryDirectory() as folder:
        report: Report = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "processor": processor(),
            "cores": os.cpu_count(),
            "seed": SEED,
            "runs": dict(runs(synthetic_desk(), plans(*SIZES), Opened())),
        }
        if data:
            report["topics"] = dict(
                runs(topics_desk(Path(data), Path(folder)), plans(*TOPIC_SIZES), Opened())
            )
    out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {out}")


Plan = tuple[int, Said, bool]


def plans(sizes: Sequence[int], middle: int) -> dict[str, Plan]:
    """What people say in each run: of how many tickets, how, and whether fields that they left alone teach."""
    return {
        **{f"every field, {size}": (size, everything, False) for size in sizes},
        "only mistakes": (max(sizes), only_mistakes, False),
        "only mistakes, the rest weak": (max(sizes), only_mistakes, True),
        "a tenth of the labels wrong by chance": (middle, noisy, False),
        "poisoned: newer half": (middle, poisoned, False),
        "poisoned: one class": (middle, targeted, False),
    }


def runs(desk: Desk, planned: Mapping[str, Plan], opened: Opened) -> Iterator[tuple[str, Report]]:
    """Name and figures of each run."""
    for name, (count, said, weak) in planned.items():
        print(name, flush=True)
        found = measured(desk, count, said, weak, opened)
        print(f"  {found['state']}: {found['reasons']}", flush=True)
        yield name, found


if __name__ == "__main__":
    main()
