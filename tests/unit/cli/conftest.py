"""Run `tamiz` in a folder of its own, with a data home of its own."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tamiz.cli.main import app

Run = Callable[..., Result]
TOPICS = {"Network": "vpn router wifi", "Printing": "printer toner paper", "Mail": "outlook inbox calendar"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("models", "list")` calls the command in `tmp_path`; errors stay in `result.exception`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TAMIZ_MODEL", raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """150 labelled tickets of three topics."""
    return write_table(tmp_path / "tickets.csv", 150, 0)


def write_table(path: Path, rows: int, seed: int) -> Path:
    rng = random.Random(seed)
    words = [
        f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ra") for b in ("ben", "dor", "fim", "gul", "hax")
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Short description", "Description", "Category"])
        for number in range(rows):
            topic = rng.choice(list(TOPICS))
            subject = f"{rng.choice(TOPICS[topic].split())} {rng.choice(words)}"
            writer.writerow(
                [subject, f"The {TOPICS[topic]} {' '.join(rng.sample(words, 9))} {number}", topic]
            )
    return path


@pytest.fixture
def other_table(tmp_path: Path) -> Path:
    """60 other tickets of the same topics."""
    return write_table(tmp_path / "other.csv", 60, 5)
