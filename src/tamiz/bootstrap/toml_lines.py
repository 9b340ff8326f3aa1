"""In which line of a TOML text a key stands, so that a mistake can be told with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TABLE = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ELEMENT = re.compile(r"\s*\[\[([^\[\]]+)\]\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")

Place = tuple[str | int, ...]


def line_of(text: str, place: Sequence[str | int]) -> int:
    """The line, from 1, of the key at a place like ("rules", 2, "where", "category"): of the innermost part of the place
    that has a line of its own; 0 where none has."""
    best, found = 0, 0
    for number, here in _places(text):
        length = next((i for i, (a, b) in enumerate(zip(here, place, strict=False)) if a != b), len(here))
        if length == len(here) <= len(place) and length > best:
            best, found = length, number
    return found


def _places(text: str) -> Iterator[tuple[int, Place]]:
    table: Place = ()
    elements: dict[Place, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if found := _ELEMENT.match(line):
            name = _parts(found[1])
            elements[name] = elements.get(name, -1) + 1
            table = (*name, elements[name])
            yield number, table
        elif found := _TABLE.match(line):
            table = _parts(found[1])
            yield number, table
        elif found := _KEY.match(line):
            yield number, (*table, *_parts(found[1]))


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))
