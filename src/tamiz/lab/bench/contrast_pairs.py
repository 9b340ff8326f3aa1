"""Pairs of texts that must not share an answer, and pairs that may, made from `contrast_bank.toml`.

Halves: a pair belongs to one where its frame *and* its words do; pairs of mixed halves are left out.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import combinations, pairwise, product
from typing import Any

SEED = 0
HALVES = ("dev", "held-out")
FRESH = "fresh"
"""A third part with frames and words of its own, written once the rules stood."""
SAME = "same"
JUDGED = ("grown", "judgement", "second", "third")
"""Files of tickets: the first one for development, the others each written before one look."""
FRAMES_EACH = 5
"""Frames drawn per word pair and object; each gives a pair in one frame and a pair across two."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts; `kind` names the way in which they differ, or is "same"."""

    a: str
    b: str
    kind: str
    language: str
    half: str


def pairs(seed: int = SEED) -> list[Pair]:
    """All pairs of both halves and languages, without repetitions."""
    bank = _bank("contrast_bank.toml")
    rng = random.Random(seed)
    found = [
        Pair(a, b, kind, language, HALVES[half])
        for language, own in bank.items()
        for half in (0, 1)
        for kind, a, b in _made(_half(own, half), rng)
    ]
    found += [
        Pair(a, b, kind, language, FRESH)
        for language, own in bank.items()
        for kind, a, b in _made(own[FRESH], rng)
    ]
    return list(dict.fromkeys(found))


def judgement(name: str) -> list[Pair]:
    """Tickets by which the guard of the cache is made or judged, from `contrast_<name>.toml`: every way to ask for something beside
    every way to ask for its opposite, other names, other figures, and wordings of one ticket."""
    return list(
        dict.fromkeys(
            Pair(a, b, kind, language, name)
            for language, own in _bank(f"contrast_{name}.toml").items()
            for kind, a, b in _judged(own)
        )
    )


def _judged(own: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for asked, opposed, objects in own["opposite"]:
        for thing in objects:
            for one, other in product(asked, opposed):
                yield "opposite", _filled(one, thing), _filled(other, thing)
            for ways in (asked, opposed):
                for one, other in combinations(ways, 2):
                    yield SAME, _filled(one, thing), _filled(other, thing)
    for kind, name in (("entity", "swapped"), ("number", "numbered")):
        for frame, values in own[name]:
            for one, other in combinations(values, 2):
                yield kind, _filled(frame, one), _filled(frame, other)
    for phrasings, values in own["same"]:
        for value in values:
            for one, other in combinations(phrasings, 2):
                yield SAME, _filled(one, value), _filled(other, value)


def _bank(name: str) -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(resources.files("tamiz.lab.bench").joinpath(name).read_text("utf-8"))


def _half(own: Mapping[str, Any], half: int) -> dict[str, Any]:
    return {name: lines[half::2] for name, lines in own.items() if isinstance(lines, list)}


def _made(own: Mapping[str, Any], rng: random.Random) -> Iterator[tuple[str, str, str]]:
    for a, b in _acts(own["acts"], own["frames"], rng):
        yield "opposite", a, b
    for kind, name in (("polarity", "polar"), ("scope", "scope"), ("intent", "intent")):
        for left, right, objects in own[name]:
            for thing in objects:
                yield kind, _filled(left, thing), _filled(right, thing)
    for kind, name in (("entity", "swapped"), ("number", "numbered")):
        for frame, values in own[name]:
            for one, other in combinations(values, 2):
                yield kind, _filled(frame, one), _filled(frame, other)
    for frame, sides in own["roles"]:
        for x, y in sides:
            yield "roles", _roles(frame, x, y), _roles(frame, y, x)
    for phrasings, values in own["same"]:
        for value in values:
            for one, other in combinations(phrasings, 2):
                yield SAME, _filled(one, value), _filled(other, value)


def _acts(acts: Sequence[Any], frames: Sequence[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """Opposite acts, in one frame and in two."""
    for one, other, objects in acts:
        for thing in objects:
            left, right = one.replace("{x}", thing), other.replace("{x}", thing)
            drawn = rng.sample(frames, FRAMES_EACH + 1)
            for frame, another in pairwise(drawn):
                yield _framed(frame, left), _framed(frame, right)
                yield _framed(frame, left), _framed(another, right)


def _framed(frame: str, act: str) -> str:
    return frame.replace("{act}", act).replace("{Act}", _upper(act))


def _filled(text: str, value: str) -> str:
    return _upper(text.replace("{X}", _upper(value)).replace("{x}", value))


def _roles(frame: str, x: str, y: str) -> str:
    return _upper(frame.replace("{x}", x).replace("{y}", y))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
