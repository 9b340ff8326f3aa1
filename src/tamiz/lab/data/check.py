"""The honest-data gate: what in a labelled data set would make figures look better, or models worse, than they are.

Duplicates and templates across splits, contradictory labels, class sizes, easy baselines, words that give labels away,
and labels that look wrong. The checks for leaks need no optional package; baselines and doubts need the extra `train`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tamiz.domain.errors import DataError, LeakError
from tamiz.lab.data.baselines import Baselines, Doubt, baselines, doubts
from tamiz.lab.data.contradictions import (
    Contradiction,
    NearContradiction,
    contradictions,
    near_contradictions,
)
from tamiz.lab.data.duplicates import (
    SIMILAR,
    exact_groups,
    near_duplicate_groups,
    near_groups,
    template_groups,
)
from tamiz.lab.data.example import Example
from tamiz.lab.data.shortcuts import Shortcut, find_shortcuts
from tamiz.lab.data.splits import group_disjoint

Splits = Mapping[str, Sequence[Example]]
SHOWN = 10


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What counts as a leak (shares of a later split's rows that also stand in an earlier one), and what to compute.

    `small` is the number of rows below which a class is too small to learn and judge.
    """

    max_exact: float = 0.005
    max_near: float = 0.02
    max_template: float = 0.02
    similar: float = SIMILAR
    small: int = 10
    baselines: bool = True
    shortcuts: bool = True
    doubts: bool = True
    seed: int = 0


