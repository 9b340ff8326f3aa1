"""An export of solved tickets → what `service.backfill` remembers, and the rows and values that it cannot.

A row is the same row wherever it is read again: by its id where there is one, else by all its cells and how many rows
like it stand before it. So a table may grow, be sorted or be saved in another format between two imports.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.taxonomy import ABSTAIN, NONE, Taxonomy
from tamiz.lab.data.headers import fold_header
from tamiz.lab.data.labels import LabelColumn, matched_columns
from tamiz.lab.data.mapping import ROLES, ColumnMapping, detect
from tamiz.lab.data.readers import read_table
from tamiz.lab.data.table import RawRow, Rejected, Table
from tamiz.lab.data.times import parse_times
from tamiz.service.backfill import Past, fitting, unfit

PLACES = frozenset(("row", "index", "row number", ""))
"""Headers of columns that count rows: such a number means another ticket in the next file."""
NAMED = 5
"""How many unknown values a remark names."""
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Aside:
    """A row, or values of a row that was kept without them (`kept`): its line in the file, why, and the row as JSON."""

    line: int
    reason: str
    row: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What an export holds: tickets in the order of the file, and by their ids the rows that they stand in; what is put
    aside; how many rows there are, and how many of them say the same once more; how columns were read; how many values
    each field has; remarks for people."""

    tickets: Sequence[Past]
    found: Mapping[str, RawRow]
    aside: Sequence[Aside]
    rows: int
    repeated: int
    columns: str
    labels: Mapping[str, int]
    notes: Sequence[str] = ()

    def others(self, ids: Iterable[str]) -> list[Aside]:
        """The rows of tickets that were imported before with another content."""
        return [
            _aside(self.found[one], "is known from an earlier import, with another content") for one in ids
        ]


@dataclass
class _Seen:
    """What was made of the rows so far."""

    tickets: dict[str, Past] = field(default_factory=dict)
    rows: dict[str, RawRow] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)
    repeated: int = 0


def read_history(path: Path, taxonomy: Taxonomy, choices: Mapping[str, str], sheet: str = "") -> History:
    """Read an export; `choices` maps columns to roles or fields (see `detect`).

    DataError for what is no table, has no text or no column that labels a field; ConfigError for a role that there is not.
    """
    fields = [f.name for f in taxonomy.choices]
    for role in choices.values():
        if role not in (*ROLES, *fields):
            known = ", ".join((*ROLES, *fields))
            raise ConfigError(key="--column", mistake=f"there is no '{role}', but: {known}")
    table = read_table(path, sheet)
    mapping = _mapping(table, choices)
    columns = matched_columns(*_offered(table, mapping, choices, taxonomy), taxonomy)
    if not columns:
        told = f"no column labels a field of '{taxonomy.name}' ({', '.join(fields)})"
        listed = ", ".join(table.columns)
        raise DataError(
            path=path,
            mistake=f"{told}. Its columns are: {listed}. Say which one with --column NAME=FIELD, or take a model "
            "with your labels into use first (tamiz models activate)",
        )
    times, notes = _times(table, mapping)
    seen = _Seen(aside=[_unread(one) for one in table.rejected])
    _each(table, mapping, columns, times, taxonomy, seen)
    return History(
        list(seen.tickets.values()),
        seen.rows,
        sorted(seen.aside, key=lambda one: one.line),
        len(table.rows) + len(table.rejected),
        seen.repeated,
        _columns(mapping, columns),
        {c.field: sum(c.field in past.values for past in seen.tickets.values()) for c in columns},
        [*notes, *_unknown(columns), *_garbled(table)],
    )


def write_aside(aside: Iterable[Aside], path: Path) -> int:
    """Write what was put aside as CSV, at once or not at all, and count it. The row is JSON, so that no cell of it is a
    formula to a spreadsheet. ConfigError where the file cannot be written."""
    rows = [(one.line, "yes" if one.kept else "no", one.reason, one.row) for one in aside]
    fresh = path.with_name(f".{path.name}.part")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("line", "imported", "reason", "row"), *rows])
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        mistake = f"{path} cannot be written ({error.strerror}). Name a file that can with --aside FILE"
        raise ConfigError(key="--aside", mistake=mistake) from error
    return len(rows)


def _mapping(table: Table, choices: Mapping[str, str]) -> ColumnMapping:
    mapping = detect(table, choices)
    guessed = mapping.id is not None and mapping.id not in choices
    if guessed and fold_header(mapping.id or "") in PLACES:
        return replace(mapping, id=None)
    return mapping


def _offered(
    table: Table, mapping: ColumnMapping, choices: Mapping[str, str], taxonomy: Taxonomy
) -> tuple[Table, ColumnMapping]:
    """Table and mapping without columns that a person wants ignored, or whose header names a field for which another was chosen."""
    chosen = {fold_header(column): role for column, role in choices.items()}
    taken = {
        fold_header(name)
        for f in taxonomy.choices
        if f.name in chosen.values()
        for name in (f.name, *f.display.values())
    }
    kept = [
        c
        for c in table.columns
        if chosen.get(fold_header(c), "" if fold_header(c) not in taken else "ignore") != "ignore"
    ]
    labels, others = ([c for c in listed if c in kept] for listed in (mapping.labels, mapping.candidates))
    return replace(table, columns=tuple(kept)), replace(
        mapping, labels=tuple(labels), candidates=tuple(others)
    )


