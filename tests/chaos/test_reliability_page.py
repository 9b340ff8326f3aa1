"""The page about reliability has a row for every case, and every test that it names exists."""

from __future__ import annotations

import ast
import re

import pytest

from .harness import ROOT

PAGE = ROOT / "docs" / "reliability.md"
CASES = [
    *(f"A{n}" for n in range(1, 25)),
    *(f"C{n}" for n in range(1, 20)),
    *(f"D{n}" for n in range(21, 24)),
]
RESULTS = ("pass", "pending", "cannot run here")
ROWS = {
    cells[1].strip(): cells for line in PAGE.read_text().splitlines() if len(cells := line.split("|")) == 6
}
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text())))


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_row_with_a_result(case: str) -> None:
    _, _, expected, shown, result, _ = ROWS[case]
    assert expected.strip()
    assert result.strip().startswith(RESULTS)
    assert "::" in shown or not result.strip().startswith("pass")
    assert result.strip() == "pass" or ":" in result, "what does not pass says why"


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
