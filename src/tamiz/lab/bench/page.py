"""docs/benchmarks.md, put together from the figures that lie beside it and in the recipes' reports.

Run: python -m tamiz.lab.bench.page (measures nothing; `make bench` does both).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tamiz.lab.bench.backfill_page import backfill_section
from tamiz.lab.bench.cache_page import cache_section
from tamiz.lab.bench.contrast_page import contrast_section
from tamiz.lab.bench.corrections_page import corrections_section
from tamiz.lab.bench.learn_page import learn_section
from tamiz.lab.bench.live_page import felt_section, strangers_section
from tamiz.lab.bench.llm_page import llm_section
from tamiz.lab.bench.poison_page import poison_section
from tamiz.lab.bench.rag_page import rag_section
from tamiz.lab.bench.service_page import service_section
from tamiz.lab.bench.vectors_page import vectors_section

OUT = Path("docs/benchmarks.md")
FIGURES = Path("docs/figures")
RECIPES = Path("recipes")
INT8, FP32 = "model alone, int8", "PyTorch fp32, same weights"
LARGE, TICKET = "410M GPT-NeoX, classification, PyTorch fp32", "text → strict ticket, int8"


def speed_table(timings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The timings and the ratios that matter, as Markdown."""
    rows = ["| path | p50 ms | p99 ms | per second |", "|---|---|---|---|"]
    for name, t in timings.items():
        p50, p99 = ("", "") if t["p50"] is None else (f"{t['p50']:.2f}", f"{t['p99']:.2f}")
        rows.append(f"| {name} | {p50} | {p99} | {t['per_second']:,.1f} |")
    gain, large = (
        timings[slow]["p50"] / timings[ours]["p50"] for slow, ours in ((FP32, INT8), (LARGE, TICKET))
    )
    return [
        *rows,
        "",
        f"int8 against PyTorch fp32 with the same weights at batch 1: **{gain:.1f}×** (medians).",
        f"A strict ticket against the 410M classification path: **{large:.0f}×** (medians).",
    ]


def quality_tables() -> list[str]:
    """The headline figures of every recipe's committed report."""
    rows: list[str] = []
    for path in sorted(RECIPES.glob("*/report.json")):
        headline: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["headline"]
        rows += [
            "",
            f"### {path.parent.name}",
            "",
            "| figure | value | baselines in the same run |",
            "|---|---|---|",
        ]
        rows += [f"| {line['figure']} | {line['value']} | {line['beside']} |" for line in headline]
    return rows


def written() -> Path:
    """Write the page from what was measured last."""
    speed = json.loads((FIGURES / "speed.json").read_text("utf-8"))
    page = [
        "# Benchmarks",
        "",
        f"Machine: {speed['processor']}, {speed['cores']} cores, no GPU. Date: {speed['date']}. Seed {speed['seed']}.",
        "Made by `make bench`; quality figures come from the recipes' own runs (`recipes/*/report.md`), those of the",
        "language model from its campaigns (`python -m tamiz.lab.bench.llm`).",
        "",
        "## Speed",
        "",
        f"all-MiniLM-L6-v2 with the default taxonomy's heads; {speed['rows']} distinct texts of {speed['tokens']} tokens, "
        "one",
        "per call unless it says stream. Every text is computed on its own, so an answer never depends on neighbours.",
        "",
        *speed_table(speed["timings"]),
        "",
        *service_section(FIGURES),
        *backfill_section(FIGURES),
        *vectors_section(FIGURES),
        *contrast_section(FIGURES),
        *poison_section(FIGURES),
        *learn_section(FIGURES),
        *corrections_section(FIGURES),
        *felt_section(FIGURES),
        *cache_section(FIGURES),
        *strangers_section(FIGURES),
        *llm_section(FIGURES),
        *rag_section(FIGURES),
        "## Quality",
        *quality_tables(),
    ]
    OUT.write_text("\n".join(page) + "\n", "utf-8")
    return OUT


if __name__ == "__main__":
    print(f"wrote {written()}")
