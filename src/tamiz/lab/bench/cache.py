"""What the cache serves and what of it is wrong, beside fixed thresholds; its pairs, its week, and its cost in time.

Run: python -m tamiz.lab.bench.cache --out docs/figures/cache.json --keep FOLDER (half an hour on two cores, most of it for
encoding; what is encoded is kept in the folder). `--parts` names the parts to be measured anew; the others stay.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.budget import upper_bound
from tamiz.lab.bench.cache_cost import costs
from tamiz.lab.bench.cache_real import agreement, tiers
from tamiz.lab.bench.cache_rows import Rows, minilm_units, rows_of
from tamiz.lab.bench.cache_run import Checks, Outcome, Simulation, Way, best_fixed, fixed, nearest
from tamiz.lab.bench.cache_stream import Arrival, Source, Stream, act_id, bare, judged, plain
from tamiz.lab.bench.cache_week import weeks
from tamiz.lab.bench.contrast_pairs import JUDGED, judgement
from tamiz.lab.bench.page import FIGURES, written
from tamiz.lab.synth.bank import Bank, default_bank
from tamiz.models.encoder import EncoderModel
from tamiz.service.recall import DELTA, CachePolicy

TICKETS, SEED, EVERY = 20_000, 2026, 1_000
COMPARED = 2_000
"""Tickets on which the simulation is held against the service itself."""
USUAL = 0.80
THRESHOLDS = (*(round(0.80 + 0.01 * i, 2) for i in range(20)), 0.992, 0.994, 0.996, 0.998, 0.999)
BUDGET = 0.01
WEEKS = 4
STEPS: Mapping[str, Mapping[str, Any]] = {
    "cosine alone": {"agree": False, "contrast": False, "settled": False, "budget": None},
    "+ the model agrees": {"contrast": False, "settled": False, "budget": None},
    "+ the words do not contrast": {"settled": False, "budget": None},
    "+ settled answers only": {"budget": None},
    "+ error budget": {},
}
"""The checks, one after the other."""


@cache
def _judged(model: EncoderModel, keep: Path) -> Rows:
    """The long stream as the model sees it."""
    bank = default_bank()
    return rows_of(model, Stream(bank, judged(bank), seed=SEED).take(TICKETS), keep)


def stream_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """The long stream: every way, and checkpoints of the whole."""
    rows = _judged(model, keep)
    near = nearest(rows.units, Way().nearest)
    checks = Checks(rows, model.taxonomy, model.policy)
    outcomes = {name: Simulation(checks, near, Way(**STEPS[name])).run() for name in reversed(list(STEPS))}
    whole = outcomes["+ error budget"]
    return {
        "tickets": len(rows.arrivals),
        "texts": len({a.text.text for a in rows.arrivals}),
        "kinds": dict(Counter(a.how for a in rows.arrivals)),
        "guard": asdict(Way().guard),
        "ways": {name: outcomes[name].counts() for name in STEPS},
        "checkpoints": [
            whole.counts(0, end) | {"at": end} for end in range(EVERY, len(rows.arrivals) + 1, EVERY)
        ],
        "by_kind": by_kind(whole),
        "wrong": [_shown(whole, i) for i in range(len(rows.arrivals)) if _is_wrong(whole, i)],
    }


def _is_wrong(outcome: Outcome, i: int) -> bool:
    return bool(outcome.counts(i, i + 1)["wrong"])


def _shown(outcome: Outcome, i: int) -> dict[str, str]:
    """A wrong hit, to be read."""
    a, b = (outcome.rows.arrivals[x] for x in (i, outcome.source[i]))
    return {"how": a.how, "ticket": a.text.text, "served": b.text.text}


def rival_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """The usual rule, and the best fixed thresholds, on the same stream."""
    rows = _judged(model, keep)
    ours, english = nearest(rows.units, 1), nearest(minilm_units(rows.arrivals, keep), 1)
    return {
        "usual": fixed(rows, english, USUAL).counts(),
        "fixed": {
            "all-MiniLM-L6-v2": best_fixed(rows, english, BUDGET, THRESHOLDS),
            "starter": best_fixed(rows, ours, BUDGET, THRESHOLDS),
        },
    }


def service_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """The service itself on the first tickets, without re-runs: does it decide as the simulation does?"""
    rows = _judged(model, keep)
    first = Rows(rows.arrivals[:COMPARED], rows.predictions[:COMPARED], rows.units[:COMPARED])
    near = nearest(first.units, Way().nearest)
    checks = Checks(first, model.taxonomy, model.policy)
    outcome = Simulation(checks, near, Way(again=0.0)).run()
    real = tiers(model, first, replace(CachePolicy(), again=0.0))
    same = agreement(real, outcome.tiers, outcome.source)
    return {"tickets": len(real), "same": same, "verified": sum(tier == "verified" for tier, _ in real)}


def by_kind(outcome: Outcome) -> dict[str, dict[str, int]]:
    """Hits in other words, and wrong ones, by what the ticket was."""
    found: dict[str, dict[str, int]] = {}
    for i, arrival in enumerate(outcome.rows.arrivals):
        line = found.setdefault(arrival.how, {"tickets": 0, "verified": 0, "wrong": 0})
        line["tickets"] += 1
        if outcome.tiers[i] == "verified":
            counts = outcome.counts(i, i + 1)
            line["verified"] += 1
            line["wrong"] += counts["wrong"]
    return found


def pair_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """Pairs that must not share an answer, and pairs that may, through the whole decision."""
    return _through(model, own_pairs(bank), keep)


def guard_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """The pairs that the guard of words was judged by, part by part."""
    return {name: _through(model, _guarded(name), keep) for name in JUDGED[1:]}


def _guarded(part: str) -> list[tuple[str, str, Arrival, Arrival]]:
    return [(pair.kind, pair.language, bare(pair.a), bare(pair.b)) for pair in judgement(part)]


def _through(
    model: EncoderModel, sets: Sequence[tuple[str, str, Arrival, Arrival]], keep: Path
) -> dict[str, Any]:
    rows = rows_of(model, [one for pair in sets for one in pair[2:]], keep)
    checks = Checks(rows, model.taxonomy, model.policy)
    guard = Way().guard
    lines: dict[tuple[str, str], dict[str, int]] = {}
    for number, (kind, language, *_) in enumerate(sets):
        i, j = 2 * number, 2 * number + 1
        line = lines.setdefault((kind, language), {"pairs": 0, "near": 0, "served": 0, "usual": 0})
        cosine = float(rows.units[i] @ rows.units[j])
        line["pairs"] += 1
        line["usual"] += cosine >= USUAL
        line["near"] += cosine >= guard.similarity
        line["served"] += (
            cosine >= guard.similarity and checks.agree(i, j, guard) and not checks.contrasts(i, j)
        )
    differ = [line for (kind, _), line in lines.items() if kind != "same"]
    pairs, wrong = (sum(line[name] for line in differ) for name in ("pairs", "served"))
    return {
        "differ": pairs,
        "served": wrong,
        "at_most": upper_bound(wrong, pairs, DELTA),
        "kinds": [{"kind": kind, "language": language, **line} for (kind, language), line in lines.items()],
    }


def own_pairs(bank: Bank, seed: int = SEED) -> list[tuple[str, str, Arrival, Arrival]]:
    """Kind, language and two tickets: opposites, other things, other figures and names, and the same in other words; all
    without dress."""
    source, rng = judged(bank), Random(seed)
    return [*_act_pairs(source), *_slot_pairs(bank, source, rng)]


def _act_pairs(source: Source) -> list[tuple[str, str, Arrival, Arrival]]:
    found: list[tuple[str, str, Arrival, Arrival]] = []
    names = sorted({key.split("-")[0] for key in source.acts})
    for name, language, place in product(names, ("en", "es"), range(3)):
        a, b, c = (
            [plain(source.acts[act_id(name, language, at, side)], language, line) for line in range(4)]
            for at, side in ((place, "a"), (place, "b"), ((place + 1) % 3, "a"))
        )
        found += [("opposite", language, one, other) for one, other in product(a, b)]
        found += [("entity", language, one, other) for one, other in zip(a, c, strict=True)]
        found += [("same", language, a[i], a[j]) for i in range(4) for j in range(i)]
    return found


def _slot_pairs(bank: Bank, source: Source, rng: Random) -> list[tuple[str, str, Arrival, Arrival]]:
    """Bodies that name a figure, a name or a place, filled twice."""
    found: list[tuple[str, str, Arrival, Arrival]] = []
    stream = Stream(bank, source, seed=rng.getrandbits(32))
    for scenario, language in product(source.scenarios, ("en", "es")):
        for line, body in enumerate(scenario.bodies[language]):
            if "{" not in body:
                continue
            one, other = (plain(scenario, language, line, dict(stream.slots(language))) for _ in range(2))
            if one.text.text != other.text.text:
                found.append(("slot", language, one, other))
    return found


def week_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """The last of some weeks: what was spared by equal texts alone, and by other words too."""
    visits = weeks(bank, judged(bank), WEEKS, SEED)
    rows = rows_of(model, [v.arrival for v in visits], keep)
    near = nearest(rows.units, Way().nearest)
    checks = Checks(rows, model.taxonomy, model.policy)
    outcome = Simulation(checks, near, Way()).run()
    start = next(i for i, v in enumerate(visits) if v.week == WEEKS - 1)
    last = range(start, len(visits))
    asks = [i for i in last if checks.asked[i]]
    hits = {tier: sum(outcome.tiers[i] == tier for i in asks) for tier in ("exact", "verified")}
    hours = Counter(visits[i].hour for i in last)
    return {
        "counts": outcome.counts(start, len(visits)),
        "all_weeks": outcome.counts(),
        "kinds": dict(Counter(visits[i].arrival.how for i in last)),
        "busiest_hour": max(hours.values()),
        "asked": len(asks),
        "spared": hits,
        "in_scope": sum(rows.predictions[i].scope > 0.0 for i in last),
        "seconds_per_call": llm_seconds(),
    }


def llm_seconds() -> float:
    """The median seconds that the shipped language model takes for a ticket, as `lab.bench.llm` measured it."""
    figures = json.loads((FIGURES / "llm-speed.json").read_text("utf-8"))
    return float(figures["ways"]["fine-tuned"]["typed"]["p50"])


def cost_figures(model: EncoderModel, bank: Bank, keep: Path) -> dict[str, Any]:
    """Processor time per ticket."""
    return costs(model, _judged(model, keep))


Part = Callable[[EncoderModel, Bank, Path], dict[str, Any]]
PARTS: Mapping[str, Part] = {
    "pairs": pair_figures,
    "guard": guard_figures,
    "stream": stream_figures,
    "service": service_figures,
    "rivals": rival_figures,
    "week": week_figures,
    "time": cost_figures,
}


def main(args: Sequence[str] | None = None) -> None:
    """Measure, and write the figures and the page."""
    parser = argparse.ArgumentParser(description="what the cache serves")
    parser.add_argument("--out", type=Path, default=FIGURES / "cache.json")
    parser.add_argument("--keep", type=Path, default=Path(".cache-bench"))
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    given = parser.parse_args(args)
    model, bank = EncoderModel.open(starter_folder("model")), default_bank()
    report: dict[str, Any] = {}
    for name in given.parts:
        found = PARTS[name](model, bank, given.keep)
        report = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else {}
        report[name] = found
        report |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "seed": SEED}
        given.out.write_text(
            json.dumps(report, indent=1, ensure_ascii=False, default=_number) + "\n", "utf-8"
        )
    print(f"wrote {written()}")


def _number(value: Any) -> Any:
    """Numbers of numpy as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} cannot be written")


if __name__ == "__main__":
    main()
