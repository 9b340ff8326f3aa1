"""Splits: random, time-ordered, group-disjoint; few-shot draws. The same seed gives the same split."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from tamiz.domain.errors import DataError
from tamiz.lab.data.duplicates import SIMILAR, Sets, near_duplicate_groups
from tamiz.lab.data.example import Example

__all__ = [
    "few_shot",
    "group_disjoint",
    "near_duplicate_groups",
    "random_split",
    "tied",
    "time_ordered",
    "unseen",
]

Split = dict[str, list[Example]]


def random_split(
    examples: Sequence[Example], shares: Mapping[str, float], field: str = "", seed: int = 0
) -> Split:
    """Shuffle and cut by share, class by class of `field` (without one: all rows alike), in the order of the rows.

    Rows of a class that has too few for every part go to the first parts. ValueError for shares that do not sum to 1.
    """
    _check(shares)
    rng = random.Random(seed)
    strata: dict[Hashable, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        strata[_stratum(example, field)].append(index)
    part: dict[int, str] = {}
    debt = dict.fromkeys(shares, 0.0)
    for key in sorted(strata, key=str):
        members = strata[key]
        rng.shuffle(members)
        for name, count in _counts(len(members), shares, debt).items():
            for index in members[:count]:
                part[index] = name
            members = members[count:]
    return {name: [e for i, e in enumerate(examples) if part[i] == name] for name in shares}


def time_ordered(examples: Sequence[Example], shares: Mapping[str, float]) -> Split:
    """The oldest rows to the first part, the newest to the last. Rows without a time go to the first part.

    DataError when fewer than half of the rows have a time.
    """
    _check(shares)
    dated = sorted((e for e in examples if e.time), key=lambda e: e.time)
    if 2 * len(dated) < len(examples) or not dated:
        raise DataError(
            path="time-ordered split",
            mistake=f"only {len(dated)} of {len(examples)} rows have a time. Name the column with --column NAME=time, "
            "or split at random",
        )
    out: Split = {}
    start, reached = 0, 0.0
    for name, share in shares.items():
        reached += share
        stop = min(len(dated), round(reached * len(dated)))
        out[name], start = dated[start:stop], stop
    first = next(iter(shares))
    out[first] = [e for e in examples if not e.time] + out[first]
    return out


def group_disjoint(
    examples: Sequence[Example], shares: Mapping[str, float], seed: int = 0, field: str = ""
) -> Split:
    """No group (`Example.group`) on two sides; a row without one is a group of its own. See `tied` for duplicates.

    Large groups are placed first, each where its classes of `field` are missing most (greedy stratification).
    """
    _check(shares)
    rng = random.Random(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[f"g:{example.group}" if example.group else f"row:{index}"].append(index)
    totals = Counter(_stratum(e, field) for e in examples)
    missing = {name: {key: share * n for key, n in totals.items()} for name, share in shares.items()}
    names = list(groups)
    rng.shuffle(names)
    names.sort(key=lambda name: -len(groups[name]))
    part: dict[int, str] = {}
    for name in names:
        counts = Counter(_stratum(examples[i], field) for i in groups[name])
        best = max(
            shares,
            key=lambda s: sum(n * missing[s][key] / (shares[s] * totals[key]) for key, n in counts.items()),
        )
        for key, n in counts.items():
            missing[best][key] -= n
        part.update(dict.fromkeys(groups[name], best))
    return {name: [e for i, e in enumerate(examples) if part[i] == name] for name in shares}


def tied(examples: Sequence[Example], similar: float = SIMILAR, templates: bool = True) -> list[Example]:
    """The examples with groups that also tie near duplicates and texts of one template together."""
    sets = Sets(len(examples))
    for names in (
        [e.group for e in examples],
        near_duplicate_groups([e.text for e in examples], similar, templates),
    ):
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if name:
                sets.join(index, first.setdefault(name, index))
    return [replace(e, group=f"t{root}") for e, root in zip(examples, sets.roots(), strict=True)]


def unseen(judged: Sequence[Example], known: Sequence[Example], similar: float = SIMILAR) -> list[Example]:
    """The judged rows that are neither duplicates nor near duplicates of a known row: the de-duplicated test."""
    groups = near_duplicate_groups([e.text for e in (*known, *judged)], similar, templates=False)
    seen = set(groups[: len(known)])
    return [e for e, group in zip(judged, groups[len(known) :], strict=True) if group not in seen]


def few_shot(examples: Sequence[Example], field: str, per_class: int, seed: int = 0) -> list[Example]:
    """`per_class` rows of every class, drawn by `random.Random(seed)` class by class in alphabetical order.

    A class with fewer rows gives all it has. The result is in the order of the rows.
    """
    rng = random.Random(seed)
    classes: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if field in example.labels and not example.abstain:
            classes[example.labels[field]].append(index)
    drawn = [
        i for key in sorted(classes) for i in rng.sample(classes[key], min(per_class, len(classes[key])))
    ]
    return [examples[i] for i in sorted(drawn)]


def _stratum(example: Example, field: str) -> tuple[str, str]:
    return (example.labels.get(field, ""), example.abstain) if field else ("", "")


def _counts(size: int, shares: Mapping[str, float], debt: dict[str, float]) -> dict[str, int]:
    """Whole rows per part. `debt` carries what rounding owes each part from one class to the next."""
    wanted = {name: share * size + debt[name] for name, share in shares.items()}
    counts = {name: max(0, int(value)) for name, value in wanted.items()}
    while sum(counts.values()) > size:
        counts[max(counts, key=lambda name: counts[name] - wanted[name])] -= 1
    while sum(counts.values()) < size:
        counts[max(wanted, key=lambda name: wanted[name] - counts[name])] += 1
    for name in shares:
        debt[name] = wanted[name] - counts[name]
    return counts


def _check(shares: Mapping[str, float]) -> None:
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"shares must be positive and sum to 1, not {dict(shares)}")
