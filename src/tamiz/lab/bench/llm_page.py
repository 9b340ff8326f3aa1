"""The language model's campaigns as Markdown; a campaign without figures is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RUNTIMES = ("embedded", "llama-server", "openai", "transformers")
SYSTEMS = ("plain", "constrained", "encoder", "cascade")

Figures = Mapping[str, Any]


def llm_section(folder: Path) -> list[str]:
    """Everything that `python -m tamiz.lab.bench.llm` measured and left in this folder as llm-*.json."""
    parts: tuple[Callable[[Path], list[str]], ...] = (_speed, _valid, _roundtrip, _confidence, _attacks)
    told = [line for part in parts for line in part(folder)]
    return ["## Language model", "", *told] if told else []


def _speed(folder: Path) -> list[str]:
    report = _read(folder, "speed")
    if not report:
        return []
    rows = [
        [
            weights,
            way,
            f"{t['p50']:.2f}",
            f"{t['p95']:.2f}",
            f"{t['tickets_per_second']:.2f}",
            f"{t['valid']:.0%}",
        ]
        for weights, ways in report["ways"].items()
        for way, t in ways.items()
    ]
    return [
        f"SmolLM2-135M writing whole tickets, summary included; the same {report['tickets']} tickets, one after the other.",
        "",
        *_table(["weights", "way", "p50 s", "p95 s", "tickets/s", "valid"], rows),
        "",
        f"What typed decoding itself costs: {report['constraint_us_per_token']:.1f} µs per token.",
        "",
    ]


def _valid(folder: Path) -> list[str]:
    reports = {name: _read(folder, f"valid-{name}") for name in RUNTIMES}
    rows = [
        [
            name,
            f"{r['tickets']:,}",
            f"{r['asked']:,}",
            f"{len(r['problems'])}",
            f"{sum(r['failures'].values())}",
        ]
        for name, r in reports.items()
        if r
    ]
    if not rows:
        return []
    told = "Attacked and strange tickets through each runtime; every triage held against the JSON Schema."
    header = ["runtime", "tickets", "the model was asked", "invalid", "failures of the runtime"]
    return [told, "", *_table(header, rows), ""]


def _roundtrip(folder: Path) -> list[str]:
    report = _read(folder, "roundtrip")
    if not report:
        return []
    rows = [
        [
            form,
            f"{r['same_label']:.2%}",
            f"{r['same_ticket']:.1%}",
            f"{r['mean_gap']:.4f}",
            f"{r['worst_gap']:.3f}",
        ]
        for form, r in report["forms"].items()
    ]
    header = ["form in llama.cpp", "same label", "all labels the same", "mean distance", "largest"]
    told = f"The trained model in torch against its GGUF forms, {report['tickets']} tickets; distance of probabilities."
    return [told, "", *_table(header, rows), ""]


def _confidence(folder: Path) -> list[str]:
    report = _read(folder, "confidence")
    if not report:
        return []
    ways = [way for way, found in report.items() if isinstance(found, dict)]
    rows = []
    for field in report[ways[0]]:
        cells = [field]
        for way in ways:
            r = report[way][field]
            cells += [f"{r['accuracy']:.1%}", f"{r['ece']:.3f} ({r['ece_by_chance']:.3f})"]
        rows.append(cells)
    header = ["field", *(cell for way in ways for cell in (f"accuracy, {way}", "ECE"))]
    told = (
        f"{report['tickets']:,} tickets of {report['scenarios']} scenarios that training never saw. In brackets: the ECE "
        "that exactly true confidences would show on so many rows by chance."
    )
    return [told, "", *_table(header, rows), ""]


def _attacks(folder: Path) -> list[str]:
    reports = {name: _read(folder, f"attack-{name}") for name in SYSTEMS}
    rows = []
    for name, r in reports.items():
        if not r:
            continue
        gap, target = r["all_fields"]["difference"], r["to_target"]
        rows.append(
            [
                name,
                f"{r['rows']['attack']:,}",
                f"{r['all_fields']['attack']:.1%} / {r['all_fields']['benign']:.1%}",
                f"{100 * gap['value']:+.2f} ({100 * gap['low']:+.2f} to {100 * gap['high']:+.2f})",
                f"{target['attack']:.1%} / {target['benign']:.1%}",
                f"{r['violations']['schema']} / {r['violations']['taxonomy']}",
                f"{r['leaks']['prompt'] + r['leaks']['marks']}",
            ]
        )
    if not rows:
        return []
    header = [
        "system",
        "attacks",
        "fields flipped: attack / benign insertion",
        "difference, points",
        "flipped to the attacker's label: attack / benign",
        "invalid: schema / taxonomy",
        "leaks",
    ]
    told = "40 families of injections in 7 places, English and Spanish; each beside a benign insertion of its length."
    return [told, "", *_table(header, rows), ""]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _read(folder: Path, name: str) -> Figures:
    path = folder / f"llm-{name}.json"
    found: Figures = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found
