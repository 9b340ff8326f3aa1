"""Measure, and write docs/benchmarks.md. Run: make bench (about ten minutes on two cores; keep the machine quiet)."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tamiz.lab.bench import speed

OUT = Path("docs/benchmarks.md")
RECIPES = Path("recipes")
SEED = 0


def processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def speed_table(timings: list[speed.Timing]) -> list[str]:
    """The timings and the ratios that matter, as Markdown."""
    rows = ["| path | p50 ms | p99 ms | per second |", "|---|---|---|---|"]
    for t in timings:
        p50, p99 = ("", "") if t.p50 != t.p50 else (f"{t.p50:.2f}", f"{t.p99:.2f}")
        rows.append(f"| {t.name} | {p50} | {p99} | {t.per_second:,.1f} |")
    by_name = {t.name: t for t in timings}
    ours = by_name["model alone, int8"]
    slow = by_name["PyTorch fp32, same weights"]
    large = by_name["410M GPT-NeoX, classification, PyTorch fp32"]
    ticket = by_name["text → strict ticket, int8"]
    rows += [
        "",
        f"int8 against PyTorch fp32 with the same weights at batch 1: **{slow.p50 / ours.p50:.1f}×** (medians).",
    ]
    rows += [
        f"A strict ticket against the 410M classification path: **{large.p50 / ticket.p50:.0f}×** (medians)."
    ]
    return rows


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


def main() -> None:
    """Run everything and write the page."""
    timings = speed.run(SEED)
    page = [
        "# Benchmarks",
        "",
        f"Machine: {processor()}, {os.cpu_count()} cores, no GPU. Date: {datetime.now(UTC):%Y-%m-%d}. Seed {SEED}.",
        "Made by `make bench`; quality figures come from the recipes' own runs (`recipes/*/report.md`).",
        "",
        "## Speed",
        "",
        f"all-MiniLM-L6-v2 with the default taxonomy's heads; {speed.ROWS} distinct texts of {speed.TOKENS} tokens, one",
        "per call unless it says stream. Every text is computed on its own, so an answer never depends on neighbours.",
        "",
        *speed_table(timings),
        "",
        "## Quality",
        *quality_tables(),
    ]
    OUT.write_text("\n".join(page) + "\n", "utf-8")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
