"""Which corrected tickets teach, which set strengths and thresholds, and which are judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tamiz.lab.data.duplicates import exact_groups
from tamiz.lab.data.example import Example
from tamiz.lab.data.splits import unseen
from tamiz.lab.learn.job import Golden, Taught

JUDGED, WEIGHED = 0.2, 0.25
"""The newest share of all rows is judged; of the others the newest share weighs."""
LEAST = 250
"""Rows below which nothing is learned: a fifth of them can just tell a better model from a worse one."""


@dataclass(frozen=True, slots=True)
class Slices:
    """`taught` is the oldest slice, `judged` the newest; no text of one is nearly one of another, nor of the golden set.
    `counts` says what became of the rows that are in none."""

    taught: Sequence[Taught]
    weighed: Sequence[Example]
    judged: Sequence[Example]
    counts: dict[str, int]


def resolved(rows: Sequence[Taught]) -> list[Taught]:
    """The rows with every text once: of equal texts the newest word on each field holds. Rows are in the order of words."""
    groups = exact_groups([row.example.text for row in rows])
    newest: dict[int, Taught] = {}
    for row, group in zip(rows, groups, strict=True):
        before = newest.pop(group, None)
        if before is not None:
            labels = {**before.example.labels, **row.example.labels}
            weak = {name: label for name, label in {**before.weak, **row.weak}.items() if name not in labels}
            row = Taught(replace(row.example, labels=labels), weak)
        newest[group] = row
    return list(newest.values())


def cut(rows: Sequence[Taught], golden: Golden | None) -> Slices:
    """Cut by the time at which tickets came in. Near duplicates of what is judged do not teach."""
    distinct = resolved(rows)
    apart = list(golden.examples) if golden is not None else []
    free = _unlike(distinct, apart)
    free.sort(key=lambda row: row.example.time)
    kept, judged = _newest(free, JUDGED)
    learning = _unlike(kept, [row.example for row in judged])
    old, new = _newest(learning, WEIGHED)
    fresh = {e.id for e in unseen([row.example for row in new], [row.example for row in old])}
    counts = {
        "rows": len(rows),
        "equal texts": len(rows) - len(distinct),
        "golden or nearly so": len(distinct) - len(free),
        "nearly judged": len(kept) - len(learning),
    }
    taught = [*old, *(row for row in new if row.example.id not in fresh)]
    weighed = [row.example for row in new if row.example.id in fresh]
    return Slices(taught, weighed, [row.example for row in judged], counts)


def with_weak(rows: Iterable[Taught], weak: bool) -> list[Example]:
    """The rows as training sees them, with the fields that people left as they were where those may teach."""
    return [
        replace(row.example, labels={**row.weak, **row.example.labels}) if weak else row.example
        for row in rows
    ]


def _newest(rows: Sequence[Taught], share: float) -> tuple[list[Taught], list[Taught]]:
    place = len(rows) - round(share * len(rows))
    return list(rows[:place]), list(rows[place:])


def _unlike(rows: Sequence[Taught], others: Sequence[Example]) -> list[Taught]:
    """The rows that are none of the others, nor nearly one."""
    if not others:
        return list(rows)
    names = {e.id for e in others}
    kept = {e.id for e in unseen([row.example for row in rows], others)}
    return [row for row in rows if row.example.id in kept - names]
