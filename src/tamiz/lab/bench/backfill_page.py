"""How fast the past is taken in, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def backfill_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.backfill` measured and left in this folder as backfill.json; nothing without it."""
    path = folder / "backfill.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    alone, service = report["alone"], report["service"]
    rest, beside = service["accept_at_rest"], service["accept_beside"]
    return [
        "### Solved tickets of the past",
        "",
        f"`tamiz backfill` with {report['rows']:,} rows of {report['labels_per_row']} labels each ({report['megabytes']:.0f} MB;",
        f"reading them takes {alone['read_seconds']:.0f} s), {report['note']}.",
        "",
        "| | rows a minute |",
        "|---|---|",
        *[
            f"| {name} | {figures['rows_per_minute']:,} |"
            for name, figures in (
                ("no service runs", alone["import"]),
                ("the same, raw text encrypted", alone["encrypted"]),
                ("the same file once more", alone["repeated"]),
                ("through the running service, which triages live tickets beside it", service["import"]),
            )
        ],
        "",
        f"Live tickets that one client hands in meanwhile get their 202 after {beside['p50_ms']} ms in the median and",
        f"{beside['p99_ms']} ms at p99; before it was {rest['p50_ms']} and {rest['p99_ms']}. The model then read",
        f"{service['model_reads_per_second']} imported tickets a second under the same conditions; it reads them as it reads live ones.",
        "",
    ]
