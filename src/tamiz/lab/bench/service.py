"""How fast the real service accepts and triages, beside two common designs, all as processes on this machine with the
load generator beside them; and what each has lost when all its processes are killed under load.

python -m tamiz.lab.bench.service --out docs/figures/service.json (about fifteen minutes; needs redis-server and celery)
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Timer
from typing import Any

from tamiz.lab.bench.load import CONNECTIONS, load, milliseconds
from tamiz.lab.bench.systems import Celery, InMemory, System, Tamiz, drained
from tamiz.lab.synth import generate

WARM, STILL = 64, 20.0
KILL_AFTER, PLENTY = 1.0, 30_000
"""Seconds of load before everything is killed, and more tickets than any system takes in them."""
LOOK = 20.0
"""Seconds over which the speed at a certain depth of the queue is taken."""
PREDICTED, SHALLOW = 500, int(LOOK * 200)
"""Predictions, and tickets that make a short queue, which must not get empty meanwhile."""
RATE, PACED = 1_000.0, 10_000
"""Tickets a second that come whether or not the ones before are answered, and how many of them."""


def tickets(number: int, seed: int) -> list[bytes]:
    """Bodies of requests, no two alike: what was asked before would be answered without the model."""
    return [
        json.dumps({"subject": t.subject, "body": t.body}).encode()
        for t in generate(number, seed, split="valid")
    ]


def compared(system: System, bodies: Iterator[bytes], count: int, rounds: int) -> dict[str, Any]:
    """Accepts per second, latencies, tickets triaged per second, and what a kill under load loses."""
    started = system.start()
    drained(system, load(system.url, "/classify", list(islice(bodies, WARM)), WARM).promised, STILL)
    draws = [_draw(system, list(islice(bodies, count))) for _ in range(rounds)]
    report = {"seconds_to_listen": round(started, 2), "rounds": draws, **_middle(draws)}
    return {**report, "killed": _killed(system, list(bodies))}


def _draw(system: System, bodies: Sequence[bytes]) -> dict[str, Any]:
    count = len(bodies)
    ledger = load(system.url, "/classify", bodies, count)
    seconds, missing = drained(system, ledger.promised, STILL)
    return {
        "accept": ledger.summary(),
        "missing": missing,
        "triaged_per_second": round(count / (ledger.wall + seconds), 1),
        "triaged_per_second_once_accepted": round(count / seconds, 1),
    }


def _middle(draws: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians over the rounds."""
    named = {
        "accepted_per_second": [draw["accept"]["per_second"] for draw in draws],
        "p50_ms": [draw["accept"]["p50_ms"] for draw in draws],
        "p99_ms": [draw["accept"]["p99_ms"] for draw in draws],
        "triaged_per_second": [draw["triaged_per_second"] for draw in draws],
    }
    return {name: statistics.median(values) for name, values in named.items()}


def _killed(system: System, bodies: Sequence[bytes]) -> dict[str, int]:
    """Kill all processes under load, start them again, and count what was promised and never came."""
    timer = Timer(KILL_AFTER, system.end, (signal.SIGKILL,))
    timer.start()
    ledger = load(system.url, "/classify", bodies, len(bodies))
    timer.join()
    system.start()
    _, missing = drained(system, ledger.promised, STILL)
    system.end()
    return {"promised": len(ledger.promised), "missing": missing}


def alone(system: Tamiz, bodies: Iterator[bytes], depth: int) -> dict[str, Any]:
    """What only the service is asked: `/predict`, memory, and its speed with a long queue."""
    system.start()
    whole = list(islice(bodies, PREDICTED))
    short = [json.dumps({"subject": json.loads(body)["subject"], "body": ""}).encode() for body in whole]
    load(system.url, "/predict", list(islice(bodies, WARM)), WARM, connections=1)
    predict = {
        name: load(system.url, "/predict", texts, PREDICTED, connections=1).summary()
        for name, texts in (("tickets", whole), ("subjects alone", short))
    }
    at_rest = system.megabytes()
    paced = load(system.url, "/classify", list(islice(bodies, PACED)), PACED, rate=RATE)
    load(system.url, "/classify", list(islice(bodies, SHALLOW)), SHALLOW)
    shallow = _rate(system)
    queued = load(system.url, "/classify", list(bodies), depth)
    late = queued.seconds[-depth // 10 :]
    report = {
        "predict": predict,
        "paced": {"rate": RATE, **paced.summary()},
        "megabytes_after_predict": at_rest,
        "triaged_per_second_short_queue": shallow,
        "queued": depth,
        "accepted_per_second_while_it_grew": queued.summary()["per_second"],
        "p99_ms_at_the_end": milliseconds(late, 99),
        "triaged_per_second_long_queue": _rate(system),
        "lost": len(set(queued.promised) - system.kept()),
        "megabytes": system.megabytes(),
    }
    system.end()
    return report


def _rate(system: Tamiz) -> float:
    """Tickets per second over some seconds in which the queue does not get empty."""
    before, begun = system.triaged(), time.perf_counter()
    time.sleep(LOOK)
    return round((system.triaged() - before) / (time.perf_counter() - begun), 1)


def run_beside(count: int, rounds: int, seed: int) -> dict[str, Any]:
    """All systems, one after the other."""
    bodies = tickets(WARM + count * rounds + PLENTY, seed)
    report: dict[str, Any] = {"connections": CONNECTIONS, "count": count, "seed": seed, "systems": {}}
    for system in (Tamiz(), InMemory(), Celery(careful=True), Celery(careful=False)):
        report["systems"][system.name] = compared(system, iter(bodies), count, rounds)
        print(system.name, json.dumps(report["systems"][system.name]), flush=True)
        shutil.rmtree(system.home)
    return report


def run_alone(depth: int, seed: int) -> dict[str, Any]:
    """The service alone."""
    system = Tamiz()
    report = alone(system, iter(tickets(PREDICTED + WARM + PACED + SHALLOW + depth, seed)), depth)
    shutil.rmtree(system.home)
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--depth", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", choices=("all", "beside", "alone"), default="all")
    told = parser.parse_args()
    report = json.loads(told.out.read_text("utf-8")) if told.out.is_file() else {}
    if told.part != "alone":
        report |= run_beside(told.count, told.rounds, told.seed)
    if told.part != "beside":
        report["alone"] = run_alone(told.depth, told.seed)
    told.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
