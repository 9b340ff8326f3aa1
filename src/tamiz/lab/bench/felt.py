"""Measure how soon a correction is felt by the next ticket like it, and write docs/figures/felt.json.

Run: python -m tamiz.lab.bench.felt [--rounds 100] [--out docs/figures/felt.json]   (a minute on two cores)

A service of its own, as installed. In every round a ticket of something new is triaged and corrected; from the 200 of the
correction on the clock runs until `/predict` has answered for the same in other words, and, in other rounds, until a ticket
in other words is triaged. Whether the answer follows the correction is counted beside it. The same without a correction
is the baseline.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.bench.load import milliseconds
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.lab.bench.systems import Tamiz

SEED = 0
THINGS = ("badge reader", "meeting screen", "label printer", "payroll form", "door display", "desk phone")
PLACES = ("canteen", "warehouse", "lobby", "archive", "workshop", "lab", "garage", "training room")
SAYS = ("shows a blank page", "flickers all day", "answers with a delay", "has lost its settings")


@dataclass
class Felt:
    """Milliseconds from the 200 of a correction, and whether the answer followed it."""

    seconds: list[float] = field(default_factory=list)
    followed: int = 0

    def note(self, started: float, followed: bool) -> None:
        """One round."""
        self.seconds.append(time.monotonic() - started)
        self.followed += followed

    def summary(self) -> dict[str, float]:
        """p50, p99 and the share that followed."""
        return {
            "rounds": len(self.seconds),
            "p50_ms": milliseconds(self.seconds, 50),
            "p99_ms": milliseconds(self.seconds, 99),
            "followed": self.followed / len(self.seconds),
        }


def call(address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def texts(random: Random) -> tuple[str, str]:
    """Something new, and the same in other words."""
    thing, place, says = random.choice(THINGS), random.choice(PLACES), random.choice(SAYS)
    number = random.randint(10, 99)
    return (
        f"The {thing} {number} in the {place} {says} since Monday",
        f"Since Monday the {thing} {number} in the {place} {says}",
    )


def triaged(url: str, text: str) -> dict[str, Any]:
    """A ticket, when it is triaged."""
    accepted = call(f"{url}/classify", {"subject": "", "body": text})
    return call(f"{url}{accepted['location']}?wait=30")


def measured(url: str, rounds: int, seed: int) -> dict[str, Any]:
    """All rounds against one service."""
    random, primary = Random(seed), default_taxonomy().field("category")
    found = {"predict": Felt(), "ticket": Felt(), "predict without": Felt()}
    for number in range(rounds):
        text, other = texts(random)
        ticket = triaged(url, text)
        label = random.choice(primary.keys)
        started = time.monotonic()
        call(f"{url}/predict", {"subject": "", "body": other})
        found["predict without"].note(started, False)
        call(f"{url}/tickets/{ticket['ticket_id']}/feedback", {"fields": {primary.name: label}})
        started = time.monotonic()
        if number % 2:
            said = triaged(url, other)["triage"]["fields"][primary.name]["value"]
            found["ticket"].note(started, said == label)
        else:
            said = call(f"{url}/predict", {"subject": "", "body": other})["predicted_label"]
            found["predict"].note(started, said == label)
    return {name: felt.summary() for name, felt in found.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=FIGURES / "felt.json")
    asked = parser.parse_args()
    system = Tamiz()
    system.start()
    try:
        figures = measured(system.url, asked.rounds, SEED)
    finally:
        system.end()
    at = datetime.now(UTC).strftime("%Y-%m-%d")
    data = {"at": at, "processor": processor(), "seed": SEED, "figures": figures}
    asked.out.write_text(json.dumps(data, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
