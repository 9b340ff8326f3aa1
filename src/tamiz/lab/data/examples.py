"""A table and its mapping → labelled examples with canonical text, and the taxonomy that they follow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import ABSTAIN, Taxonomy, infer
from tamiz.domain.ticket import CanonicalText, RawMessage
from tamiz.lab.data.example import Example
from tamiz.lab.data.labels import LabelColumn, matched_columns, tidy_columns
from tamiz.lab.data.mapping import ColumnMapping
from tamiz.lab.data.table import RawRow, Rejected, Table
from tamiz.lab.data.times import parse_times

Canonical = Callable[[RawMessage], CanonicalText]
NAMED = 5
"""How many values a note names."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Examples in the order of the file, the taxonomy (given or inferred), rows kept aside, remarks for people.

    `unknown` counts, per field, the values that a given taxonomy does not have. `subjects` says that texts start with
    a subject line of their own.
    """

    examples: list[Example]
    taxonomy: Taxonomy
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    subjects: bool = False


def to_examples(
    table: Table,
    mapping: ColumnMapping,
    taxonomy: Taxonomy | None = None,
    *,
    canonical: Canonical | None = None,
    min_rows: int = 2,
    empty_is_none: bool = False,
) -> Loaded:
    """Turn rows into examples.

    `canonical` makes the text (by default `tamiz.text.canonicalize`). Rows without text, or without any label and
    any reason to abstain, are kept aside. Labels with fewer than `min_rows` rows stay, and a note names them.
    `empty_is_none`: see `matched_columns`. DataError when no column gives labels or no row is left.
    """
    columns = (
        tidy_columns(table, mapping)
        if taxonomy is None
        else matched_columns(table, mapping, taxonomy, empty_is_none)
    )
    if not columns:
        raise DataError(path=table.source, mistake=_no_labels(table, taxonomy))
    rejected = list(table.rejected)
    times, time_note = _times(table, mapping)
    make = canonical or _canonicalize
    examples: list[Example] = []
    for index, row in enumerate(table.rows):
        labels, abstain = _labels(row, index, columns, mapping)
        subject, body = _cell(row, mapping.subject), _cell(row, mapping.body)
        text = make(RawMessage(subject, body)) if subject or body else None
        if text is None or not text.text.strip():
            rejected.append(_rejected(row, "has no text"))
        elif not labels and not abstain:
            rejected.append(_rejected(row, "has no label"))
        else:
            language = _cell(row, mapping.language).casefold()[:10] or text.language
            name, group = _cell(row, mapping.id) or str(row.line), _cell(row, mapping.group)
            examples.append(
                Example(name, text.text, labels, abstain, group, times[index], language, row.line)
            )
    if not examples:
        reasons = ", ".join(
            f"{n} × {reason}" for reason, n in Counter(r.reason for r in rejected).most_common(3)
        )
        raise DataError(path=table.source, mistake=f"no row can be used ({reasons})")
    examples = _distinct_ids(examples)
    notes = [time_note, *_unknown_notes(columns, taxonomy is not None), *_rejected_notes(rejected)]
    if taxonomy is None:
        examples, taxonomy, dropped = _inferred(examples, columns, table.source)
        notes += dropped
    notes += _rare_notes(examples, taxonomy, min_rows)
    unknown = {c.field: c.unknown for c in columns if c.unknown}
    return Loaded(
        examples,
        taxonomy,
        sorted(rejected, key=lambda r: r.line),
        [n for n in notes if n],
        unknown,
        bool(mapping.subject),
    )


def _canonicalize(message: RawMessage) -> CanonicalText:
    from tamiz.text import canonicalize

    return canonicalize(message)


def _cell(row: RawRow, column: str | None) -> str:
    return row.cells[column] if column else ""


def _labels(
    row: RawRow, index: int, columns: Sequence[LabelColumn], mapping: ColumnMapping
) -> tuple[dict[str, str], str]:
    labels = {c.field: c.keys[index] for c in columns if c.keys[index]}
    abstain = _cell(row, mapping.abstain)
    abstain = "" if abstain.casefold() in {"false", "no", "0", "n"} else abstain
    if not abstain and ABSTAIN in labels.values():
        abstain = ABSTAIN
    return {name: key for name, key in labels.items() if key != ABSTAIN}, abstain


def _times(table: Table, mapping: ColumnMapping) -> tuple[list[str], str]:
    if mapping.time is None:
        return [""] * len(table.rows), ""
    cells = table.column(mapping.time)
    times, note = parse_times(cells)
    lost = sum(bool(cell) and not moment for cell, moment in zip(cells, times, strict=True))
    unread = f"{lost} times in '{mapping.time}' could not be read" if lost else ""
    return times, "; ".join(part for part in (note, unread) if part)


def _rejected(row: RawRow, reason: str) -> Rejected:
    return Rejected(row.line, reason, json.dumps(dict(row.cells), ensure_ascii=False))


def _distinct_ids(examples: Sequence[Example]) -> list[Example]:
    counts = Counter(e.id for e in examples)
    return [
        e
        if counts[e.id] == 1
        else Example(f"{e.id}#{e.line}", e.text, e.labels, e.abstain, e.group, e.time, e.language, e.line)
        for e in examples
    ]


def _inferred(
    examples: list[Example], columns: Sequence[LabelColumn], source: str
) -> tuple[list[Example], Taxonomy, list[str]]:
    """The taxonomy of what is left; a field with a single value left is nothing to learn and is taken out."""
    values = {c.field: [e.labels[c.field] for e in examples if c.field in e.labels] for c in columns}
    kept = {name: found for name, found in values.items() if len(set(found)) > 1}
    if not kept:
        raise DataError(
            path=source, mistake="every label column has a single value, so there is nothing to learn"
        )
    notes = [f"'{name}' has a single value and was left out" for name in values if name not in kept]
    if notes:
        examples = [
            Example(
                e.id,
                e.text,
                {k: v for k, v in e.labels.items() if k in kept},
                e.abstain,
                e.group,
                e.time,
                e.language,
                e.line,
            )
            for e in examples
        ]
        examples = [e for e in examples if e.labels or e.abstain]
    return examples, infer(Path(source).stem or "inferred", kept), notes


def _no_labels(table: Table, taxonomy: Taxonomy | None) -> str:
    listed = ", ".join(table.columns)
    if taxonomy is None:
        return f"no column holds labels. Its columns are: {listed}. Say which one with --column NAME=label"
    fields = ", ".join(f.name for f in taxonomy.choices)
    return f"no column labels a field of '{taxonomy.name}' ({fields}). Its columns are: {listed}. Say which one with --column NAME=FIELD"


def _unknown_notes(columns: Sequence[LabelColumn], given: bool) -> list[str]:
    why = "the taxonomy does not have" if given else "are reserved words"
    notes = []
    for c in columns:
        if c.unknown:
            named = ", ".join(f"'{value[:60]}' × {n}" for value, n in list(c.unknown.items())[:NAMED])
            more = f" and {len(c.unknown) - NAMED} more" if len(c.unknown) > NAMED else ""
            count = sum(c.unknown.values())
            notes.append(
                f"'{c.column}': {count} cells hold values that {why} and count as unlabelled: {named}{more}"
            )
    return notes


def _rejected_notes(rejected: Sequence[Rejected]) -> list[str]:
    counts = Counter(row.reason for row in rejected)
    return [f"{n} rows kept aside: {reason}" for reason, n in counts.most_common(NAMED)]


def _rare_notes(examples: Sequence[Example], taxonomy: Taxonomy, min_rows: int) -> list[str]:
    notes = []
    for f in taxonomy.choices:
        counts = Counter(e.labels[f.name] for e in examples if f.name in e.labels)
        rare = [key for key, n in counts.items() if n < min_rows]
        if rare:
            named = ", ".join(f"'{key}'" for key in rare[:NAMED]) + (" …" if len(rare) > NAMED else "")
            notes.append(
                f"{f.name}: {len(rare)} labels have fewer than {min_rows} rows, too small to learn: {named}"
            )
    return notes
