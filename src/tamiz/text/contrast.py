"""What speaks against one answer for two texts that look alike: "turn on the VPN" and "turn off the VPN" are close in every space.

No model: words and their opposites, in English and Spanish, stand in the `contrast_*.toml` beside this file. In doubt a difference
is told, for a wrong answer costs more than one that is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from tamiz.text.contrast_lists import FAILURE, Unit, stem
from tamiz.text.contrast_reading import Reading, read

FRAME = 0.5
"""Share of the shorter text from which the same beginning and end make two texts alike."""
SAME_WORDS = 0.8
"""Share of the words in common from which their order counts."""
_UNDOING = ("un", "des", "de", "dis", "in", "im", "non", "non-", "de-", "ir", "mis")
SHORTEST_UNDONE = 3
_PARTICLES = tuple(map(frozenset, (("on", "off"), ("in", "out"), ("into", "out"), ("onto", "off"))))
"""Where each text has one of them alone, they are taken for opposites."""
_FAILING = ("trouble", "fails")
PARDONS = (0.8, 0.9, 0.95)
"""Cosines from which one text may say one, two, three things beyond the other."""
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


def same_request(a: str, b: str, similarity: float) -> bool:
    """May two canonical texts share an answer? See `refusals`."""
    return not refusals(a, b, similarity)


def refusals(a: str, b: str, similarity: float) -> tuple[Difference, ...]:
    """Why a stored answer for one of two canonical texts must not serve the other; empty where it may.

    `similarity` is the cosine of their embeddings, in [-1, 1]: the closer the texts, the more one of them may say beyond the
    other. Stricter than `contrast`: texts must have something in common, and words that are not known to mean the same
    refuse wherever both texts have them, for words alone cannot tell a new opposite from a new synonym. It says
    nothing of texts that differ in what no list knows, so what is served must be checked by samples too.
    """
    return between(read(a), read(b), similarity)


def between(left: Reading, right: Reading, similarity: float) -> tuple[Difference, ...]:
    """`refusals` of texts that were read before."""
    if left.plain == right.plain:
        return ()
    strict = ((Kind.WORDING, lambda one, other: _beyond(one, other, similarity)),)
    return tuple(
        _differences(left, right, (*_RULES, (Kind.NUMBER, _days))) or _differences(left, right, strict)
    )


Sides = tuple[Collection[str], Collection[str]]


def _numbers(a: Reading, b: Reading) -> Sides | None:
    """Figures, versions, codes and times: all must agree. Days may be named by one text alone."""
    one, other = _exclusive(a.numbers, b.numbers)
    days = _exclusive(a.times, b.times)
    if all(days):
        one, other = one | {a.times[day] for day in days[0]}, other | {b.times[day] for day in days[1]}
    return (one, other) if one or other else None


def _days(a: Reading, b: Reading) -> Sides | None:
    """Days that one text alone names: what began on Monday may be another matter."""
    one, other = _exclusive(a.times, b.times)
    return ({a.times[day] for day in one}, {b.times[day] for day in other}) if one or other else None


def _entities(a: Reading, b: Reading) -> Sides | None:
    """Names, programs, quoted words, addresses and placeholders must agree; other things may be named by one text alone."""
    left, right = set(a.words), set(b.words)
    one = {name for name in a.names - b.names if name not in right}
    other = {name for name in b.names - a.names if name not in left}
    one |= _unsaid(a.quoted - b.quoted, b)
    other |= _unsaid(b.quoted - a.quoted, a)
    one |= {said for product, said in a.products.items() if product not in b.concepts}
    other |= {said for product, said in b.products.items() if product not in a.concepts}
    things = _unmatched(a.things.values(), b), _unmatched(b.things.values(), a)
    if all(things):
        one |= {unit.said for unit in things[0]}
        other |= {unit.said for unit in things[1]}
    return (one, other) if one or other else None


def _unsaid(quotes: set[str], text: Reading) -> set[str]:
    """Those that the text does not say without quotation marks; of very many none is looked for, to stay linear."""
    return quotes if len(quotes) > MOST_QUOTES else {quote for quote in quotes if quote not in text.plain}


def _polarity(a: Reading, b: Reading) -> Sides | None:
    """One text denies what the other says, says that it fails, or that it is in order again."""
    told = a.denials or a.marks, b.denials or b.marks
    if a.negative != b.negative:
        no, yes = (a, b) if a.negative else (b, a)
        complaint = "trouble" in yes.marks and "works" not in yes.marks and not no.denied
        return None if complaint else told
    for one, other in ((a, b), (b, a)):
        if "works" in one.marks and "works" not in other.marks and (other.negative or other.marks):
            return told
    turned = {head for head in a.denied - b.denied if head in b.concepts}
    turned |= {head for head in b.denied - a.denied if head in a.concepts}
    turned |= {head for head in a.heads & b.heads if (head in a.affirmed) != (head in b.affirmed)}
    mixed = len(set(a.marks)) > 1 and len(set(b.marks)) > 1 and a.marks != b.marks and "works" in a.marks
    return told if turned or mixed else None


def _opposites(a: Reading, b: Reading) -> Sides | None:
    """Words that exclude each other; also where one text has both of a pair and the other one alone."""
    one: list[str] = []
    other: list[str] = []
    for pair in sorted(a.sides.keys() & b.sides.keys()):
        if _meant(a, pair) != _meant(b, pair):
            one += a.sides[pair].values()
            other += b.sides[pair].values()
    for particles in _PARTICLES:
        mine, yours = particles.intersection(a.words), particles.intersection(b.words)
        if not one and len(mine) == len(yours) == 1 and mine != yours:
            one += mine
            other += yours
    stems = _exclusive(set(map(stem, a.words)), set(map(stem, b.words)))
    for left, right, here, there in ((*stems, one, other), (*stems[::-1], other, one)):
        undone = sorted(_undone(left, right))
        meanings = _meanings(a, b) if undone else {}
        told = [
            pair for pair in undone if meanings.get(pair[0], {pair[0]}).isdisjoint(meanings.get(pair[1], ()))
        ]
        here += [word for word, _ in told]
        there += [word for _, word in told]
    return (one, other) if one else None


def _meanings(a: Reading, b: Reading) -> dict[str, set[str]]:
    """What the stems of two texts may stand for."""
    found: dict[str, set[str]] = {}
    for unit in (*a.units, *b.units):
        found.setdefault(stem(unit.said), set()).update(unit.concepts)
    return found


def _undone(words: Collection[str], others: Collection[str]) -> Iterator[tuple[str, str]]:
    """The words that the others have with a prefix that turns them round: "order" and "disorder"."""
    for word in words:
        for prefix in _UNDOING if len(word) >= SHORTEST_UNDONE else ():
            if prefix + word in others:
                yield word, prefix + word


def _meant(text: Reading, pair: str) -> set[int]:
    """The sides of a pair that a text means; "locked, please unlock it" means the unlocking."""
    acts, states = text.acts.get(pair, set()), text.states.get(pair, set())
    return acts if len(acts) == 1 and states else acts | states


def _roles(a: Reading, b: Reading) -> Sides | None:
    """The same words in another order, from X to Y against from Y to X; or one thing as aim here and as origin there."""
    turned = [c for c in a.bound.keys() & b.bound.keys() if not a.bound[c] & b.bound[c]]
    if turned:
        return _bound(a, turned), _bound(b, turned)
    mine, yours = (
        [unit for unit in text.units if unit.concepts & against.concepts]
        for text, against in ((a, b), (b, a))
    )
    bag = sorted(a.words) == sorted(b.words)
    if not bag and (
        min(len(mine), len(yours)) < 2 or len(mine) + len(yours) < SAME_WORDS * (len(a.units) + len(b.units))
    ):
        return None
    if bag or a.directions & b.directions:
        said = {unit.said for unit in mine} & {unit.said for unit in yours}
        one, other = ([unit.said for unit in units if unit.said in said] for units in (mine, yours))
    else:
        named = (a.names | a.numbers) & (b.names | b.numbers)
        one, other = ([word for word in text.words if word in named] for text in (a, b))
    return (one, other) if one != other else None


def _bound(text: Reading, concepts: Collection[str]) -> set[str]:
    return {
        f"{way} {unit.said}"
        for unit in text.units
        for concept in unit.concepts.intersection(concepts)
        for way in text.bound[concept]
    }


def _scope(a: Reading, b: Reading) -> Sides | None:
    """One person or everybody; who writes, or somebody else; these alone, or all but these."""
    for name in ("everybody", "others", "only", "except"):
        one, other = a.filled[name], b.filled[name]
        if bool(one) != bool(other):
            return one, other
    return None


def _intent(a: Reading, b: Reading) -> Sides | None:
    """A question how something is done against a wish that it be done."""
    one, other = a.filled["questions"], b.filled["questions"]
    return (one, other) if bool(one) != bool(other) else None


def _wording(a: Reading, b: Reading) -> Sides | None:
    """Texts of one matter in which each has a word that is not known to mean what the other says; texts without any word
    that can be compared."""
    one, other = _residue(a, b), _residue(b, a)
    shared = len(a.units) > len(_unmatched(a.units, b))
    if one and other and (shared or _framed(a.words, b.words)) and not (_weak(one) and _weak(other)):
        return [unit.said for unit in one], [unit.said for unit in other]
    if a.units or b.units or a.speaks or b.speaks:
        return None
    return {a.plain}, {b.plain}


def _beyond(a: Reading, b: Reading, similarity: float) -> Sides | None:
    """Words on both sides that are not known to mean the same; more words on one side than the similarity pardons; or nothing
    in common."""
    one, other = _residue(a, b), _residue(b, a)
    shown = [unit.said for unit in one] or {a.plain}, [unit.said for unit in other] or {b.plain}
    if one and other and not (_weak(one) and _weak(other)):
        return shown
    if any(_telling(unit) for unit in (*one, *other)):
        return shown
    moved = [u for u in (*_unmatched(a.units, b), *_unmatched(b.units, a)) if _moves(u)]
    if moved and not (a.complains and b.complains):
        return shown
    shared = min(len(a.units) - len(one), len(b.units) - len(other))
    extra = sum("fillers" not in unit.lists for unit in (*one, *other))
    common = shared > 0 or bool(a.numbers & b.numbers or a.names & b.names or a.quoted & b.quoted)
    pardoned = sum(similarity >= step for step in PARDONS)
    return shown if not common or extra > min(pardoned, max(shared, 1)) else None


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


def _unmatched(units: Iterable[Unit], text: Reading) -> list[Unit]:
    """The units that stand for nothing that the text says."""
    return [unit for unit in units if unit.concepts.isdisjoint(text.concepts)]


def _residue(a: Reading, b: Reading) -> list[Unit]:
    """What the first text says and the second does not. Words that may say nothing are left out, but not the light verbs."""
    excused = a.excused if FAILURE in b.concepts else set()
    return [
        unit
        for unit in _unmatched(a.units, b)
        if unit.said not in excused
        and "negations" not in unit.lists
        and ("light" in unit.lists or "fillers" not in unit.lists)
    ]


def _telling(unit: Unit) -> bool:
    """Is it something that one text must not say alone: an undoing, or a word that no list knows?"""
    undoing = unit.lists.isdisjoint(_FAILING) and any(side for _, side in unit.sides)
    return undoing or not unit.listed


def _moves(unit: Unit) -> bool:
    return any(concept.startswith("moves:") for concept in unit.concepts)


def _weak(units: Iterable[Unit]) -> bool:
    """Are these only words that may say nothing, like "give" and "let"?"""
    return all("light" in unit.lists for unit in units)


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
