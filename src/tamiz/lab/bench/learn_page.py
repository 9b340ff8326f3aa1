"""Learning from corrections as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]

_GUESSES = ("active", "candidate", "linear", "majority")
_SHOWN = "every field, 500"


def learn_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.learn` left in this folder as learn.json; nothing without it."""
    path = folder / "learn.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    later = report["runs"][_SHOWN]["later"]
    return [
        "## Learning from corrections",
        "",
        "A simulated desk with the starter: synthetic tickets of scenarios that the starter never saw, labelled otherwise by a few",
        "rules (VPN is a matter of access, there is no mail team, printing is for facilities, a login is a request). Accuracy on",
        f"{later['rows']} later tickets; `linear` is TF-IDF + LinearSVC on the same corrections alone. Means are over the fields.",
        "",
        "| corrections | tickets | verdict | active | candidate | linear | majority |",
        "|---|---|---|---|---|---|---|",
        *_rows(report["runs"]),
        "",
        f"Field by field ({_SHOWN} tickets):",
        "",
        "| field | active | candidate | linear | majority | McNemar p |",
        "|---|---|---|---|---|---|",
        *_fields(later),
        "",
        *_topics(report),
        *_refusals(report),
        "",
    ]


def _rows(runs: Figures) -> Iterator[str]:
    for name, one in runs.items():
        later = one.get("later", {})
        means = (_mean(later, guess) for guess in _GUESSES)
        yield f"| {name} | {one['corrected']:,} | {one['state']} | {' | '.join(means)} |"


def _mean(later: Figures, guess: str) -> str:
    values = [figures[guess] for name, figures in later.items() if name != "rows"]
    return f"{100 * sum(values) / len(values):.1f} %" if values else ""


def _fields(later: Figures) -> Iterator[str]:
    for name, figures in later.items():
        if name != "rows":
            shares = " | ".join(f"{100 * figures[guess]:.1f} %" for guess in _GUESSES)
            yield f"| {name} | {shares} | {figures['p']:.1g} |"


def _topics(report: Figures) -> Iterator[str]:
    if "topics" in report:
        yield "A second desk: real, anonymised IT tickets (it_tickets, eight topics, evaluation only), a linear model of 1,500 of them,"
        yield "and people who spoke of the next ones."
        yield ""
        yield "| corrections | tickets | verdict | active | candidate | linear | majority |"
        yield "|---|---|---|---|---|---|---|"
        yield from _rows(report["topics"])
        yield ""


def _refusals(report: Figures) -> Iterator[str]:
    yield "Why candidates were refused:"
    yield ""
    for desk in ("runs", "topics"):
        for name, one in report.get(desk, {}).items():
            if one["reasons"]:
                more = f" (and {len(one['reasons']) - 2} more)" if len(one["reasons"]) > 2 else ""
                yield f"- {name}{' (topics)' if desk == 'topics' else ''}: {'; '.join(one['reasons'][:2])}{more}"
