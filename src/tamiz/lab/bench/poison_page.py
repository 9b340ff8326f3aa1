"""The section on poisoned corrections of docs/benchmarks.md, from docs/figures/poison.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

Outcomes = Sequence[Mapping[str, Any]]

_HEAD = """
## Poisoned corrections

`python -m tamiz.lab.bench.poison`: tickets in a store, three honest accounts that say what 100 of them are, then an attack that gives
tickets of one class the label of another. *Flips*: held-out tickets of that class (for the trigger: any, with the phrase) that
came out right before and as the attacker wishes after; worst is the worst of the looks after 1, 2, 5 and 9 corrections and at the end. *Clean*: accuracy on
all other held-out tickets, in points. The control is the same store and vote without anybody looking at who says what.
""".strip()


def poison_section(figures: Path) -> list[str]:
    """The section as Markdown lines; none where nothing was measured."""
    path = figures / "poison.json"
    if not path.is_file():
        return []
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    lines = _HEAD.splitlines()
    for name, one in found.items():
        lines += ["", *_table(name, one)]
    return [*lines, ""]


def _table(name: str, one: Mapping[str, Any]) -> list[str]:
    lines = [
        f"### {name}: {one['remembered']:,} tickets remembered, {one['held_out']:,} held out ({one['date']}, {one['processor']})",
        "",
        "| attack | alarm after (of all, of the account's) | flips worst, end | clean | control: flips, clean | restored, slowest s |",
        "|---|---|---|---|---|---|",
    ]
    for attack, ways in one["attacks"].items():
        lines.append(_row(attack, ways["governed"], ways.get("control", ())))
    if not one.get("honest"):
        return lines
    honest = one["honest"]
    return [
        *lines,
        "",
        f"Of {honest['fixers']} accounts that correct nothing but the model's mistakes, twenty each, {honest['fixers_held']} "
        f"were held back; of {honest['teachers']} that teach ten tickets of a kind that the model has never seen, "
        f"{honest['teachers_held']}.",
    ]


def _row(name: str, ways: Outcomes, control: Outcomes) -> str:
    restored = sum(one["restored"] for one in ways)
    slowest = max(one["rollback_seconds"] for one in ways)
    beside = f"{_share(control, 'flips')}, {_lost(control):+.1f}" if control else ""
    return (
        f"| {name} | {_alarms(ways, 'alarm_at')}, {_alarms(ways, 'alarm_at_own')} "
        f"| {_share(ways, 'worst_flips')}, {_share(ways, 'flips')} | {_lost(ways):+.1f} | {beside} "
        f"| {restored} of {len(ways)}, {slowest:.1f} |"
    )


def _alarms(ways: Outcomes, name: str) -> str:
    return " and ".join("none" if one[name] is None else str(one[name]) for one in ways)


def _share(ways: Outcomes, name: str) -> str:
    return f"{100 * fmean(one[name] for one in ways):.1f} %"


def _lost(ways: Outcomes) -> float:
    return 100 * fmean(one["clean_after"] - one["clean_before"] for one in ways)
