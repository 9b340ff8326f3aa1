"""How soon corrections are felt, and what strangers can do to the memory of others, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def felt_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.felt` left in this folder as felt.json; nothing without it."""
    report = _read(folder / "felt.json")
    return ["## How soon a correction is felt", "", *_felt(report["figures"]), ""] if report else []


def strangers_section(folder: Path) -> list[str]:
    """What `tamiz.lab.bench.collide` and `tamiz.lab.bench.tenants` left as collide.json and tenants.json; nothing without
    them."""
    collide, tenants = _read(folder / "collide.json"), _read(folder / "tenants.json")
    lines: list[str] = []
    if collide:
        lines += [*_collide(collide), ""]
    if tenants:
        lines += [*_tenants(tenants["figures"]), ""]
    return ["## Memory under attack", "", *lines] if lines else []


def _read(path: Path) -> Figures:
    found: Figures = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _felt(figures: Figures) -> Iterator[str]:
    names = {
        "predict": "from the 200 to the answer of `/predict` for the same request in other words",
        "ticket": "from the 200 to the triage of a ticket that asks the same in other words",
        "predict without": "`/predict` where nobody corrected anything",
    }
    yield "`tamiz serve` as it is installed, one client."
    yield ""
    yield "| | p50 ms | p99 ms | follow it |"
    yield "|---|---|---|---|"
    for name, words in names.items():
        f = figures[name]
        follow = f"{round(f['followed'] * f['rounds'])} of {f['rounds']}" if f["followed"] else ""
        yield f"| {words} | {f['p50_ms']:.1f} | {f['p99_ms']:.1f} | {follow} |"


def _collide(f: Figures) -> Iterator[str]:
    count = f["attacks"]
    yield f"{count:,} texts made to lie beside another request in the space of embeddings (`collide.py`): the attacker's own request"
    yield f"as it is, and words behind it, found by hill climbing on the encoder. Their median cosine rose from {f['before']:.2f} to"
    yield f"{f['after']:.2f}. How many would share the answer of the other request:"
    yield ""
    yield "| | attacks | share |"
    yield "|---|---|---|"
    lines = {
        "cosine ≥ 0.80, without added words": "usual_before",
        "cosine ≥ 0.80": "usual",
        "near enough for the cache": "near",
        "and the model agrees": "agree",
        "and the words do not contrast: an answer of a model": "served",
        "the same, an answer of a person": "told",
    }
    for words, name in lines.items():
        most = f" (at most {f[f'{name}_at_most']:.1%})" if f"{name}_at_most" in f else ""
        yield f"| {words} | {f[name]} | {f[name] / count:.1%}{most} |"


def _tenants(figures: Figures) -> Iterator[str]:
    yield "Does the time of an answer tell one tenant what another has asked (`tenants.py`)? The share of pairs in which the exact copy"
    yield "of another tenant's text took less time than a new text is 1/2 where it tells nothing. Below, the same tenant's own"
    yield "texts, where there is something to be seen."
    yield ""
    yield "| who asks, and what | copies and new | copy was quicker | 95 % | copy, p50 ms | new, p50 ms |"
    yield "|---|---|---|---|---|---|"
    for name, f in figures.items():
        yield (
            f"| {name} | {f['copies']:,} and {f['new']:,} | {f['auc']:.3f} | {f['low']:.3f} to {f['high']:.3f} "
            f"| {f['copy_ms']:.1f} | {f['new_ms']:.1f} |"
        )
