"""From a table to a model in use: train, list, activate, roll back, verify, evaluate, backtest."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from tamiz.cli.console import PROBLEMS_FOUND
from tamiz.cli.models import answer_problems
from tamiz.domain.errors import BrokenArtifactError, LeakError, MissingExtraError
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.testing.scripted import ScriptedModel


@pytest.fixture
def trained(run: Any, table: Path) -> Path:
    """A baseline called `mine` in the registry; its folder."""
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
    result = run("train", "baseline", table, "--name", "mine", "--own")
    assert result.exit_code == 0, result.output
    (manifest,) = table.parent.glob("home/models/mine/*/manifest.json")
    return manifest.parent


def test_a_trained_model_is_listed_shown_and_sound(run: Any, trained: Path) -> None:
    assert "mine" in run("models", "list").stdout
    shown = json.loads(run("models", "show", "mine").stdout)
    assert (shown["kind"], shown["content_hash"][:12]) == ("linear", trained.name)
    assert "sound" in run("models", "verify", "mine").stdout
    assert not (trained.parents[2] / "training/mine").exists()


def test_a_changed_file_is_found(run: Any, trained: Path) -> None:
    (trained / "vocabulary.txt").write_text("changed", "utf-8")
    result = run("models", "verify", "mine")
    assert result.exit_code == PROBLEMS_FOUND
    assert "vocabulary.txt has changed" in result.stderr


def test_models_are_activated_and_rolled_back(run: Any, trained: Path, table: Path) -> None:
    assert (
        run("train", "baseline", table, "--out", "elsewhere", "--majority", "--name", "floor").exit_code == 0
    )
    assert str(trained) in run("models", "activate", "mine").stderr
    activated = run("models", "activate", "elsewhere").stderr
    assert "home/models/floor" in activated.replace("\\", "/")
    assert str(trained) in run("models", "rollback").stderr


def test_a_model_is_never_overwritten(run: Any, trained: Path, table: Path) -> None:
    result = run("train", "baseline", table, "--out", trained)
    assert isinstance(result.exception, BrokenArtifactError)


def test_evaluate_prints_the_text_and_writes_the_report(
    run: Any, trained: Path, table: Path, other_table: Path
) -> None:
    result = run("evaluate", "mine", other_table, "--train", table, "--out", "report")
    assert result.exit_code == 0, result.output
    assert "TF-IDF + LinearSVC" in result.stdout
    names = {path.name for path in (table.parent / "report").iterdir()}
    assert names == {"report.json", "report.txt", "report.html", "confusion-category.svg"}


def test_evaluate_on_its_own_training_rows_is_refused_unless_told(
    run: Any, trained: Path, table: Path
) -> None:
    assert isinstance(run("evaluate", "mine", table, "--train", table).exception, LeakError)
    told = run("evaluate", "mine", table, "--train", table, "--allow-leak")
    assert (told.exit_code, "LEAK" in told.stdout) == (0, True)


def test_backtest_prints_writes_and_never_takes_a_folder_twice(run: Any, table: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")
    for folder in ("backtest-tickets", "backtest-tickets-2"):
        result = run("backtest", table, "--quick", "--labels", "Category")
        assert result.exit_code == 0, result.output
        assert "Switch it on: tamiz models activate" in result.stdout
        assert (table.parent / folder / "report.html").is_file()
    assert run("models", "activate", "backtest-tickets/model").exit_code == 0


@pytest.mark.skipif(util.find_spec("sklearn") is not None, reason="the extra 'train' is installed")
@pytest.mark.parametrize("command", [["backtest"], ["train", "baseline"], ["train", "encoder"]])
def test_without_the_extra_the_error_names_it(run: Any, table: Path, command: list[str]) -> None:
    result = run(*command, table)
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'tamiz[train]'" in result.exception.one_line()


def test_a_model_whose_answers_depend_on_their_neighbours_is_found() -> None:
    class Moody(ScriptedModel):
        def predict(self, texts: Any) -> Any:
            self.script = lambda text: {
                "category": (self.taxonomy.field("category").keys[len(texts) % 2], 0.9)
            }
            return super().predict(texts)

    steady = ScriptedModel(default_taxonomy(), lambda text: {})
    assert answer_problems(steady) == []
    assert answer_problems(Moody(default_taxonomy(), lambda text: {}))


def test_the_command_line_starts_without_the_laboratory() -> None:
    code = "import sys, tamiz.cli.main; print([m for m in ('torch', 'sklearn', 'scipy', 'pandas', 'onnxruntime') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_error_is_one_line_on_stderr_with_its_exit_code() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tamiz.cli.main", "data", "info", "nowhere.csv"],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert found.stderr.strip().splitlines()[-1].startswith("tamiz: nowhere.csv:")
