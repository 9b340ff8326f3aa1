"""What a text says, as far as words tell: figures, names, things, denials, and which of two opposites. For `contrast`."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from tamiz.text.fold import fold, safe

FARTHEST = 4
"""Words without meaning that may stand between a denial and what it denies."""
LONGEST_PHRASE = 4
SHORTEST_STEM, LONGEST_STEM = 2, 24
MOSTLY = 0.6
"""Share of words with a capital from which capitals name nobody: a headline, or somebody who shouts."""

_PIECE = re.compile(
    r"<[A-Z_]{2,20}(?:_\d{1,6})?>"
    r'|"[^"\n]{1,200}"'
    r"|(?:(?<=\s)-(?=\d))?[^\W_]+(?:[.,:/\\@_'+#&=?%~-]{1,3}[^\W_]+){0,40}[%$€£]?"
    r"|[.!?\n$€£]"
)
_END = frozenset(".!?\n")
_JOINED = frozenset("/\\@_=~")
_PARTICLES = frozenset(("on", "off", "in", "out", "up", "down", "away", "back"))
_ENDINGS = ("ing", "es", "ed", "os", "as", "s", "o", "a", "e", "n", "r")
_LISTS = (
    "fails", "works", "negations", "concord", "fillers", "questions", "everybody", "others", "directions",
)  # fmt: skip
_GROUPS = ("things", "same", "times")


@dataclass(slots=True)
class Reading:
    """One text. `content` and `things` are concept → the word that stood for it; `sides` is pair → side → word; `denied` are
    the concepts behind a negation, `marks` the order of what fails and what works."""

    plain: str
    words: list[str]
    meaning: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    times: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    quoted: set[str] = field(default_factory=set)
    content: dict[str, str] = field(default_factory=dict)
    things: dict[str, str] = field(default_factory=dict)
    sides: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    denied: set[str] = field(default_factory=set)
    denials: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    everybody: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    directions: set[str] = field(default_factory=set)

    @property
    def fails(self) -> bool:
        """Does the text say that something does not work or cannot be done?"""
        return "fails" in self.marks

    @property
    def speaks(self) -> bool:
        """Is there anything else than content that can be compared?"""
        return bool(self.numbers or self.names or self.quoted or self.marks or self.denials or self.sides)

    @property
    def stems(self) -> set[str]:
        """The words without their endings."""
        return set(map(_stem, self.words))


@dataclass(frozen=True, slots=True)
class _Unit:
    """A phrase of the lists, or a word that stands in none; its lists, and what it is counted as."""

    said: str
    lists: frozenset[str]
    concepts: tuple[str, ...]
    sides: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Entry:
    lists: set[str] = field(default_factory=set)
    concepts: list[str] = field(default_factory=list)
    sides: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Node:
    """A word of a phrase: what may follow it, and what the phrase up to here means."""

    after: dict[str, _Node] = field(default_factory=dict)
    entry: _Entry | None = None


def read(text: str) -> Reading:
    """Read a text of any length and kind; linear in its length."""
    folded = fold(safe(text))[0]
    if not folded.isascii():
        parts = unicodedata.normalize("NFKD", folded)
        folded = "".join(character for character in parts if not unicodedata.combining(character))
    reading = Reading(" ".join(folded.casefold().split()), [])
    _look(folded, reading)
    _understand(list(_units(reading.words)), reading)
    return reading


def _look(folded: str, reading: Reading) -> None:
    """Figures, names and quoted words by their form; the rest are words."""
    names: list[str] = []
    fresh, plain = True, 0
    for match in _PIECE.finditer(folded):
        piece = match[0]
        if piece in _END:
            fresh = True
            continue
        lowered = piece.casefold()
        if piece[0] == "<" or piece[0] in "$€£":
            reading.names.add(lowered)
        elif piece[0] == '"':
            reading.quoted.add(" ".join(lowered[1:-1].split()))
        elif any(map(str.isdigit, piece)):
            reading.numbers.add(lowered)
            reading.words.append(lowered)
        elif not _JOINED.isdisjoint(piece) or ("." in piece and len(piece) > 4):
            reading.names.add(lowered)
            reading.words.append(lowered)
        else:
            reading.words.append(lowered)
            plain += 1
            inside = not fresh or piece[1:] != piece[1:].lower()
            if inside and piece[0].isupper() and len(piece) > 1 and "'" not in piece:
                names.append(lowered)
        fresh = False
    if len(names) < MOSTLY * plain:
        listed = _words()
        reading.names |= {name for name in names if _longest(listed, [name])[0] is None}


def _understand(units: list[_Unit], reading: Reading) -> None:
    for place, unit in enumerate(units):
        for name, told in (
            ("everybody", reading.everybody), ("others", reading.others), ("questions", reading.questions),
        ):  # fmt: skip
            if name in unit.lists:
                told.append(unit.said)
        if "directions" in unit.lists:
            reading.directions.add(unit.said)
        for pair, side in unit.sides:
            reading.sides[pair].setdefault(side, unit.said)
        for concept in unit.concepts:
            group = _group(concept)
            if group == "times":
                reading.times.add(concept)
            else:
                reading.meaning.update(unit.said.split())
                reading.content.setdefault(concept, unit.said)
            if group == "things":
                reading.things.setdefault(concept, unit.said)
        _judge(place, units, reading)


def _judge(place: int, units: list[_Unit], reading: Reading) -> None:
    """What a denial or a word of failure says here."""
    unit = units[place]
    if "concord" in unit.lists and any(
        "negations" in u.lists for u in units[max(0, place - FARTHEST) : place]
    ):
        return
    if "negations" in unit.lists:
        head = next((u for u in units[place + 1 : place + 2 + FARTHEST] if not _empty(u)), units[-1])
        reading.denials.append(unit.said)
        if "works" in head.lists:
            reading.marks.append("fails")
        elif "fails" in head.lists:
            reading.marks.append("works")
        else:
            reading.denied.update(head.concepts or (head.said,))
    elif "fails" in unit.lists and not _denied(place, units):
        reading.marks.append("fails")
        reading.denials.append(unit.said)
    elif "works" in unit.lists and "fillers" not in unit.lists and not _denied(place, units):
        reading.marks.append("works")


def _denied(place: int, units: list[_Unit]) -> bool:
    """Does a negation, or a word of failure, stand before this word with nothing of meaning in between?"""
    for unit in reversed(units[max(0, place - 1 - FARTHEST) : place]):
        if "negations" in unit.lists or "fails" in unit.lists:
            return True
        if not _empty(unit):
            return False
    return False


def _empty(unit: _Unit) -> bool:
    return "fillers" in unit.lists and "works" not in unit.lists and "fails" not in unit.lists


def _units(words: list[str]) -> Iterator[_Unit]:
    place = 0
    root = _words()
    while place < len(words):
        entry, length = _longest(root, words[place : place + LONGEST_PHRASE])
        said = " ".join(words[place : place + length])
        if entry is None:
            yield _Unit(said, frozenset(), (_stem(said),), ())
        else:
            known = entry.concepts or entry.lists
            concepts = (
                tuple(dict.fromkeys(entry.concepts))
                if known
                else tuple(f"{pair}:{side}" for pair, side in entry.sides)
            )
            yield _Unit(said, frozenset(entry.lists), concepts, tuple(dict.fromkeys(entry.sides)))
        yield from _separated(root, words[place : place + 2 + FARTHEST])
        place += length


def _separated(root: _Node, words: list[str]) -> Iterator[_Unit]:
    """A verb whose particle stands further on, as in "turn the sound off"."""
    if _PARTICLES.isdisjoint(words[2:]):
        return
    for node in _steps(root, words[0]):
        for word in words[2:]:
            after = node.after.get(word)
            if word in _PARTICLES and after and after.entry:
                entry = after.entry
                said = f"{words[0]} {word}"
                yield _Unit(said, frozenset(entry.lists), tuple(entry.concepts), tuple(entry.sides))
                return


def _longest(root: _Node, words: list[str]) -> tuple[_Entry | None, int]:
    """The longest phrase that begins here."""
    nodes = [root]
    found: tuple[_Entry | None, int] = (None, 1)
    for length, word in enumerate(words, start=1):
        nodes = [after for node in nodes for after in _steps(node, word)]
        entry = next((node.entry for node in nodes if node.entry), None)
        if entry is not None:
            found = (entry, length)
        if not nodes:
            break
    return found


def _steps(node: _Node, word: str) -> list[_Node]:
    """What the word leads to: itself first, then the beginnings of it that the lists name, the longest first."""
    if not node.after:
        return []
    beginnings = (f"{word[:end]}*" for end in range(min(len(word), LONGEST_STEM), SHORTEST_STEM - 1, -1))
    return [node.after[key] for key in (word, *beginnings) if key in node.after]


def _stem(word: str) -> str:
    """A word without its ending, so that forms of one word agree."""
    if any(map(str.isdigit, word)):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 3:
            return word[: -len(ending)]
    return word


@lru_cache(maxsize=1)
def _words() -> _Node:
    file = resources.files("tamiz.text").joinpath("contrast_words.toml")
    raw: Mapping[str, list[object]] = tomllib.loads(file.read_text("utf-8"))
    root = _Node()
    for name in _LISTS:
        for phrase in raw[name]:
            _entry(root, str(phrase)).lists.add(name)
    for name in _GROUPS:
        for number, phrases in enumerate(raw[name]):
            for phrase in _listed(phrases):
                _entry(root, phrase).concepts.append(f"{name}:{number}")
    for number, sides in enumerate(raw["opposites"]):
        for side, phrases in enumerate(_listed(sides)):
            for phrase in _listed(phrases):
                _entry(root, phrase).sides.append((f"opposites:{number}", side))
    _inherit(root)
    return root


def _inherit(root: _Node) -> None:
    """A word of one list is also what another list says of all words that begin so; of one list the longest counts."""
    for word in sorted(root.after, key=len):
        own = root.after[word].entry
        for wider in _steps(root, word.rstrip("*")) if own else ():
            if own and wider.entry and wider.entry is not own:
                own.lists |= wider.entry.lists
                own.concepts += [
                    c for c in wider.entry.concepts if _group(c) not in map(_group, own.concepts)
                ]
                own.sides += wider.entry.sides if not own.sides else []


def _group(concept: str) -> str:
    return concept.partition(":")[0]


def _listed(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def _entry(root: _Node, phrase: str) -> _Entry:
    node = root
    for word in phrase.split():
        node = node.after.setdefault(word, _Node())
    node.entry = node.entry or _Entry()
    return node.entry
