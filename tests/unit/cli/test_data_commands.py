"""`tamiz data …` and wrong input, as a person types it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tamiz.cli.console import PROBLEMS_FOUND
from tamiz.cli.tables import choices, narrowed
from tamiz.domain.errors import ConfigError, DataError, ModelNotFoundError, TamizError
from tamiz.domain.taxonomy_file import default_taxonomy


def test_info_tells_how_a_table_is_read(run: Any, table: Path) -> None:
    result = run("data", "info", table)
    assert result.exit_code == 0
    assert "rows: 150 usable, 0 kept aside" in result.stdout
    assert "category: 150 labels, 3 classes" in result.stdout
    assert "subject: Short description" in result.stderr


def test_check_of_leaking_parts_ends_with_the_exit_code_for_problems(run: Any, table: Path) -> None:
    result = run("data", "check", table, table, "--leaks-only")
    assert result.exit_code == PROBLEMS_FOUND
    assert "LEAK" in result.stdout


def test_check_of_clean_parts_ends_well(run: Any, table: Path, other_table: Path) -> None:
    result = run("data", "check", table, other_table, "--leaks-only")
    assert (result.exit_code, "LEAK" in result.stdout) == (0, False)


@pytest.mark.parametrize("by", ["group", "random"])
def test_split_writes_every_row_once_with_the_same_columns(
    run: Any, table: Path, by: str, tmp_path: Path
) -> None:
    result = run(
        "data", "split", table, "--out", "parts", "--by", by, "--shares", "train=0.7,valid=0.1,test=0.2"
    )
    assert result.exit_code == 0, result.output
    parts = {path.stem: read(path) for path in (tmp_path / "parts").iterdir()}
    assert set(parts) == {"train", "valid", "test"}
    assert sorted((row for rows in parts.values() for row in rows), key=str) == sorted(read(table), key=str)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["made.csv", "made.jsonl"])
def test_synth_writes_tickets_and_prints_statistics(run: Any, name: str, tmp_path: Path) -> None:
    result = run("data", "synth", "--rows", 30, "--out", name, "--statistics", "s.json")
    assert result.exit_code == 0, result.output
    assert "distinct texts" in result.stdout
    assert json.loads((tmp_path / "s.json").read_text("utf-8"))["rows"] == 30
    assert len((tmp_path / name).read_text("utf-8").splitlines()) >= 30


@pytest.mark.parametrize(
    ("arguments", "error", "code", "told"),
    [
        (["data", "info", "nowhere.csv"], DataError, 2, "Check the path"),
        (["data", "info", "tickets.csv", "--column", "Title"], ConfigError, 2, "NAME=ROLE"),
        (["data", "info", "tickets.csv", "--column", "Nothing=body"], DataError, 2, "no column 'Nothing'"),
        (["data", "split", "tickets.csv", "--out", "p", "--shares", "train=0.5"], ConfigError, 2, "sum to 1"),
        (["data", "split", "tickets.csv", "--out", "p", "--shares", "nonsense"], ConfigError, 2, "train=0.8"),
        (
            ["data", "split", "tickets.csv", "--out", "p", "--shares", "../x=0.5,b=0.5"],
            ConfigError,
            2,
            "file name",
        ),
        (["data", "split", "tickets.csv", "--out", "p", "--by", "time"], DataError, 2, "have a time"),
        (["data", "synth", "--out", "x.txt"], ConfigError, 2, ".csv or .jsonl"),
        (["data", "synth", "--out", "x.csv", "--split", "dev"], ConfigError, 2, "train, valid, test"),
        (["data", "synth", "--out", "x.csv", "--languages", "fr"], DataError, 2, "en and/or es"),
        (["models", "show", "nobody"], ModelNotFoundError, 4, "No model named 'nobody'"),
        (["evaluate", "nobody", "tickets.csv"], ModelNotFoundError, 4, "models list"),
        (["models", "rollback"], TamizError, 4, "nothing to roll back"),
    ],
)
def test_wrong_input_gives_one_line_that_says_what_to_do(
    run: Any, table: Path, arguments: list[str], error: type[TamizError], code: int, told: str
) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, error), result.output
    line = result.exception.one_line()
    assert (result.exception.exit_code, "\n" in line, told in line) == (code, False, True), line


def test_columns_are_named_in_either_order() -> None:
    assert choices(["Title=subject", "body=Text,label=Team"]) == {
        "Title": "subject",
        "Text": "body",
        "Team": "label",
    }
    assert choices(["Prio=priority"]) == {"Prio": "priority"}


def test_a_narrowed_taxonomy_keeps_what_its_fields_rest_on() -> None:
    taxonomy = default_taxonomy()
    names = [f.name for f in narrowed(taxonomy, ["priority"]).choices]
    assert set(names) == {"urgency", "impact", "priority"}
    assert narrowed(taxonomy, []) is taxonomy
    with pytest.raises(ConfigError, match="'colour' is not a field"):
        narrowed(taxonomy, ["colour"])


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate"],
        ["backtest"],
        ["train", "encoder"],
        ["train", "baseline"],
        ["data", "check"],
        ["models", "list"],
    ],
)
def test_help_shows_an_example(run: Any, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"tamiz {' '.join(command)}" in result.stdout
