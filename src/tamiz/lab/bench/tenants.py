"""Does the time of an answer tell one tenant what another has asked? Writes docs/figures/tenants.json.

Run: python -m tamiz.lab.bench.tenants [--probes 4000]     (ten minutes on two cores)

A service of its own, as installed, with keys of two tenants. One hands in tickets, and reviewers correct every fifth. The other
sends exact copies of these texts and as many new ones of the same kind, in random order, each text once: to `/predict`, and as tickets
whose triage it waits for. The share of pairs in which a copy took less time (the area under the ROC curve; Mann and Whitney
1947) is 1/2 where time tells nothing. The same probes by the tenant whose texts they are show what the measure sees where
there is something to be seen.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES, written
from tamiz.lab.bench.systems import Tamiz
from tamiz.lab.synth import generate

SEED = 0
CORRECTED = 5
"""Every so many of the known tickets are corrected."""
CLIENTS = 8
SURE = 1.96


@dataclass(frozen=True, slots=True)
class Client:
    """A tenant at the service."""

    url: str
    key: str

    def call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """GET, or POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-API-Key": self.key}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, data, headers), timeout=60
        ) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def predict(self, text: str) -> None:
        """A prediction."""
        self.call("/predict", {"subject": "", "body": text})

    def ticket(self, text: str) -> str:
        """The id of a ticket that is triaged."""
        accepted = self.call("/classify", {"subject": "", "body": text})
        self.call(f"{accepted['location']}?wait=30")
        return str(accepted["ticket_id"])


@dataclass(frozen=True, slots=True)
class Told:
    """How well time tells copies from new texts: the area under the curve, its 95 % interval, medians in milliseconds."""

    copies: int
    new: int
    auc: float
    low: float
    high: float
    copy_ms: float
    new_ms: float


def told(copies: Sequence[float], new: Sequence[float]) -> Told:
    """From seconds. The interval is that of Hanley and McNeil (1982)."""
    a, b = np.array(copies), np.array(new)
    auc = float(np.mean((a[:, None] < b) + (a[:, None] == b) / 2))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (len(a) - 1) * (q1 - auc**2) + (len(b) - 1) * (q2 - auc**2)
    half = SURE * math.sqrt(variance / (len(a) * len(b)))
    medians = (round(float(np.median(each)) * 1000, 2) for each in (a, b))
    return Told(len(a), len(b), round(auc, 4), round(auc - half, 4), round(auc + half, 4), *medians)


def probed(ask: Callable[[str], object], known: Sequence[str], new: Sequence[str], random: Random) -> Told:
    """Copies and new texts in random order."""
    both = [(text, True) for text in known] + [(text, False) for text in new]
    random.shuffle(both)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for text, copy in both:
        started = time.perf_counter()
        ask(text)
        seconds[copy].append(time.perf_counter() - started)
    return told(seconds[True], seconds[False])


def measured(owner: Client, other: Client, probes: int) -> dict[str, Told]:
    """All probes, as many copies as new texts in each; no text is used twice."""
    asks = {
        "another tenant, /predict": (other.predict, probes),
        "another tenant, ticket": (other.ticket, probes),
        "the same tenant, /predict": (owner.predict, probes // 8),
        "the same tenant, ticket": (owner.ticket, probes // 8),
    }
    random, wanted = Random(SEED), sum(count for _, count in asks.values())
    texts = [f"{one.subject}\n{one.body}" for one in generate(2 * wanted, SEED)]
    random.shuffle(texts)
    known, new = iter(texts[:wanted]), iter(texts[wanted:])
    with ThreadPoolExecutor(CLIENTS) as pool:
        tickets = list(pool.map(owner.ticket, texts[:wanted]))
    category = owner.call("/labels")["labels"][0]
    for ticket in tickets[::CORRECTED]:
        owner.call(f"/tickets/{ticket}/feedback", {"fields": {"category": category}})
    return {
        name: probed(ask, list(islice(known, count)), list(islice(new, count)), random)
        for name, (ask, count) in asks.items()
    }


def main() -> None:
    """Measure, and write the figures and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probes", type=int, default=4_000)
    parser.add_argument("--out", type=Path, default=FIGURES / "tenants.json")
    given = parser.parse_args()
    system = Tamiz()
    keys = [system.key(name) for name in ("owner", "other")]
    system.start(everybody=False)
    try:
        owner, other = (Client(system.url, key) for key in keys)
        found = measured(owner, other, given.probes)
    finally:
        system.end()
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "processor": processor(), "seed": SEED}
    data = {**about, "figures": {name: asdict(one) for name, one in found.items()}}
    given.out.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    print(json.dumps(data, indent=1))
    print(f"wrote {written()}")


if __name__ == "__main__":
    main()
