"""The lowest severity that a ticket's own words speak for: a floor under what a model says, with the words to show.

The words stand in `severity_words.toml`, in English and Spanish, by field name and rank; labels come from the taxonomy.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from tamiz.domain.taxonomy import Field, FieldKind, Taxonomy

_PLAIN = str.maketrans(
    "áàâäéèêëíìîïóòôöúùûüñçÁÀÂÄÉÈÊËÍÌÎÏÓÒÔÖÚÙÛÜÑÇİ’", "aaaaeeeeiiiioooouuuuncaaaaeeeeiiiioooouuuunci'"
)
"""One character for one, so that places in the plain text are places in the text."""
_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.!?;](?=\w)[^.!?;\n]+)*")
_SET = re.compile(r"\{([a-z]+)\}")
_OPTIONAL = re.compile(r"\(([^()]*)\)\? ")
_GAP = r"[^\w\n]{1,3}"
_SOME_WORDS = rf"(?:[\w'<>/-]{{1,30}}{_GAP}){{0,3}}"


@dataclass(frozen=True, slots=True)
class Floor:
    """The least severe label that the words allow in a field, its rank (0 = most severe), and the words as they stand."""

    rank: int
    label: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words file, compiled. `floors` are (field, rank) → pattern."""

    floors: Mapping[tuple[str, int], re.Pattern[str]]
    negated: re.Pattern[str]
    resolved: re.Pattern[str]
    pending: re.Pattern[str]
    unreal: re.Pattern[str]


def floor(text: str, taxonomy: Taxonomy) -> Mapping[str, Floor]:
    """Field → floor, for the ordered fields of which the canonical text speaks; linear in the length of the text.

    What is denied ("no outage"), over ("already solved") or only spoken of ("an outage drill") sets no floor.
    """
    return floors(text, taxonomy)[0]


def floors(text: str, taxonomy: Taxonomy) -> tuple[Mapping[str, Floor], Mapping[str, Floor]]:
    """The floors, and those that would hold if the ticket did not say that something is over. It may speak of another
    matter ("the printer is already fixed"), so such words ease a cry to a suggestion and do not undo it in silence."""
    words = _words()
    plain = text.translate(_PLAIN).lower()
    closed = _closed(plain, words)
    standing = _floors(text, plain, taxonomy, words, closed)
    if not closed:
        return standing, {}
    whole = _floors(text, plain, taxonomy, words, 0)
    eased = {name: f for name, f in whole.items() if name not in standing or f.rank < standing[name].rank}
    return standing, eased


def _floors(text: str, plain: str, taxonomy: Taxonomy, words: _Words, closed: int) -> dict[str, Floor]:
    found: dict[str, tuple[int, list[str]]] = {}
    for (name, rank), pattern in words.floors.items():
        field = _ordered(taxonomy, name)
        if field is None or rank >= len(field.keys) - 1:
            continue
        for start, end in _said(plain, pattern, words, closed):
            lowest, heard = found.get(name, (rank, []))
            if rank < lowest:
                heard = []
            if rank <= lowest:
                found[name] = (rank, [*heard, text[start:end]])
    return {
        name: Floor(rank, taxonomy.field(name).keys[rank], tuple(dict.fromkeys(heard)))
        for name, (rank, heard) in found.items()
    }


def _ordered(taxonomy: Taxonomy, name: str) -> Field | None:
    return next(
        (f for f in taxonomy.fields if f.name == name and f.kind is FieldKind.CHOICE and f.ordered), None
    )


def _said(plain: str, pattern: re.Pattern[str], words: _Words, closed: int) -> Iterator[tuple[int, int]]:
    """Where a phrase stands that is meant: not denied, not closed later on, not merely spoken of."""
    for sentence in _SENTENCE.finditer(plain, closed):
        spans = [match.span() for match in pattern.finditer(plain, *sentence.span())]
        if spans and not words.unreal.search(plain, *sentence.span()):
            yield from (
                span
                for span in spans
                if not words.negated.search(plain[max(sentence.start(), span[0] - 60) : span[0]])
            )


def _closed(plain: str, words: _Words) -> int:
    """The end of the last statement that the matter is over; what stands before it sets no floor."""
    end = 0
    for match in words.resolved.finditer(plain):
        if not words.pending.search(plain[max(0, match.start() - 40) : match.start()]):
            end = match.end()
    return end


@lru_cache(maxsize=1)
def _words() -> _Words:
    file = resources.files("tamiz.pipeline").joinpath("severity_words.toml")
    raw: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    sets: dict[str, str] = raw["sets"]
    phrases: dict[tuple[str, int], list[str]] = {}
    for block in raw["floors"]:
        for name, rank in block.items():
            if name != "say":
                phrases.setdefault((name, rank), []).extend(block["say"])
    denied = f"{_either(raw['negations'], sets)}{_GAP}(?:{_either(raw['between'], sets)}{_GAP}){{0,4}}"
    return _Words(
        floors={key: _pattern(said, sets) for key, said in sorted(phrases.items())},
        negated=re.compile(rf"(?<!\w){denied}$"),
        resolved=_pattern(raw["resolved"], sets),
        pending=re.compile(rf"(?<!\w){_either(raw['pending'], sets)}{_GAP}{_SOME_WORDS}$"),
        unreal=_pattern(raw["unreal"], sets),
    )


def _pattern(phrases: Iterable[str], sets: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w<]){_either(phrases, sets)}(?![\w])")


def _either(phrases: Iterable[str], sets: Mapping[str, str]) -> str:
    return f"(?:{'|'.join(_phrase(phrase, sets) for phrase in phrases)})"


def _phrase(phrase: str, sets: Mapping[str, str]) -> str:
    """A phrase of the words file as a regular expression; no part of it repeats without a bound."""
    pattern = _SET.sub(lambda match: f"({sets[match[1]]})", phrase)
    pattern = _OPTIONAL.sub(lambda match: f"(({match[1]}) )?", pattern)
    pattern = pattern.replace("(", "(?:").replace("*", r"\w{0,12}")
    return pattern.replace("~ ", _SOME_WORDS).replace(" ", _GAP)
