"""What corrections do for the next tickets, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def corrections_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.corrections` left in this folder as corrections.json; nothing without it."""
    path = folder / "corrections.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    shots, left_out, seeds = report["shots"], report["left_out"], len(report["seeds"])
    return [
        "## Corrections: what the next tickets feel",
        "",
        f"*A brand-new class.* Heads on a frozen encoder never saw {left_out} classes that their taxonomy lists; {seeds} draws",
        f"of classes. {shots} tickets of one such class are corrected; recall is that of its test tickets, loss what tickets of",
        "the other classes lose in accuracy (points). The model remembers 800 training tickets. The default weights are five numbers",
        "that were learned on our own bank and then made cautious on held-out rows of the two public sets (lab log); the test rows",
        "judge. Intervals resample classes (95 %). Target: recall of at least 80 %, loss of at most 0.3.",
        "",
        "| set, encoder | way | recall (95 %) | loss (95 %) | classes with 80 % | worst recall / loss |",
        "|---|---|---|---|---|---|",
        *(
            _row(name, way, line)
            for name, figures in report["public"].items()
            for way, line in figures["new"].items()
        ),
        "",
        *_starter(report["starter"]),
        "*Ordinary corrections.* Half of the tickets are looked at and what is wrong there is corrected; the other half is asked.",
        "Better and worse count single tickets; p by McNemar's exact test.",
        "",
        "| set, model | corrections | accuracy before → after | better / worse of asked | p |",
        "|---|---|---|---|---|",
        *(
            _ordinary(f"{name}, {way}", _mean(lines))
            for name, figures in report["public"].items()
            for way, lines in figures["ordinary"].items()
        ),
        *(_ordinary(f"bank, starter: {name}", line) for name, line in report["starter"]["ordinary"].items()),
        "",
        "(Means over the draws, p too.) One text's votes, of twenty voices that told every field of the default taxonomy, take",
        f"{report['microseconds']['median']:.0f} µs (p99 {report['microseconds']['p99']:.0f}) on a busy machine.",
        "",
    ]


def _row(name: str, way: str, line: Figures) -> str:
    recall = "{:.1%} ({:.1%}–{:.1%})".format(*line["recall"])
    loss = "{:.2f} ({:.2f}–{:.2f})".format(*(100 * x for x in line["loss"]))
    worst = f"{line['worst_recall']:.0%} / {100 * line['worst_loss']:.2f}"
    if line["classes"] < 10:  # all classes of a draw are one row there
        recall, loss = f"{line['recall'][0]:.1%}", f"{100 * line['loss'][0]:.2f}"
    return f"| {name} | {way} | {recall} | {loss} | {line['reached']:.0%} | {worst} |"


def _starter(figures: Figures) -> list[str]:
    spoken = ", ".join(f"{language} {value:.0%}" for language, value in figures["recall_by_language"].items())
    return [
        "*The starter on scenarios that it never saw.* One scenario at a time becomes a new class of a field, ten of its tickets",
        "are corrected; one class is one of 26 scenarios here, so the others feel it more than among 77 or 150.",
        "",
        "| field labels of the bank | way | recall (95 %) | loss (95 %) | classes with 80 % | worst recall / loss |",
        "|---|---|---|---|---|---|",
        *(_row("bank, starter", way, line) for way, line in figures["new"].items()),
        "",
        f"Recall by language: {spoken}. A negative loss is a gain: ordinary corrections help the others.",
        "",
    ]


def _ordinary(name: str, line: Figures) -> str:
    change = f"{line['before']:.1%} → {line['after']:.1%}"
    moved = f"{line['better']:.0f} / {line['worse']:.0f} of {line['asked']:,.0f}"
    return f"| {name} | {line['corrections']:.0f} | {change} | {moved} | {line['p']:.3f} |"


def _mean(lines: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: sum(line[key] for line in lines) / len(lines) for key in lines[0]}