def _each(
    table: Table,
    mapping: ColumnMapping,
    columns: Sequence[LabelColumn],
    times: Sequence[datetime | None],
    taxonomy: Taxonomy,
    seen: _Seen,
) -> None:
    """Put every row where it belongs."""
    copies: Counter[str] = Counter()
    fits: dict[tuple[tuple[str, str | None], ...], tuple[dict[str, str | None], dict[str, str]]] = {}
    for index, row in enumerate(table.rows):
        given = {
            c.field: None if c.keys[index] == NONE else c.keys[index]
            for c in columns
            if c.keys[index] not in ("", ABSTAIN)
        }
        place = tuple(given.items())
        if place not in fits:
            fits[place] = fitting(taxonomy, given)
        values, dropped = fits[place]
        name = _id(row, mapping, copies)
        past = Past(name, _cell(row, mapping.subject), _cell(row, mapping.body), values, times[index])
        reason = unfit(past) or ("" if values else _no_label(row, columns))
        if reason:
            seen.aside.append(_aside(row, reason))
        elif name in seen.tickets:
            _again(row, past, seen)
        else:
            seen.tickets[name], seen.rows[name] = past, row
            missing = [*_strangers(row, index, columns), *dropped.values()]
            if missing:
                seen.aside.append(replace(_aside(row, "; ".join(missing)), kept=True))


def _again(row: RawRow, past: Past, seen: _Seen) -> None:
    """A row with the id of one before it: the same once more, or another one."""
    if past.digest == seen.tickets[past.id].digest:
        seen.repeated += 1
    else:
        line = seen.rows[past.id].line
        seen.aside.append(_aside(row, f"id '{past.id}' stands in line {line} already, with another content"))


def _id(row: RawRow, mapping: ColumnMapping, copies: Counter[str]) -> str:
    own = _cell(row, mapping.id)
    if own:
        return own
    digest = hashlib.sha256(json.dumps(sorted(row.cells.items())).encode("ascii")).hexdigest()[:32]
    copies[digest] += 1
    return f"row-{digest}-{copies[digest]}"


def _cell(row: RawRow, column: str | None) -> str:
    return row.cells[column] if column else ""


def _no_label(row: RawRow, columns: Sequence[LabelColumn]) -> str:
    told = ", ".join(f"{c.field} '{row.cells[c.column][:60]}'" for c in columns if row.cells[c.column])
    return f"has no label that the taxonomy knows ({told})" if told else "has no label"


def _strangers(row: RawRow, index: int, columns: Sequence[LabelColumn]) -> list[str]:
    return [
        f"'{row.cells[c.column][:60]}' is no value of {c.field}"
        for c in columns
        if row.cells[c.column] and not c.keys[index]
    ]


def _aside(row: RawRow, reason: str) -> Aside:
    return Aside(row.line, reason, _json(row))


def _json(row: RawRow) -> str:
    return json.dumps(dict(row.cells), ensure_ascii=False)


def _unread(one: Rejected) -> Aside:
    return Aside(one.line, one.reason, json.dumps(one.raw, ensure_ascii=False))


def _times(table: Table, mapping: ColumnMapping) -> tuple[list[datetime | None], list[str]]:
    if mapping.time is None:
        return [None] * len(table.rows), ["no column says when tickets came: they count as of today"]
    cells = table.column(mapping.time)
    times, note = parse_times(cells)
    lost = sum(bool(cell) and not moment for cell, moment in zip(cells, times, strict=True))
    notes = [note] if note else []
    if lost:
        notes.append(f"{lost:,} times in '{mapping.time}' could not be read and count as of today")
    return [datetime.fromisoformat(one) if one else None for one in times], notes


def _columns(mapping: ColumnMapping, columns: Sequence[LabelColumn]) -> str:
    found = {"id": mapping.id, "time": mapping.time, "subject": mapping.subject, "body": mapping.body}
    named = [f"{role}: {column}" for role, column in found.items() if column]
    return "; ".join([*named, *(f"{c.field}: {c.column}" for c in columns)])


def _unknown(columns: Sequence[LabelColumn]) -> list[str]:
    notes = []
    for c in columns:
        if c.unknown:
            most = ", ".join(f"'{value[:60]}' × {n:,}" for value, n in list(c.unknown.items())[:NAMED])
            more = f" and {len(c.unknown) - NAMED} more" if len(c.unknown) > NAMED else ""
            total = sum(c.unknown.values())
            notes.append(f"{c.field}: {total:,} cells hold values that the taxonomy lacks: {most}{more}")
    return notes


def _garbled(table: Table) -> list[str]:
    """Remarks on an encoding that was guessed, or that was not the right one."""
    bad = sum(any(_REPLACEMENT in cell for cell in row.cells.values()) for row in table.rows)
    notes = [f"{bad:,} rows have letters that cannot be read (\ufffd): save the file as UTF-8"] if bad else []
    if table.encoding not in ("", "utf-8", "utf-8-sig"):
        notes.append(f"the file was read as {table.encoding}; if letters look wrong, save it as UTF-8")
    return notes
