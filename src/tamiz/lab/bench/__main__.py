"""Measure, and write docs/benchmarks.md. Run: make bench (about ten minutes on two cores; keep the machine quiet)."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

from tamiz.lab.bench import speed
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES, written

SEED = 0


def measured() -> dict[str, Any]:
    """Timings by path, and where and when they were taken; a path without single calls has no percentiles."""
    timings = {}
    for t in speed.run(SEED):
        p50, p99 = (None, None) if t.p50 != t.p50 else (t.p50, t.p99)
        timings[t.name] = {"p50": p50, "p99": p99, "per_second": t.per_second}
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seed": SEED,
        "rows": speed.ROWS,
        "tokens": speed.TOKENS,
        "timings": timings,
    }


def main() -> None:
    """Run everything and write the page."""
    (FIGURES / "speed.json").write_text(json.dumps(measured(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {written()}")


if __name__ == "__main__":
    main()
