"""What speaks against one answer for two texts that look alike: "turn on the VPN" and "turn off the VPN" are close in every space.

No model: words and their opposites, in English and Spanish, stand in `contrast_words.toml`. In doubt a difference is told,
for a wrong answer costs more than one that is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tamiz.text.contrast_reading import Reading, read

FRAME = 0.5
"""Share of the shorter text from which the same beginning and end make two texts alike."""
SAME_WORDS = 0.8
"""Share of the words in common from which their order counts."""
_UNDOING = ("un", "des", "de", "dis", "in", "im")
MOST_QUOTES = 20
SHOWN = 6
"""Words that a difference names at most, on each side."""


class Kind(StrEnum):
    """What differs."""

    NUMBER = "number"
    ENTITY = "entity"
    POLARITY = "polarity"
    OPPOSITE = "opposite"
    ROLES = "roles"
    SCOPE = "scope"
    INTENT = "intent"
    WORDING = "wording"


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason not to share an answer, and the words of both texts that show it; a side may have none."""

    kind: Kind
    left: tuple[str, ...]
    right: tuple[str, ...]


def contrast(a: str, b: str) -> tuple[Difference, ...]:
    """What speaks against one answer for two canonical texts; empty where nothing does.

    Symmetric but for the sides, and linear in the length of both. It does not say that the texts mean the same: two that
    have nothing in common may not contrast, so ask it only of texts that are similar.
    """
    left, right = read(a), read(b)
    if left.plain == right.plain:
        return ()
    found = _differences(left, right, _RULES) or _differences(left, right, ((Kind.WORDING, _wording),))
    return tuple(found)


Sides = tuple[Collection[str], Collection[str]]


def _numbers(a: Reading, b: Reading) -> Sides | None:
    """Figures, versions, codes and times: all must agree. Days may be named by one text alone."""
    one, other = _exclusive(a.numbers, b.numbers)
    days = _exclusive(a.times, b.times)
    if all(days):
        one, other = one | days[0], other | days[1]
    return (one, other) if one or other else None


def _entities(a: Reading, b: Reading) -> Sides | None:
    """Names, quoted words, addresses and placeholders must agree; other things may be named by one text alone."""
    left, right = set(a.words), set(b.words)
    one = {name for name in a.names - b.names if name not in right}
    other = {name for name in b.names - a.names if name not in left}
    one |= _unsaid(a.quoted - b.quoted, b)
    other |= _unsaid(b.quoted - a.quoted, a)
    things = _exclusive(a.things.keys(), b.things.keys())
    if all(things):
        one |= {a.things[thing] for thing in things[0]}
        other |= {b.things[thing] for thing in things[1]}
    return (one, other) if one or other else None


def _unsaid(quotes: set[str], text: Reading) -> set[str]:
    """Those that the text does not say without quotation marks; of very many none is looked for, to stay linear."""
    return quotes if len(quotes) > MOST_QUOTES else {quote for quote in quotes if quote not in text.plain}


def _polarity(a: Reading, b: Reading) -> Sides | None:
    """One text denies what the other says, or says that it fails."""
    if a.fails != b.fails:
        return a.denials, b.denials
    if bool(a.denied) != bool(b.denied):
        return a.denials, b.denials
    turned = {head for head in a.denied - b.denied if head in b.content}
    turned |= {head for head in b.denied - a.denied if head in a.content}
    mixed = len(set(a.marks)) > 1 and len(set(b.marks)) > 1 and a.marks != b.marks
    return (a.denials, b.denials) if turned or mixed else None


def _opposites(a: Reading, b: Reading) -> Sides | None:
    """Words that exclude each other; also where one text has both of a pair and the other one alone."""
    one: list[str] = []
    other: list[str] = []
    for pair in sorted(a.sides.keys() & b.sides.keys()):
        if a.sides[pair].keys() != b.sides[pair].keys():
            one += a.sides[pair].values()
            other += b.sides[pair].values()
    stems = _exclusive(a.stems, b.stems)
    for left, right, here, there in ((*stems, one, other), (*stems[::-1], other, one)):
        undone = sorted(
            (stem, prefix + stem) for stem in left for prefix in _UNDOING if prefix + stem in right
        )
        here += [stem for stem, _ in undone]
        there += [stem for _, stem in undone]
    return (one, other) if one else None


def _roles(a: Reading, b: Reading) -> Sides | None:
    """The same words in another order: from X to Y against from Y to X."""
    shared = a.content.keys() & b.content.keys()
    bag = sorted(a.words) == sorted(b.words)
    if not bag and (len(shared) < 2 or len(shared) < SAME_WORDS * len(a.content.keys() | b.content.keys())):
        return None
    if bag:
        one, other = ([word for word in text.words if word in text.meaning] for text in (a, b))
    elif a.directions & b.directions:
        one, other = ([word for word in text.content if word in shared] for text in (a, b))
    else:
        named = (a.names | a.numbers) & (b.names | b.numbers)
        one, other = ([word for word in text.words if word in named] for text in (a, b))
    return (one, other) if one != other else None


def _scope(a: Reading, b: Reading) -> Sides | None:
    """One person or everybody; who writes, or somebody else."""
    for one, other in ((a.everybody, b.everybody), (a.others, b.others)):
        if bool(one) != bool(other):
            return one, other
    return None


def _intent(a: Reading, b: Reading) -> Sides | None:
    """A question how something is done against a wish that it be done."""
    return (a.questions, b.questions) if bool(a.questions) != bool(b.questions) else None


def _wording(a: Reading, b: Reading) -> Sides | None:
    """Texts of one matter in which each has a word that is not known to mean what the other says; texts without any word
    that can be compared."""
    one, other = _exclusive(a.content.keys(), b.content.keys())
    shared = len(a.content) > len(one)
    if one and other and (shared or _framed(a.words, b.words)):
        return {a.content[word] for word in one}, {b.content[word] for word in other}
    if a.content or b.content or a.speaks or b.speaks:
        return None
    return {a.plain}, {b.plain}


Rules = tuple[tuple[Kind, Callable[[Reading, Reading], Sides | None]], ...]
_RULES: Rules = (
    (Kind.NUMBER, _numbers),
    (Kind.ENTITY, _entities),
    (Kind.POLARITY, _polarity),
    (Kind.OPPOSITE, _opposites),
    (Kind.ROLES, _roles),
    (Kind.SCOPE, _scope),
    (Kind.INTENT, _intent),
)


def _differences(a: Reading, b: Reading, rules: Rules) -> list[Difference]:
    told = ((kind, rule(a, b)) for kind, rule in rules)
    return [Difference(kind, _shown(sides[0]), _shown(sides[1])) for kind, sides in told if sides]


def _framed(a: list[str], b: list[str]) -> bool:
    """Do the texts begin and end with the same words, and differ in between by no more than half of them?"""
    shortest = min(len(a), len(b))
    first = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    last = next((i for i in range(shortest - first) if a[-1 - i] != b[-1 - i]), shortest - first)
    return first + last >= FRAME * shortest


def _exclusive(a: Collection[str], b: Collection[str]) -> tuple[set[str], set[str]]:
    left, right = set(a), set(b)
    return left - right, right - left


def _shown(words: Collection[str]) -> tuple[str, ...]:
    """A few of them; sets in the order of the alphabet, so that a report never changes."""
    ordered: Iterator[str] | list[str] = sorted(words) if isinstance(words, set | frozenset) else iter(words)
    return tuple(word for word, _ in zip(ordered, range(SHOWN), strict=False))
