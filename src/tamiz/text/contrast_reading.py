"""What a text says, as far as words tell: figures, names, things, denials, and which of two opposites. For `contrast`."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tamiz.text.contrast_lists import FAILURE, FARTHEST, Unit, languages, unit_at, units
from tamiz.text.fold import fold, safe

MOSTLY = 0.6
"""Share of words with a capital from which capitals name nobody: a headline, or somebody who shouts."""

_PIECE = re.compile(
    r"<[A-Z_]{2,20}(?:_\d{1,6})?>"
    r'|"[^"\n]{1,200}"'
    r"|\b[A-Z]:(?![\w/\\])|[#@][^\W_][\w-]{0,60}"
    r"|(?P<may>\bMay(?=\s\d)|(?<=\d\s)May\b)"
    r"|(?:(?<=\s)-(?=\d))?[^\W_]+(?:[.,:/\\@_'+#&=?%~-]{1,3}[^\W_]+){0,40}[%$€£]?"
    r"|[.!?\n$€£]"
)
_STATE = {"en": re.compile(r"(?:ed|en)$"), "es": re.compile(r"[aei]d[oa]s?$")}
_END = frozenset(".!?\n")
_BEING = frozenset("is are was were be been being it's esta estan estaba estaban es son".split())
_SHORTENED = frozenset("it's that's what's here's there's let's he's she's who's how's where's".split())
_JOINED = frozenset("/\\@_=~")
_FILLED = frozenset(("everybody", "others", "questions", "only", "except"))


@dataclass(slots=True)
class Reading:
    """One text. `units` are the words and phrases that mean something, `concepts` what any of them may stand for; `things` and
    `products` are concept → the word that stood for it, `sides` is pair → side → word,
    `acts` and `states` which sides are done and which only are so ("locked"). `denied` are the concepts behind a
    denial, `heads` those behind a denial or a failure, and `affirmed` those of the heads that are said without one, too;
    `excused` the words of working that are denied, `marks` the order of "fails", "trouble" and "works"."""

    plain: str
    words: list[str]
    languages: tuple[str, ...] = ()
    units: list[Unit] = field(default_factory=list)
    concepts: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    times: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    quoted: set[str] = field(default_factory=set)
    things: dict[str, Unit] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    sides: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    acts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    states: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    denied: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    heads: set[str] = field(default_factory=set)
    affirmed: set[str] = field(default_factory=set)
    denials: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    filled: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _FILLED})
    directions: set[str] = field(default_factory=set)
    bound: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def negative(self) -> bool:
        """Does the text say that something does not happen or shall not?"""
        return bool(self.denied) or "fails" in self.marks

    @property
    def complains(self) -> bool:
        """Does the text say that something fails or goes wrong?"""
        return "fails" in self.marks or "trouble" in self.marks

    @property
    def speaks(self) -> bool:
        """Is there anything else than content that can be compared?"""
        return bool(self.numbers or self.names or self.quoted or self.marks or self.denials or self.sides)


def read(text: str) -> Reading:
    """Read a text of any length and kind; linear in its length."""
    folded = fold(safe(text))[0]
    if not folded.isascii():
        parts = unicodedata.normalize("NFKD", folded)
        folded = "".join(character for character in parts if not unicodedata.combining(character))
    reading = Reading(" ".join(folded.casefold().split()), [])
    _look(folded, reading)
    _understand(list(units(reading.words, reading.languages)), reading)
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
        lowered = "mayo" if match["may"] else piece.casefold()
        if lowered.endswith("'s") and lowered not in _SHORTENED:
            lowered = lowered.removesuffix("'s")
        form = _form(piece)
        if form == "quoted":
            reading.quoted.add(" ".join(lowered[1:-1].split()))
        if form in ("name", "address"):
            reading.names.add(lowered)
        if form == "number":
            reading.numbers.add(lowered)
        if form in ("word", "number", "address"):
            reading.words.append(lowered)
        if form == "word":
            plain += 1
            inside = not fresh or piece[1:] != piece[1:].lower()
            if inside and piece[0].isupper() and "'" not in lowered:
                names.append(lowered)
        fresh = False
    reading.languages = languages(reading.words)
    if len(names) < MOSTLY * plain:
        known = reading.languages
        reading.names |= {name for name in names if not unit_at((name,), known).listed}


def _form(piece: str) -> str:
    """What a piece of a text is by its form."""
    if piece.isalpha():
        return "word"
    if piece[0] == "<" or piece[0] in "$€£#@" or piece[-1] == ":":
        return "name"
    if piece[0] == '"':
        return "quoted"
    if any(map(str.isdigit, piece)):
        return "number"
    return "address" if not _JOINED.isdisjoint(piece) or ("." in piece and len(piece) > 4) else "word"


def _understand(said: Sequence[Unit], reading: Reading) -> None:
    towards = ""
    for place, unit in enumerate(said):
        if unit.silent:
            continue
        repeated = _repeats(place, said)
        for name in () if repeated else unit.lists.intersection(_FILLED):
            reading.filled[name].append(unit.said)
        if "directions" in unit.lists:
            reading.directions.add(unit.said)
        _take_sides(unit, said[place - 1] if place else None, reading)
        _sort(unit, reading)
        if towards and unit.concepts:
            for concept in unit.concepts:
                reading.bound[concept].add(towards)
        if unit.concepts or "towards" in unit.lists or "away" in unit.lists:
            towards = "to" if "towards" in unit.lists else "from" if "away" in unit.lists else ""
        if not repeated:
            _judge(place, said, reading)
    _affirm(said, reading)


def _affirm(said: Sequence[Unit], reading: Reading) -> None:
    """Which of the acts that are denied, or said to fail, are said without that, too."""
    places = {place for place in range(1, len(said)) if _denied(place, said) and not _empty(said[place])}
    reading.heads = set().union(*(said[place].concepts for place in places))
    plain = (unit.concepts for place, unit in enumerate(said) if place not in places)
    reading.affirmed = reading.heads & set().union(*plain) if places else set()


def _repeats(place: int, said: Sequence[Unit]) -> bool:
    """Does this word only repeat a denial before it, as in "no oigo a nadie"?"""
    return "concord" in said[place].lists and any(
        "negations" in u.lists or "fails" in u.lists for u in said[max(0, place - FARTHEST) : place]
    )


def _take_sides(unit: Unit, before: Unit | None, reading: Reading) -> None:
    """Note which of two opposites is meant; what is "too low" shall be higher, and what "is locked" need not be locked."""
    beyond = before is not None and "beyond" in before.lists
    being = before is not None and before.said in _BEING
    for pair, side in unit.sides:
        meant = 1 - side if beyond else side
        reading.sides[pair].setdefault(meant, unit.said)
        state = not beyond and (being or any(_STATE[name].search(unit.said) for name in reading.languages))
        (reading.states if state else reading.acts)[pair].add(meant)


def _sort(unit: Unit, reading: Reading) -> None:
    """Put what a unit stands for where it is compared."""
    # In order, for sets have another one in every process, and two processes must read alike.
    groups = {concept.partition(":")[0]: concept for concept in sorted(unit.concepts)}
    if "figures" in groups:
        reading.numbers.add(groups["figures"].partition(":")[2])
    elif "times" in groups:
        reading.times.setdefault(groups["times"], unit.said)
    elif unit.concepts:
        reading.units.append(unit)
    reading.concepts |= unit.concepts
    if "things" in groups or "casual" in groups:
        reading.things.setdefault(unit.said, unit)
    if "products" in groups:
        reading.products.setdefault(groups["products"], unit.said)


def _judge(place: int, said: Sequence[Unit], reading: Reading) -> None:
    """What a denial, or a word of failure or success, says here."""
    unit = said[place]
    denying = "negations" in unit.lists
    if denying or "fails" in unit.lists:
        if not denying and _denied(place, said):
            return
        follow = said[place + 1 : place + 2 + FARTHEST]
        head = next((u for u in follow if not _empty(u)), None)
        wished = any("wishes" in u.lists for u in follow[: follow.index(head) if head else None])
        reading.denials.append(unit.said)
        if head and {"fails", "trouble"} & head.lists and "works" not in head.lists and _adjacent(unit, head):
            reading.marks.append("works")
        elif wished or "wishes" in unit.lists:
            reading.denied |= (head.concepts or {head.said}) if head else {unit.said}
        elif not denying or (head and ("works" in head.lists or _named(head))):
            reading.marks.append("fails")
            reading.concepts.add(FAILURE)
            if head and "generic" in head.lists:
                reading.excused.add(head.said)
        else:
            reading.denied |= (head.concepts or {head.said}) if head else {unit.said}
    elif _denied(place, said):
        return
    elif "trouble" in unit.lists:
        reading.marks.append("trouble")
    elif "solved" in unit.lists:
        reading.marks.append("works")


def _named(unit: Unit) -> bool:
    """Is it a thing, so that its denial says that it is not there?"""
    return any(concept.startswith(("things", "products")) for concept in unit.concepts)


def _adjacent(unit: Unit, head: Unit) -> bool:
    """Does this word deny the failure that follows ("no errors"), or only stand before it ("broken, an error appears")?"""
    return "negations" in unit.lists or not unit.concepts


def _denied(place: int, said: Sequence[Unit]) -> bool:
    """Does a negation, or a word of failure, stand before this word with nothing of meaning in between?"""
    for unit in reversed(said[max(0, place - 1 - FARTHEST) : place]):
        if "negations" in unit.lists or "fails" in unit.lists:
            return True
        if not _empty(unit):
            return False
    return False


def _empty(unit: Unit) -> bool:
    return "fillers" in unit.lists and unit.lists.isdisjoint(("works", "fails", "trouble"))
