"""Every regular expression of what runs in the service, by itself, on texts that make careless ones run away."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

import tamiz
from tamiz.domain.errors import MissingExtraError

ROOMS = ("text", "pipeline", "models", "api", "domain", "service", "store", "observe", "jobs")
"""Where words of a stranger may come; `bootstrap` and `cli` read what the operator wrote."""
SOURCES = Path(tamiz.__file__).parent
LONG = bool(os.environ.get("TAMIZ_PATTERNS"))
"""Every pair of characters, and longer texts."""
SIZES = (1_600, 6_400, 25_600, 102_400) if LONG else (1_600, 6_400, 25_600)
TINY = (12, 16, 20, 24)
"""Sizes at which what doubles with every character is found before it never ends."""
ENOUGH, FACTOR = 0.01, 7
"""Seconds from which a text is long enough to tell, and how much longer than for a quarter of it a search may take."""
CALLS = {"compile", "sub", "subn", "split", "match", "search", "findall", "finditer", "fullmatch"}
"""Functions of `re` that take a pattern first."""


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """(module and place, pattern): those that modules keep, and those that stand in a call."""
    found: dict[str | bytes, tuple[str, int]] = {}
    for room in ROOMS:
        if not (SOURCES / room).is_dir():
            continue
        package = importlib.import_module(f"tamiz.{room}")
        names = [package.__name__]
        names += [m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
        for name in names:
            module = import_or_skip(name)
            for pattern in kept(vars(module)) if module else ():
                found.setdefault(pattern.pattern, (name, pattern.flags))
        for path in (SOURCES / room).rglob("*.py"):
            for text, line in written(path):
                found.setdefault(text, (f"{path.relative_to(SOURCES)}:{line}", re.compile(text).flags))
    for text, (place, flags) in found.items():
        if isinstance(text, str):
            yield place, re.compile(text, flags & ~re.DEBUG)


def import_or_skip(name: str):
    try:
        return importlib.import_module(name)
    except (
        ImportError,
        MissingExtraError,
    ):  # of an extra that is not installed; its patterns are read from the source
        return None


def kept(value: object, depth: int = 4) -> Iterator[re.Pattern[str]]:
    """The patterns in a value of a module."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        for one in value.values():
            yield from kept(one, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from kept(one, depth - 1)
    elif depth and type(value).__module__.startswith("tamiz.") and hasattr(type(value), "__slots__"):
        for slot in type(value).__slots__:
            yield from kept(getattr(value, slot, None), depth - 1)


def written(path: Path) -> Iterator[tuple[str, int]]:
    """The patterns that stand as they are in a call of `re`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
        first = node.args[0]
        if (
            of_re
            and node.func.attr in CALLS
            and isinstance(first, ast.Constant)
            and isinstance(first.value, str)
        ):
            yield first.value, node.lineno


def hostile(pattern: str) -> Iterator[str]:
    """Short texts to be repeated: characters that the pattern speaks of and others, pairs of them, and what it may begin
    with."""
    own = sorted(set(re.sub(r"\\.|[\[\](){}?*+|^$]", "", pattern)))
    usual = list("a0 -.@<:\n" + ('/=_"(é' if LONG else ""))
    ones = dict.fromkeys([*own[: 100 if LONG else 3], *usual])
    begun = ("a.", "0-", "0 ", "a@a.", "<a ", "\n>", "a b", "-----BEGIN ")
    yield from ones
    yield from (piece for piece in begun if piece not in ones)
    if LONG:
        yield from (a + b for a in ones for b in usual if a != b and a + b not in begun)


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Of processor time to find all that there is."""
    started = time.thread_time()
    deque(pattern.finditer(text), maxlen=0)
    return time.thread_time() - started


def runs_away(pattern: re.Pattern[str], piece: str) -> str:
    """How a pattern got slower than its text got longer; empty where it did not. Looks at no bigger text than it must."""
    for size in TINY:
        took = seconds(pattern, piece * (size // len(piece)) + "\x00")
        if took > ENOUGH:
            return f"{size} characters take {took:.3f} s"
    before = ""
    for size in SIZES:
        text = piece * (size // len(piece)) + "\x00"
        took = seconds(pattern, text)
        if took > ENOUGH and before:
            for _ in range(3):  # it may have been the machine
                quarter = max(seconds(pattern, before), 1e-5)
                if took < FACTOR * quarter:
                    return ""
                took = min(took, seconds(pattern, text))
            return f"{size} characters take {took:.3f} s, a quarter {quarter:.3f} s"
        before = text
    return ""


PATTERNS = list(patterns())


def test_patterns_are_found() -> None:
    assert len(PATTERNS) > 60


@pytest.mark.parametrize(
    ("place", "pattern"), PATTERNS, ids=[f"{place}-{number}" for number, (place, _) in enumerate(PATTERNS)]
)
def test_no_expression_runs_away(place: str, pattern: re.Pattern[str]) -> None:
    found = {piece: told for piece in hostile(pattern.pattern) if (told := runs_away(pattern, piece))}
    assert not found, (place, pattern.pattern)


@pytest.mark.parametrize("careless", [r"\s+$", r"(a|a)*b", r"a.*b", r"(\w+\s?)+:", r"<[^>]*>"])
def test_careless_ones_would_be_found(careless: str) -> None:
    assert any(runs_away(re.compile(careless), piece) for piece in ("a", " ", "<a"))
