"""Shortcuts: words that give a label away by themselves, so that a model learns the export and not the ticket."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tamiz.lab.data.duplicates import normalise

MAX_WORDS = 400
MIN_CLASS = 20
PRECISION, LIFT, COVERAGE = 0.97, 1.5, 0.3
NAME_PRECISION, NAME_COVERAGE = 0.9, 0.5
NAMED_CLASSES = 0.3
"""Share of the classes whose names must stand in their texts: a few such words are what those tickets are about."""
PER_LABEL = 5
FREQUENT = 400
"""How many of the most frequent words are tested for absence from a class."""
EXPECTED = 15.0
ABSENT_SHARE = 0.02
MIN_ABSENT = 5
JOINT = 0.5
"""Absent words count only where together they tell more than half of the story, both ways."""
LISTED = 12

_WORD = re.compile(r"\w{1,40}")


def _split(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


EVERYDAY = _split(
    # What people write about any topic: English, Spanish, German, Portuguese, French.
    "a able about after again all already also always an and another any are as at be because been before being but by"
    " can could did do does either for from full get go had has have he help her here his how i if in into is it its"
    " just like me more most my need new no not now of off on one only or other our out please same see send sent she"
    " should since so some still such than thank thanks that the their them then there these they this those to today"
    " too try until up us use very was way we well were what when where which while who why will with would yes yet you"
    " your"
    " al algo ante antes aquí así aún cada como con cual cuando de del desde donde dos el ella en entre era es esta este"
    " esto está favor gracias ha hace han hay hola la las le les lo los me mi muy más nada ni no nos o otra otro para"
    " pero por porque puede que quien se ser si sin sobre su también tengo tiene todo un una y ya yo"
    " aber als auch auf aus bei bin bitte da das dass den der die ein eine er es für hat ich im ist kann mein mit nach"
    " nicht noch nur oder sie sind und uns von war wie wir zu"
    " ao com da do e em eu foi mas meu minha na nas não nos os ou pela pelo são seu sua tem uma"
    " au avec ce cette dans des du elle est et il je le mais mon ne nous ont ou par pas plus pour qui sur une vous"
)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A finding. `kind` is `word`, `label name` or `absent words`.

    For words: of the rows that hold them, `precision` have the label, and `coverage` of the label's rows hold them.
    For absent words: `coverage` of the other rows hold at least one, and without any a row has the label with
    `precision`. `count` says how many words the finding rests on.
    """

    kind: str
    label: str
    words: tuple[str, ...]
    precision: float
    coverage: float
    count: int = 1

    @property
    def artefact(self) -> bool:
        """Whether it can hardly be what the ticket is about: everyday words, missing words, the label's own name."""
        return self.kind != "word" or all(word in EVERYDAY for word in self.words[0].split())

    def render(self) -> str:
        """The finding in one sentence."""
        shown = ", ".join(f"'{word}'" for word in self.words[:LISTED]) + (" …" if self.count > LISTED else "")
        if self.kind == "absent words":
            return (
                f"'{self.label}': {self.count} everyday words never occur in it ({shown}), though {self.coverage:.0%} of "
                f"the other rows hold one; a text without any of them is '{self.label}' in {self.precision:.0%} of cases"
            )
        name = " (the label's own name)" if self.kind == "label name" else ""
        return (
            f"'{self.label}': {shown}{name} stands in {self.coverage:.0%} of its rows; "
            f"{self.precision:.0%} of the texts with it have this label"
        )


def find_shortcuts(texts: Sequence[str], labels: Sequence[str]) -> list[Shortcut]:
    """All findings: absent words, label names, then words by falling coverage (everyday words first)."""
    sizes = Counter(labels)
    words = [_words(text) for text in texts]
    present: dict[str, Counter[str]] = defaultdict(Counter)
    for row, label in zip(words, labels, strict=True):
        present[label].update({*row, *(" ".join(pair) for pair in pairwise(row))})
    totals: Counter[str] = Counter()
    for counts in present.values():
        totals.update(counts)
    found = [*_absent(words, labels, sizes, present, totals), *_names(texts, labels, sizes)]
    return found + _giveaways(sizes, present, totals)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())[:MAX_WORDS]


