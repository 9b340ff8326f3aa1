"""The word lists of `contrast`, read once, and what they say of the words of a text."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from tamiz.text.contrast_forms import english_noun, english_verb, spanish_noun, spanish_verb, without_clitics

LANGUAGES = ("en", "es")
SHORTEST_START, LONGEST_START = 3, 24
FAILURE = "failure"
"""The concept of not working, whatever it is called."""
GERUND = "<ing>"
"""In a list: any English gerund follows; it is not part of the phrase."""
LISTS = (
    "fails", "trouble", "works", "solved", "negations", "concord", "questions", "everybody", "idioms", "others", "only",
    "except", "directions", "towards", "away", "generic", "light", "wishes", "beyond", "fillers",
)  # fmt: skip
_MARKED: Mapping[str, Mapping[str, Callable[[str], frozenset[str]]]] = {
    "en": {"~": english_verb, "+": english_noun},
    "es": {"~": spanish_verb, "+": spanish_noun},
}
_ENDINGS = ("ing", "es", "ed", "os", "as", "s", "o", "a", "e", "n", "r")


@dataclass(slots=True)
class Entry:
    """What the lists say of a phrase; `concepts` and `sides` name the groups and the pairs of opposites it stands in."""

    lists: set[str] = field(default_factory=set)
    concepts: list[str] = field(default_factory=list)
    sides: list[tuple[str, int]] = field(default_factory=list)
    ahead: bool = False
    """Its last word is looked at and left where it is."""


_SILENT = frozenset(("fillers",))


@dataclass(frozen=True, slots=True)
class Unit:
    """A phrase of the lists, or a word that stands in none: its lists, the concepts it may stand for, its sides."""

    said: str
    length: int
    lists: frozenset[str] = frozenset()
    concepts: frozenset[str] = frozenset()
    sides: tuple[tuple[str, int], ...] = ()

    @property
    def silent(self) -> bool:
        """Does it say nothing in any respect?"""
        return not self.concepts and not self.sides and self.lists == _SILENT

    @property
    def listed(self) -> bool:
        """Is it in any list?"""
        return bool(self.lists or self.sides) or not any(c.startswith("=") for c in self.concepts)


@dataclass(slots=True)
class Node:
    """A word of a phrase: what may follow it, what the phrase up to here means, and how many words may follow at most."""

    after: dict[str, Node] = field(default_factory=dict)
    entry: Entry | None = None
    depth: int = 0


@dataclass(slots=True)
class Words:
    """All lists of one language: phrases by their first word, and the list words that a form may stand for."""

    root: Node = field(default_factory=Node)
    forms: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    starts: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    small: set[str] = field(default_factory=set)
    clitics: bool = False

    def keys(self, word: str) -> tuple[str, ...]:
        """The list words that this form may stand for; itself first."""
        found = [word, *self.forms.get(word, ())]
        if word in self.small:
            return tuple(key for key in found if not key.endswith("~"))
        if self.clitics and len(found) == 1:
            found += [key for host in without_clitics(word) for key in self.forms.get(host, ()) if "~" in key]
        if self.starts:
            found += [
                start
                for end in range(min(len(word), LONGEST_START), SHORTEST_START - 1, -1)
                if (start := word[:end] + "*") in self.starts
            ]
        if len(word) > 4 and word.endswith("ing"):
            found.append(GERUND)
        return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1)
def words() -> Mapping[str, Words]:
    """The lists of both languages."""
    found = {language: Words(clitics=language == "es") for language in LANGUAGES}
    raw = _file("contrast_words.toml")
    for language, small in raw["small"].items():
        found[language].small.update(small.replace(",", " ").split())
    for name in LISTS:
        _add(found, raw[name], lambda entry, name=name: entry.lists.add(name))  # type: ignore[misc]
    for figure, names in raw["figures"].items():
        _both(found, names, lambda entry, figure=figure: entry.concepts.append(f"figures:{figure}"))  # type: ignore[misc]
    same = _file("contrast_same.toml")
    for group in ("things", "same", "times", "moves"):
        for number, phrases in enumerate(same[group]):
            _add(found, phrases, lambda entry, c=f"{group}:{number}": entry.concepts.append(c))  # type: ignore[misc]
    for group in ("products", "casual"):
        for number, names in enumerate(same[group]):
            _both(found, names, lambda entry, c=f"{group}:{number}": entry.concepts.append(c))  # type: ignore[misc]
    for number, pair in enumerate(_file("contrast_opposites.toml")["opposites"]):
        for language, text in pair.items():
            for side, phrases in enumerate(text.split("|")):
                told = (f"opposites:{number}", side)
                _add(found, {language: phrases}, lambda entry, told=told: entry.sides.append(told))  # type: ignore[misc]
    for own in found.values():
        _deny(own.root, False)
        _measure(own.root)
    return found


def _deny(node: Node, denied: bool) -> None:
    """A phrase that names something and denies it says that it fails: "no picture"."""
    for word, after in node.after.items():
        here = denied or word in _DENIALS
        entry = after.entry
        if (
            here
            and entry
            and entry.concepts
            and entry.lists.isdisjoint(("fails", "trouble", "fillers", "idioms"))
        ):
            entry.lists.add("fails")
        _deny(after, here)


def _measure(node: Node) -> int:
    node.depth = max((1 + _measure(after) for after in node.after.values()), default=0)
    return node.depth


_DENIALS = frozenset(("no", "not", "sin"))


def _file(name: str) -> Mapping[str, Any]:
    return tomllib.loads(resources.files("tamiz.text").joinpath(name).read_text("utf-8"))


def _both(found: Mapping[str, Words], phrases: str, say: Callable[[Entry], object]) -> None:
    _add(found, dict.fromkeys(LANGUAGES, phrases), say)


def _add(found: Mapping[str, Words], phrases: Mapping[str, str], say: Callable[[Entry], object]) -> None:
    """Say this of all phrases of a list, which has a text for each language."""
    for language, text in phrases.items():
        for phrase in text.split(","):
            if phrase.strip():
                say(_entry(found[language], language, phrase.split()))


def _entry(own: Words, language: str, phrase: Sequence[str]) -> Entry:
    node = own.root
    for word in phrase:
        inflect = _MARKED[language].get(word[-1]) if len(word) > 1 else None
        if inflect:
            for form in inflect(word[:-1]):
                if word not in own.forms[form]:
                    own.forms[form].append(word)
            own.known.update(inflect(word[:-1]))
        elif word.endswith("*"):
            own.starts.add(word)
        else:
            own.known.add(word)
        node = node.after.setdefault(word, Node())
    node.entry = node.entry or Entry(ahead=phrase[-1] == GERUND)
    return node.entry


def languages(text: Sequence[str]) -> tuple[str, ...]:
    """The languages whose lists these words are read by: one where far more words stand in its lists alone."""
    en, es = (words()[language].known for language in LANGUAGES)
    english = sum(word in en and word not in es for word in text)
    spanish = sum(word in es and word not in en for word in text)
    if english > 2 * spanish:
        return ("en",)
    return ("es",) if spanish > 2 * english else LANGUAGES


def units(text: Sequence[str], read: tuple[str, ...]) -> Iterator[Unit]:
    """The phrases and words of a text in these languages in order, the longest phrase first; a verb comes with its particle."""
    particles = not _PARTICLES.isdisjoint(text)
    place = 0
    while place < len(text):
        unit = unit_at(tuple(text[place : place + _reach(text[place], read)]), read)
        apart = particles and unit.length == 1
        yield (apart and _separated(text[place : place + 2 + PARTICLE], read)) or unit
        place += unit.length


@lru_cache(maxsize=40_000)
def _keys(word: str, language: str) -> tuple[str, ...]:
    return words()[language].keys(word)


@lru_cache(maxsize=20_000)
def _reach(word: str, read: tuple[str, ...]) -> int:
    """How many words a phrase of the lists that begins with this one may have; at least one."""
    roots = ((language, words()[language].root) for language in read)
    nodes = [
        root.after[key] for language, root in roots for key in _keys(word, language) if key in root.after
    ]
    return 1 + max((node.depth for node in nodes), default=0)


FARTHEST = 4
"""Words that may stand between a denial and what it denies."""
PARTICLE = 8
"""Words after a verb among which its particle is looked for."""
_DETERMINERS = frozenset(
    "the a an my our your his her their its this that these those each every all some".split()
)
_PARTICLES = frozenset(("on", "off", "in", "out", "up", "down", "away", "back", "offline", "online"))


@lru_cache(maxsize=20_000)
def unit_at(text: tuple[str, ...], read: tuple[str, ...]) -> Unit:
    """The longest phrase of the lists with which these words begin, or the first word."""
    best: list[Entry] = []
    length = 1
    for language in read:
        nodes = [words()[language].root]
        for place, word in enumerate(text, start=1):
            keys = _keys(word, language)
            nodes = [node.after[key] for node in nodes for key in keys if key in node.after]
            entries = [node.entry for node in nodes if node.entry]
            if not nodes:
                break
            reach = max((place - entry.ahead for entry in entries), default=0)
            if reach > length or (entries and reach == length):
                kept = best if reach == length else []
                best = kept + [entry for entry in entries if place - entry.ahead == reach]
                length = reach
    said = " ".join(text[:length])
    if not best:
        return Unit(said, 1, concepts=frozenset(("=" + stem(said),)))
    return _told(said, length, best)


def _told(said: str, length: int, entries: Sequence[Entry]) -> Unit:
    entries = [entry for entry in entries if entry.ahead] or entries
    lists = frozenset(name for entry in entries for name in entry.lists)
    sides = tuple(dict.fromkeys(side for entry in entries for side in entry.sides))
    concepts = {concept for entry in entries for concept in entry.concepts}
    concepts |= {f"{pair}:{side}" for pair, side in sides}
    if "generic" in lists and not {"works", "solved"} & lists:
        concepts.add(FAILURE)
    return Unit(said, length, lists, frozenset(concepts), sides)


def _separated(text: Sequence[str], read: tuple[str, ...]) -> Unit | None:
    """A verb whose particle stands further on, as in "turn the sound off"; not where the particle begins a place or a time."""
    for place, word in enumerate(text[2:], start=2):
        if word in _PARTICLES and not (place + 1 < len(text) and text[place + 1] in _DETERMINERS):
            unit = unit_at((text[0], word), read)
            if unit.length == 2:
                return unit
    return None


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its ending, so that forms of one word agree."""
    if any(map(str.isdigit, word)):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 3:
            return word[: -len(ending)]
    return word
