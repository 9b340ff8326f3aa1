"""Size budgets: functions p90 <= 30 lines and none over 60, files <= 400 lines, few mock patches. Run: make check."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

P90, LONGEST, FILE_LINES, PATCHES_PER_100_TESTS = 30, 60, 400, 2
PATCH = re.compile(r"\bpatch\(|patch\.object\(|mocker\.|\bMock\(|MagicMock\(|monkeypatch\.setattr\(")
BOUNDARIES: frozenset[str] = frozenset()
"""Functions that may catch every exception, as `path:function`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> list[Function]:
    """Every function in a file, methods included."""
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines from `def` to the end of the body."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def source_problems(root: Path) -> list[str]:
    """What in `src` breaks a budget."""
    found, lengths = [], []
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text("utf-8").count("\n")
        if lines > FILE_LINES:
            found.append(f"{path}: {lines} lines, at most {FILE_LINES}")
        for function in functions(path):
            lengths.append(length(function))
            if length(function) > LONGEST:
                found.append(
                    f"{path}:{function.lineno} {function.name}: {length(function)} lines, at most {LONGEST}"
                )
            if function.returns is None:
                found.append(f"{path}:{function.lineno} {function.name}: no return annotation")
    p90 = sorted(lengths)[int(len(lengths) * 0.9)]
    print(
        f"{len(lengths)} functions, median {sorted(lengths)[len(lengths) // 2]}, p90 {p90}, longest {max(lengths)}"
    )
    return [*found, f"function length p90 is {p90}, at most {P90}"] if p90 > P90 else found


def patch_problems(root: Path) -> list[str]:
    """Mock patches beyond the budget."""
    texts = [path.read_text("utf-8") for path in root.rglob("*.py")]
    patches = sum(len(PATCH.findall(text)) for text in texts)
    tests = sum(len(re.findall(r"^\s*def test_", text, re.MULTILINE)) for text in texts)
    allowed = tests * PATCHES_PER_100_TESTS / 100
    return [f"{patches} mock patches in {tests} tests"] if patches > allowed else []


if __name__ == "__main__":
    problems = source_problems(Path("src")) + patch_problems(Path("tests"))
    print("\n".join(problems) or "budgets hold")
    sys.exit(bool(problems))