LEAKS_ONLY = CheckOptions(baselines=False, shortcuts=False, doubts=False)
"""Duplicates, templates, contradictions and class sizes: seconds, and no optional package."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a split's `rows` also stand in an earlier split: the same, nearly the same (the same ones
    included), and made from the same template only."""

    split: str
    rows: int
    exact: int
    near: int
    template: int

    def share(self, kind: str) -> float:
        """One of the three counts as a share of the rows."""
        return int(getattr(self, kind)) / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class DataReport:
    """All findings on one field. `repeated` counts, per split, the rows that repeat an earlier row of that split;
    `explained` counts near duplicates whose labels differ because their words do ("turn on", "turn off")."""

    field: str
    rows: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    repeated: Mapping[str, Mapping[str, int]]
    overlaps: tuple[Overlap, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    near_contradictions: tuple[NearContradiction, ...] = ()
    explained: int = 0
    baselines: Baselines | None = None
    shortcuts: tuple[Shortcut, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    options: CheckOptions = CheckOptions()

    @property
    def leaks(self) -> list[str]:
        """One sentence per kind of leak and split; empty when the splits are clean."""
        limits = {
            "exact": (self.options.max_exact, "stand word for word in an earlier split"),
            "near": (self.options.max_near, "are near duplicates of rows in an earlier split"),
            "template": (self.options.max_template, "come from a template that an earlier split has too"),
        }
        return [
            f"{o.share(kind):.1%} of '{o.split}' ({getattr(o, kind)} rows) {what}"
            for o in self.overlaps
            for kind, (limit, what) in limits.items()
            if o.share(kind) > limit
        ]

    @property
    def small(self) -> dict[str, int]:
        """Classes with too few rows to learn or judge, and their rows."""
        totals = {label: sum(counts.values()) for label, counts in self.classes.items()}
        return {
            label: n
            for label, n in sorted(totals.items(), key=lambda pair: pair[1])
            if n < self.options.small
        }

    @property
    def unlearnable(self) -> list[str]:
        """Classes that a later split asks for and the first one does not have."""
        first = next(iter(self.rows))
        return [
            label for label, counts in self.classes.items() if not counts.get(first) and len(self.rows) > 1
        ]

    @property
    def warnings(self) -> list[str]:
        """What is not a leak but should be known before a figure is believed."""
        return list(_warnings(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = asdict(self)
        return {**data, "leaks": self.leaks, "warnings": self.warnings, "small": self.small}

    def render(self) -> str:
        """The report as text for people."""
        return "\n".join(_lines(self))


def check(splits: Splits, field: str, options: CheckOptions | None = None) -> DataReport:
    """Look at one field of a data set in one or more splits, the first being the one to train on.

    Only rows with a label of the field count. DataError when there is none; MissingExtraError where baselines or
    doubts are asked for and the extra `train` is absent.
    """
    options = options or CheckOptions()
    labelled = {name: [e for e in rows if field in e.labels] for name, rows in splits.items()}
    rows = [e for part in labelled.values() for e in part]
    if not rows:
        known = sorted({name for part in splits.values() for e in part for name in e.labels})
        raise DataError(
            path=field,
            mistake=f"no row has a label of this field. Labelled are: {', '.join(known) or 'none'}",
        )
    texts = [e.text for e in rows]
    exact = exact_groups(texts)
    groups = {"exact": exact, "near": near_groups(texts, options.similar), "template": template_groups(texts)}
    nearly, explained = near_contradictions(rows, groups["near"], exact, field)
    report = DataReport(
        field=field,
        rows={name: len(part) for name, part in labelled.items()},
        classes=_classes(labelled, field),
        repeated=dict(_repeated(labelled, groups)),
        overlaps=tuple(_overlaps(labelled, groups)),
        contradictions=tuple(contradictions(rows, exact, field)),
        near_contradictions=tuple(nearly),
        explained=explained,
        options=options,
    )
    labels = [e.labels[field] for e in rows]
    if options.shortcuts:
        report = replace(report, shortcuts=tuple(find_shortcuts(texts, labels)))
    if options.baselines:
        report = replace(report, baselines=_baselines(labelled, field, options))
    if options.doubts:
        report = replace(report, doubts=tuple(doubts(rows, field, options.seed)))
    return report


def require_clean(report: DataReport, allow_leak: bool = False) -> None:
    """Raise LeakError when the splits leak, unless that is allowed."""
    if report.leaks and not allow_leak:
        raise LeakError(findings="; ".join(report.leaks))


def _classes(labelled: Splits, field: str) -> dict[str, dict[str, int]]:
    counts = {name: Counter(e.labels[field] for e in part) for name, part in labelled.items()}
    totals: Counter[str] = sum(counts.values(), Counter())
    return {label: {name: counts[name][label] for name in counts} for label, _ in totals.most_common()}


def _parts(labelled: Splits) -> Iterator[tuple[str, int, int]]:
    start = 0
    for name, part in labelled.items():
        yield name, start, start + len(part)
        start += len(part)


def _repeated(labelled: Splits, groups: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, dict[str, int]]]:
    for name, start, stop in _parts(labelled):
        yield name, {kind: stop - start - len(set(ids[start:stop])) for kind, ids in groups.items()}


def _overlaps(labelled: Splits, groups: Mapping[str, Sequence[int]]) -> Iterator[Overlap]:
    for name, start, stop in _parts(labelled):
        if start == 0:
            continue
        hit = {}
        for kind, ids in groups.items():
            earlier = set(ids[:start])
            hit[kind] = {i for i in range(start, stop) if ids[i] in earlier}
        near = hit["near"] | hit["exact"]
        yield Overlap(name, stop - start, len(hit["exact"]), len(near), len(hit["template"] - near))


def _baselines(labelled: Splits, field: str, options: CheckOptions) -> Baselines | None:
    """On the last split against the first; with a single split, on a fifth of it without shared duplicates."""
    names = [name for name, part in labelled.items() if part]
    if len(names) > 1:
        judged = "test" if "test" in names[1:] else names[-1]
        return baselines(labelled[names[0]], labelled[judged], field, f"{names[0]} → {judged}", options.seed)
    rows = labelled[names[0]]
    groups = near_duplicate_groups([e.text for e in rows], options.similar)
    grouped = [replace(e, group=group) for e, group in zip(rows, groups, strict=True)]
    parts = group_disjoint(grouped, {"train": 0.8, "test": 0.2}, options.seed, field)
    return baselines(parts["train"], parts["test"], field, "80/20, near duplicates on one side", options.seed)


def _warnings(report: DataReport) -> Iterator[str]:
    if report.small:
        named = ", ".join(f"'{label}' ({n})" for label, n in list(report.small.items())[:SHOWN])
        yield f"{len(report.small)} classes have fewer than {report.options.small} rows: {named}"
    if report.unlearnable:
        named = ", ".join(f"'{label}'" for label in report.unlearnable[:SHOWN])
        yield f"{len(report.unlearnable)} classes have no row in '{next(iter(report.rows))}': {named}"
    if report.contradictions:
        rows = sum(len(c.lines) for c in report.contradictions)
        yield f"{len(report.contradictions)} texts ({rows} rows) carry contradictory labels"
    if report.near_contradictions:
        yield (
            f"{len(report.near_contradictions)} pairs of near duplicates carry different labels, and no opposite, name or "
            f"figure in their words tells why ({report.explained} other pairs are told apart by these)"
        )
    for name, counts in report.repeated.items():
        if len(report.rows) == 1 and counts["near"] > 0.05 * report.rows[name]:
            share = counts["near"] / report.rows[name]
            yield f"{share:.0%} of '{name}' repeats other rows of it; split it by group, not at random"
    yield from (f"shortcut: {s.render()}" for s in report.shortcuts if s.artefact)
    base = report.baselines
    if base and base.majority > 0.8:
        yield f"always guessing the largest class is right in {base.majority:.0%}; read macro-F1, not accuracy"


def _lines(report: DataReport) -> Iterator[str]:
    rows = ", ".join(f"{name} {n}" for name, n in report.rows.items())
    yield f"Field '{report.field}': {rows} rows, {len(report.classes)} classes"
    for leak in report.leaks:
        yield f"  LEAK: {leak}"
    if report.overlaps and not report.leaks:
        worst = max(o.share("near") for o in report.overlaps)
        yield f"  no leak between splits (at most {worst:.1%} near duplicates)"
    yield from (f"  warning: {warning}" for warning in report.warnings)
    if base := report.baselines:
        yield f"  majority class {base.majority:.1%}; linear baseline {base.linear:.1%}, macro-F1 {base.linear_macro_f1:.3f}"
        yield f"    ({base.rows} rows, {base.split})"
    words = [s for s in report.shortcuts if not s.artefact]
    if words:
        yield f"  {len(words)} words alone decide a label (fine if they are what the ticket is about):"
        yield from (f"    {s.render()}" for s in words[:SHOWN])
    if report.doubts:
        yield f"  {len(report.doubts)} labels look doubtful, the most doubtful first:"
        for d in report.doubts[:SHOWN]:
            yield f"    {d.id}, line {d.line}: '{d.label}', rather '{d.suggested}' ({d.other:.0%}): {_short(d.text)}"
    for c in report.contradictions[:SHOWN]:
        named = ", ".join(f"'{label}' × {n}" for label, n in list(c.labels.items())[:4])
        yield f"  contradiction: {named}: {_short(c.text)}"
    for n in report.near_contradictions[:SHOWN]:
        yield f"  lines {n.lines[0]} '{n.labels[0]}' and {n.lines[1]} '{n.labels[1]}', nearly the same: {_short(n.texts[1])}"
    largest = list(report.classes.items())[:SHOWN]
    yield (
        "  classes: "
        + ", ".join(f"{label} {sum(counts.values())}" for label, counts in largest)
        + (" …" if len(report.classes) > SHOWN else "")
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"
