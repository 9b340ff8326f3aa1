"""How fast solved tickets are taken into memory, alone and through the running service; and what live tickets notice.

python -m tamiz.lab.bench.backfill [--rows 100000] [--out docs/figures/backfill.json]   (five minutes on two cores)

Synthetic tickets with eight labels each; texts repeat but for a number. Every figure is of the processes that a user has:
SQLite with synchronous=FULL, chunks as the command sends them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tamiz.bootstrap.admin import open_admin, taxonomy_of
from tamiz.bootstrap.settings import Settings, load_settings
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.lab.bench.load import load
from tamiz.lab.bench.machine import processor
from tamiz.lab.bench.page import FIGURES
from tamiz.lab.bench.service import tickets
from tamiz.lab.bench.systems import Tamiz
from tamiz.lab.history import read_history
from tamiz.lab.synth import generate
from tamiz.service.backfill import Chunk, Past, cut

SEED, TEXTS = 0, 4_000
LIVE = 300
"""Live tickets that are handed in one after the other, at rest and beside the import."""
SPAN = 20.0
"""Seconds over which the model's speed is taken."""


def written(path: Path, rows: int) -> Path:
    """A table with an id, a time, subject, body and every label."""
    found = [one for one in generate(TEXTS, SEED, split="train") if not one.abstain]
    names = list(found[0].labels)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Number", "Opened at", "Short description", "Description", *names])
        for number in range(rows):
            one = found[number % len(found)]
            at = f"2025-{1 + number % 12:02d}-{1 + number % 28:02d} 08:{number % 60:02d}"
            labels = [one.labels[name] or "" for name in names]
            writer.writerow([f"INC{number:07d}", at, one.subject, f"{one.body} No. {number}", *labels])
    return path


def sent(settings: Settings, past: Sequence[Past], expected: int) -> dict[str, float]:
    """Import tickets as the command does. RuntimeError where another number than expected was new."""
    with open_admin(settings) as admin:
        begun = time.perf_counter()
        done = [
            admin.backfill(DEFAULT_TENANT, Chunk(part, note="bench"), "bench").added for part in cut(past)
        ]
        seconds = time.perf_counter() - begun
    if sum(done) != expected:
        raise RuntimeError(f"{sum(done)} tickets were new where {expected} are")
    return {"seconds": round(seconds, 2), "rows_per_minute": round(60 * len(past) / seconds)}


def at(home: Path, **more: str) -> Settings:
    """The settings of a data folder."""
    return load_settings({**os.environ, "TAMIZ_HOME": str(home), **more}, home)


def alone(table: Path, past: Sequence[Past], folder: Path) -> dict[str, Any]:
    """Reading the table, and importing where no service runs: as plain text, once more, and encrypted."""
    plain, sealed = folder / "plain", folder / "sealed"
    for home in (plain, sealed):
        home.mkdir()
    begun = time.perf_counter()
    read_history(table, _taxonomy(plain), {})
    return {
        "read_seconds": round(time.perf_counter() - begun, 2),
        "import": sent(at(plain), past, len(past)),
        "repeated": sent(at(plain), past, 0),
        "encrypted": sent(at(sealed, TAMIZ_VAULT_KEY="ab" * 32), past, len(past)),
    }


def beside(past: Sequence[Past]) -> dict[str, Any]:
    """Through the service; accepts of live tickets at rest and beside it; and how fast the model reads the import."""
    system = Tamiz()
    system.start()
    settings, bodies = at(system.home), tickets(LIVE, SEED)
    rest = load(system.url, "/classify", bodies, LIVE, connections=1).summary()
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(sent, settings, past, len(past))
        live = load(system.url, "/classify", bodies, LIVE, connections=1).summary()
        done = importing.result()
    with open_admin(settings) as admin:
        while admin.unread(DEFAULT_TENANT) == len(past):  # live tickets go first
            time.sleep(1.0)
        before, begun = admin.unread(DEFAULT_TENANT), time.perf_counter()
        time.sleep(SPAN)
        speed = (before - admin.unread(DEFAULT_TENANT)) / (time.perf_counter() - begun)
    system.end()
    shutil.rmtree(system.home)
    return {
        "import": done,
        "accept_at_rest": rest,
        "accept_beside": live,
        "model_reads_per_second": round(speed, 1),
    }


def _taxonomy(home: Path) -> Any:
    with open_admin(at(home)) as admin:
        return taxonomy_of(at(home), admin, DEFAULT_TENANT)


def measured(rows: int, note: str) -> Mapping[str, Any]:
    """Everything, on a table of so many rows; `note` says what else the machine did."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        table = written(folder / "history.csv", rows)
        past = read_history(table, _taxonomy(folder), {}).tickets
        megabytes = round(table.stat().st_size / 1e6, 1)
        return {
            "processor": processor(),
            "cores": os.cpu_count(),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "note": note,
            "rows": rows,
            "labels_per_row": round(sum(len(one.values) for one in past) / len(past), 1),
            "megabytes": megabytes,
            "alone": alone(table, past, folder),
            "service": beside(past),
        }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=FIGURES / "backfill.json")
    parser.add_argument("--note", default="on a machine that did nothing else")
    told = parser.parse_args()
    report = measured(told.rows, told.note)
    told.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
