"""The search for similar tickets as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Run = Mapping[str, Any]


def vectors_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.vectors` left in this folder as vectors.json; nothing without it."""
    path = folder / "vectors.json"
    if not path.is_file():
        return []
    runs: dict[str, Run] = json.loads(path.read_text("utf-8"))
    return [
        "## Similar tickets",
        "",
        "Synthetic embeddings of 384 numbers around centres, 500 questions of the same kind; the indexes of a run have the",
        "same vectors, and take turns. *Alike* counts those of the ten nearest whose cosine is 0.5 or more: where a centre has",
        "fewer than ten vectors, the rest of the ten are strangers that are all about equally far. Milliseconds with fifty",
        "questions in a row, and *by turns* with the other indexes, which push an index's vectors out of the processor's caches,",
        "as a model does. *Load* is the machine's over the last minute: above 2, others worked on the two cores and every time is",
        "too long, but vectors per second of the processor are not.",
        "",
        "| vectors | centres | index | recall@10 | alike | p50 ms | p99 ms | p50 by turns | p99 by turns | added/s "
        "| per processor second | MB | load |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(line for run in runs.values() for line in _lines(run)),
        "",
        *(line for run in runs.values() for line in _file(run)),
        "",
    ]


def _lines(run: Run) -> Iterator[str]:
    for name, f in run["indexes"].items():
        speeds = f"{f['added_per_second']:,} | {f['added_per_processor_second']:,}"
        yield (
            f"| {run['vectors']:,} | {run['centres']:,} | {name} | {f['recall']:.4f} | {f['recall_alike']:.4f} "
            f"| {f['p50']:.2f} | {f['p99']:.2f} | {f['p50_by_turns']:.2f} | {f['p99_by_turns']:.2f} | {speeds} | {f['megabytes']:,} | {f['load']} |"
        )


def _file(run: Run) -> Iterator[str]:
    f = run["file"]
    if f:
        yield (
            f"A graph of {run['vectors']:,} is a file of {f['megabytes']:,} MB, written in {f['write_s']} s; from it and the "
            f"store's vectors the index is made in {f['read_s']} s."
        )
