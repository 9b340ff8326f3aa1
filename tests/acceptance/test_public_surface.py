"""The documented Python surface: complete, typed, and its examples run."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
import typing

import pytest
from typer.testing import CliRunner

import tamiz
from tamiz.bootstrap import sieve as sieve_module
from tamiz.bootstrap.settings import load_settings
from tamiz.cli.main import app
from tamiz.domain.errors import ConfigError, ModelNotFoundError

RUN = CliRunner()


def test_everything_public_is_listed_documented_and_annotated() -> None:
    assert set(tamiz.__all__) == {name for name in vars(tamiz) if name in tamiz.__all__}
    for name in tamiz.__all__:
        thing = getattr(tamiz, name)
        if callable(thing):
            assert thing.__doc__, name
    assert typing.get_type_hints(tamiz.load)["return"] is tamiz.Sieve


@pytest.mark.parametrize("module", [tamiz, sieve_module])
def test_the_examples_in_the_documentation_run(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_one_text_or_many() -> None:
    sieve = tamiz.load("starter")
    alone = sieve.triage("The printer jams on every page")
    several = sieve.triage(["The printer jams on every page", tamiz.RawMessage("VPN", "drops each hour")])
    assert alone.to_wire() == several[0].to_wire()
    assert len(several) == 2
    assert sieve.triage([]) == []
    assert alone.receipt.model == "starter"


def test_unknown_models_and_settings_are_told(tmp_path) -> None:
    settings = load_settings({"TAMIZ_HOME": str(tmp_path)}, tmp_path)
    with pytest.raises(ModelNotFoundError, match="starter"):
        tamiz.load("nope", settings)
    (tmp_path / "tamiz.toml").write_text("colour = 1\n")
    with pytest.raises(ConfigError, match="colour"):
        load_settings({}, tmp_path)
    (tmp_path / "tamiz.toml").write_text("[policy]\npriority = 'sometimes'\n")
    with pytest.raises(ConfigError, match="sometimes"):
        tamiz.load("starter", load_settings({"TAMIZ_HOME": str(tmp_path)}, tmp_path))
    off = load_settings({"TAMIZ_HOME": str(tmp_path), "TAMIZ_POLICY_PRIORITY": "off"}, tmp_path)
    assert tamiz.load("starter", off).triage("VPN drops").fields["priority"].value is None


def test_importing_tamiz_needs_no_training_library() -> None:
    code = "import sys, tamiz; tamiz.load('starter').triage('x'); print(sorted({'torch', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("output", ["json", "csv", "table"])
def test_the_command_prints_every_form(output, tmp_path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("asunto;descripción\nVPN;se corta cada hora\nPrinter;jams on every page\n", "utf-8")
    done = RUN.invoke(app, ["triage", str(path), "--output", output, "--model", "starter"])
    assert done.exit_code == 0, done.output
    if output == "json":
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert [row["id"] for row in rows] == ["1", "2"]
    else:
        assert "category" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "shown"),
    [
        (["triage", "--explain", "My password for SAP has expired"], None, '"evidence"'),
        (["triage"], "From: a@b.example\nSubject: Wifi down\n\nNo wifi on floor 3\n", "Wifi down"),
        (["triage", "--lines"], "no wifi\n\nno mouse\n", '"id": "3"'),
        (["taxonomy", "check"], None, "assignment_group"),
        (["taxonomy", "schema"], None, "2020-12"),
    ],
)
def test_commands_print_what_they_promise(arguments, stdin, shown) -> None:
    done = RUN.invoke(app, arguments, input=stdin)
    assert done.exit_code == 0, done.output
    assert shown in done.output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["triage", "absent.csv"], 2, "no such file"),
        (["triage", "x", "--model", "absent"], 4, "known are: starter"),
        (["taxonomy", "check", "absent.toml"], 2, "cannot be read"),
        (["models", "show", "absent"], 4, "known are: starter"),
        (["nonsense"], 2, ""),
    ],
)
def test_wrong_input_is_one_line_and_a_documented_exit_code(arguments, code, told, tmp_path) -> None:
    command = [sys.executable, "-m", "tamiz.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
