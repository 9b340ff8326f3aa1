"""Attack a model and write what happened.

python -m tamiz.lab.attacks --model starter --tickets 2500 --count 2240 --out report.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tamiz.bootstrap.sieve import Sieve, load
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Triage
from tamiz.lab.attacks.attack import campaign, paraphrases
from tamiz.lab.attacks.measure import run
from tamiz.lab.synth import generate


def attack(sieve: Sieve, tickets: int, count: int, seed: int) -> dict[str, Any]:
    """The report of a campaign of `count` attacks, and as many benign insertions, on validation tickets."""
    rows = campaign(generate(tickets, seed, split="valid"), sieve.taxonomy, seed, count)

    def triage_all(messages: Sequence[RawMessage]) -> list[Triage]:
        return sieve.triage(messages)

    return run(triage_all, [*rows, *paraphrases(rows, seed)], sieve.taxonomy, seed=seed)


def told(report: Mapping[str, Any]) -> str:
    """The figures that matter, for a terminal."""
    figures = {
        "flips per field": report["all_fields"],
        "labels swapped per field": report["swapped"],
        "rows with a flip": report["rows_flipped"],
        "flips to the target": report["to_target"],
        "sent to a person": report["sent_to_a_person"],
    }
    lines = [
        f"{report['rows']['attack']:,} attacks and {report['rows']['benign']:,} benign insertions "
        f"on {report['rows']['tickets']:,} tickets",
        *(_line(name, figure) for name, figure in figures.items()),
        f"violations: {report['violations']['schema']} of the schema, {report['violations']['taxonomy']} of the taxonomy",
        f"leaks: {report['leaks']}",
    ]
    return "\n".join(lines)


def _line(name: str, figure: Mapping[str, Any]) -> str:
    gap = figure["difference"]
    return (
        f"{name}: {figure['attack']:.2%}, benign {figure['benign']:.2%}, "
        f"difference {gap['value']:+.2%} [{gap['low']:+.2%}, {gap['high']:+.2%}]"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tamiz.lab.attacks", description=__doc__)
    parser.add_argument("--model", default="starter", help="a model's name or folder")
    parser.add_argument("--tickets", type=int, default=2500, help="validation tickets to draw from")
    parser.add_argument("--count", type=int, default=2240, help="attacks; 560 fill every cell once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="where the JSON report goes")
    arguments = parser.parse_args()
    report = attack(load(arguments.model), arguments.tickets, arguments.count, arguments.seed)
    arguments.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(told(report))


if __name__ == "__main__":
    main()
