"""The folder of learning runs: <home>/learn/<time>/ each, and how far the last one had heard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tamiz.lab.learn.run import REPORT, State

FOLDER = "learn"
_FORM = "%Y%m%dT%H%M%S%fZ"


def new(folder: Path, at: datetime) -> Path:
    """A folder for the run of this moment."""
    made = folder / at.astimezone(UTC).strftime(_FORM)
    made.mkdir(mode=0o700, parents=True)
    return made


def heard(folder: Path, tenant: str) -> int:
    """The number of the newest word that the tenant's last finished run had; runs that had too few rows do not count."""
    reports = (report for report in _reports(folder) if report["tenant"] == tenant)
    return max((int(report["sequence"]) for report in reports if report["state"] != State.TOO_FEW), default=0)


def sweep(folder: Path) -> None:
    """Away with what runs left that were killed. Only while nobody learns."""
    for path in _folders(folder):
        if not (path / REPORT).is_file():
            shutil.rmtree(path)


def _reports(folder: Path) -> Iterator[dict[str, Any]]:
    for path in _folders(folder):
        if (path / REPORT).is_file():
            yield json.loads((path / REPORT).read_text("utf-8"))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*T[0-9]*Z") if path.is_dir())