def _giveaways(
    sizes: Mapping[str, int], present: Mapping[str, Counter[str]], totals: Counter[str]
) -> list[Shortcut]:
    rows = sum(sizes.values())
    found = []
    for label, size in sizes.items():
        if size < MIN_CLASS or size == rows:
            continue
        for term, n in present[label].items():
            precision = n / totals[term]
            wide = n >= COVERAGE * size and n >= MIN_CLASS / 2
            if wide and precision >= PRECISION and precision * rows / size >= LIFT:
                found.append(Shortcut("word", label, (term,), precision, n / size))
    found.sort(key=lambda s: (not s.artefact, -s.coverage, s.label, len(s.words[0])))
    kept: Counter[str] = Counter()
    return [s for s in _without_parts(found) if kept.update([s.label]) or kept[s.label] <= PER_LABEL]


def _without_parts(found: Iterable[Shortcut]) -> Iterator[Shortcut]:
    """Leave out pairs whose single words give the same label away."""
    found = list(found)
    single = {(s.label, s.words[0]) for s in found if " " not in s.words[0]}
    for s in found:
        parts = s.words[0].split(" ")
        if len(parts) == 1 or not any((s.label, part) in single for part in parts):
            yield s


def _names(texts: Sequence[str], labels: Sequence[str], sizes: Mapping[str, int]) -> list[Shortcut]:
    """Labels whose own name stands in their texts and hardly anywhere else."""
    names = {
        label: f" {normalise(label)} "
        for label, n in sizes.items()
        if n >= MIN_CLASS and len(normalise(label)) > 2
    }
    inside: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    for text, label in zip(texts, labels, strict=True):
        padded = f" {normalise(text)} "
        for name_of, name in names.items():
            if name in padded:
                anywhere[name_of] += 1
                inside[name_of] += name_of == label
    found = [
        Shortcut("label name", label, (names[label].strip(),), n / anywhere[label], n / sizes[label])
        for label, n in inside.items()
        if n >= NAME_COVERAGE * sizes[label] and n >= NAME_PRECISION * anywhere[label]
    ]
    return found if len(found) >= NAMED_CLASSES * len(names) else []


def _absent(
    words: Sequence[Sequence[str]],
    labels: Sequence[str],
    sizes: Mapping[str, int],
    present: Mapping[str, Counter[str]],
    totals: Counter[str],
) -> list[Shortcut]:
    """Everyday words that never occur in a class: its texts went through something that the others did not."""
    rows = len(words)
    tested = [word for word, _ in totals.most_common() if " " not in word and word in EVERYDAY][:FREQUENT]
    found = []
    for label, size in sizes.items():
        if size < MIN_CLASS or size == rows:
            continue
        gone = []
        for word in tested:
            expected = (totals[word] - present[label][word]) / (rows - size) * size
            if expected >= EXPECTED and present[label][word] <= ABSENT_SHARE * expected:
                gone.append(word)
        joint = _joint(label, gone, words, labels) if len(gone) >= MIN_ABSENT else None
        if joint and joint.precision >= JOINT and joint.coverage >= JOINT:
            found.append(joint)
    return found


def _joint(
    label: str, gone: Sequence[str], words: Sequence[Sequence[str]], labels: Sequence[str]
) -> Shortcut:
    """How well 'holds none of the words' tells the label."""
    absent = frozenset(gone)
    none_here = other = other_with = 0
    for row, own in zip(words, labels, strict=True):
        holds = not absent.isdisjoint(row)
        none_here += own == label and not holds
        other += own != label
        other_with += own != label and holds
    without = none_here + other - other_with
    return Shortcut(
        "absent words",
        label,
        tuple(gone[:LISTED]),
        none_here / max(1, without),
        other_with / max(1, other),
        len(gone),
    )
