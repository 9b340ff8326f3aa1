"""The notebook's cells run from top to bottom; outside Colab nothing is installed, mounted or downloaded."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch comes with the extra 'train'")
pytest.importorskip("trl", reason="trl comes with the extra 'train'")

from tamiz.lab.llm.config import profiles

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "finetune.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def filled(code: str, values: dict[str, object]) -> str:
    """A form cell with other parameters; each has its own line, marked `# @param`."""
    for name, value in values.items():
        code, count = re.subn(
            rf"^{name} = .*# @param.*$", lambda _, n=name, v=value: f"{n} = {v!r}", code, flags=re.MULTILINE
        )
        assert count <= 1
    return code


def test_the_notebook_is_clean(cells: list[dict[str, Any]]) -> None:
    told = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (told["nbformat"], told["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)
    for cell in cells:
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )
        assert not cell.get("outputs")
    settings = next(source(cell) for cell in cells if cell["id"] == "settings")
    assert all(f'"{name}"' in settings for name in profiles())


def test_every_cell_runs_and_the_adapter_is_saved(
    cells: list[dict[str, Any]], tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "tickets.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Description", "Category"])
        for i in range(60):
            kind = ("vpn", "Network") if i % 2 else ("toner", "Printing")
            writer.writerow([f"The {kind[0]} of desk {i} stopped, room {i * 7 % 31}, case {i * 13}", kind[1]])
    profile = tmp_path / "tiny.toml"
    settings = tiny.config().model_dump()
    profile.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items()), "utf-8")
    run = tmp_path / "run"
    values = {"DATA": "path", "TABLE": str(table), "PROFILE": str(profile), "MAX_STEPS": 2, "RUN": str(run)}
    namespace: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile(filled(source(cell), values), cell["id"], "exec"), namespace)
    assert namespace["colab"] is None
    assert "step 2 of 2" in capsys.readouterr().out
    told = namespace["notebook"].answer(run, "The toner is empty")
    assert told["category"][0] in {"Network", "Printing"}
    assert set(told) == {"category", "summary", "needs_human"}
    with zipfile.ZipFile(run / "adapter.zip") as made:
        assert {"adapter_config.json", "adapter_model.safetensors"} <= set(made.namelist())
