"""Texts that carry several labels: the same text, and nearly the same where nothing in the words explains it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tamiz.lab.data.example import Example
from tamiz.text.contrast import Kind, contrast


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One text with several labels, and the lines where it stands."""

    text: str
    labels: Mapping[str, int]
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NearContradiction:
    """Two texts that are nearly the same and say the same as far as words tell, with different labels."""

    texts: tuple[str, str]
    labels: tuple[str, str]
    lines: tuple[int, int]


def contradictions(rows: Sequence[Example], exact: Sequence[int], field: str) -> Iterator[Contradiction]:
    """The same texts with several labels; `exact` gives the group of each row."""
    for same in _members(rows, exact).values():
        labels = Counter(e.labels[field] for e in same)
        if len(labels) > 1:
            yield Contradiction(same[0].text, dict(labels.most_common()), tuple(e.line for e in same))


def near_contradictions(
    rows: Sequence[Example], near: Sequence[int], exact: Sequence[int], field: str
) -> tuple[list[NearContradiction], int]:
    """Nearly the same texts with different labels, and how many such pairs words like "on" and "off" explain.

    That a word differs at all explains nothing here: near duplicates always differ in one. Each text is compared with the first one of every other label in its group, so large groups stay linear.
    """
    found: list[NearContradiction] = []
    explained = 0
    group_of = {id(row): group for row, group in zip(rows, exact, strict=True)}
    for group in _members(rows, near).values():
        first: dict[str, Example] = {}
        for row in group:
            label = row.labels[field]
            for other, earlier in first.items():
                if other == label or group_of[id(earlier)] == group_of[id(row)]:
                    continue
                if any(d.kind is not Kind.WORDING for d in contrast(earlier.text, row.text)):
                    explained += 1
                else:
                    texts, lines = (earlier.text, row.text), (earlier.line, row.line)
                    found.append(NearContradiction(texts, (other, label), lines))
            first.setdefault(label, row)
    return found, explained


def _members(rows: Sequence[Example], groups: Sequence[int]) -> dict[int, list[Example]]:
    members: dict[int, list[Example]] = defaultdict(list)
    for row, group in zip(rows, groups, strict=True):
        members[group].append(row)
    return members
