"""Cells of label columns → label keys: of a given taxonomy, or tidied up for one that is inferred."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tamiz.domain.taxonomy import ABSTAIN, NONE, RESERVED, Field, Taxonomy
from tamiz.lab.data.headers import fold_header, phrases
from tamiz.lab.data.mapping import ColumnMapping
from tamiz.lab.data.table import Table

MAX_KEY = 200
NOT_APPLICABLE = frozenset(
    phrases("none|n/a|na|-|--|ninguno|ninguna|keine|nenhum|aucun|no aplica|not applicable")
)

_CODE_BEFORE = re.compile(r"(?:p|s|sev)?\d{1,2} ?[-–—.:)] ?(?=\w)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NOT_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column and the field that it labels. `keys` has one entry per row; empty: no label.

    `unknown` counts the values that the field does not have.
    """

    column: str
    field: str
    keys: Sequence[str]
    unknown: Mapping[str, int]


def field_names(columns: Sequence[str]) -> dict[str, str]:
    """Column → a distinct field name of plain letters, digits and underscores; never `summary`, the text field."""
    names: dict[str, str] = {}
    for column in columns:
        slug = _NOT_NAME.sub("_", fold_header(column)).strip("_")[:50] or "field"
        slug = slug if slug[0].isalpha() else f"field_{slug}"
        base = slug = "label_summary" if slug == "summary" else slug
        number = 2
        while slug in names.values():
            slug, number = f"{base}_{number}", number + 1
        names[column] = slug
    return names


def tidy_columns(table: Table, mapping: ColumnMapping) -> list[LabelColumn]:
    """The label columns for an inferred taxonomy: spellings that differ in case or spaces become the most usual one."""
    found = []
    for column, name in field_names(mapping.labels).items():
        cells = [_tidy(cell) for cell in table.column(column)]
        usual: dict[str, str] = {}
        for cell, _ in Counter(cells).most_common():
            usual.setdefault(cell.casefold(), cell)
        keys = [usual[cell.casefold()] for cell in cells]
        left_out = {key: n for key, n in Counter(keys).items() if key in RESERVED and key}
        found.append(LabelColumn(column, name, ["" if key in RESERVED else key for key in keys], left_out))
    return found


def matched_columns(
    table: Table, mapping: ColumnMapping, taxonomy: Taxonomy, empty_is_none: bool = False
) -> list[LabelColumn]:
    """For every field of the taxonomy the column that labels it: by header, else by values that are mostly its own.

    A cell gives the label whose key, display name or synonym it is, whatever its case, accents and leading code
    (`2 - High`). With `empty_is_none`, an empty cell of a nullable field means that the field does not apply.
    """
    taken = {
        mapping.subject,
        mapping.body,
        mapping.id,
        mapping.time,
        mapping.group,
        mapping.language,
        mapping.abstain,
    }
    columns = [
        c for c in dict.fromkeys((*mapping.labels, *mapping.candidates, *table.columns)) if c not in taken
    ]
    sure = {f.name: _by_header(f, columns, mapping) for f in taxonomy.choices}
    columns = [c for c in columns if c not in sure.values()]
    found = []
    for f in taxonomy.choices:
        column = sure[f.name] or _by_values(f, columns, table)
        if column in columns:
            columns.remove(column)
        if column:
            found.append(_resolved(table, column, f, empty_is_none))
    return found


def _by_header(f: Field, columns: Sequence[str], mapping: ColumnMapping) -> str:
    names = {fold_header(f.name), *(fold_header(text) for text in f.display.values())}
    named = [c for c in columns if fold_header(c) in names]
    named += [c for c in columns if mapping.roles.get(c) == f.name and c in mapping.labels]
    return named[0] if named else ""


def _by_values(f: Field, columns: Sequence[str], table: Table) -> str:
    index = _index(f)
    shares = [(_share(table.column(c), index), -place, c) for place, c in enumerate(columns)]
    best = max(shares, default=(0.0, 0, ""))
    return best[2] if best[0] >= 0.5 else ""


def _share(cells: Sequence[str], index: Mapping[str, str]) -> float:
    """How many of the distinct values are labels; 0 where fewer than two labels occur."""
    known = [_lookup(cell, index) for cell in set(cells) if cell]
    return sum(map(bool, known)) / len(known) if len({key for key in known if key}) > 1 else 0.0


def _resolved(table: Table, column: str, f: Field, empty_is_none: bool) -> LabelColumn:
    index = _index(f)
    cells = table.column(column)
    meaning = {cell: _lookup(cell, index) for cell in set(cells)}
    if f.nullable:
        meaning |= {
            cell: NONE
            for cell in meaning
            if cell.casefold() in NOT_APPLICABLE or (empty_is_none and not cell)
        }
    meaning |= {cell: ABSTAIN for cell in meaning if cell.casefold() == ABSTAIN}
    unknown = Counter(cell for cell in cells if cell and not meaning[cell])
    return LabelColumn(column, f.name, [meaning[cell] for cell in cells], dict(unknown.most_common()))


def _index(f: Field) -> dict[str, str]:
    """Every folded name of a label → its key; keys win over display names, those over synonyms."""
    index: dict[str, str] = {}
    for names in (
        [(label.key, label.key) for label in f.labels],
        [(text, label.key) for label in f.labels for text in label.display.values()],
        [(text, label.key) for label in f.labels for text in label.synonyms],
    ):
        for name, key in names:
            index.setdefault(fold_header(name) or name.casefold(), key)
    return index


def _lookup(cell: str, index: Mapping[str, str]) -> str:
    folded = fold_header(cell) or cell.casefold()
    if folded in index:
        return index[folded]
    return index.get(fold_header(_CODE_BEFORE.sub("", cell, count=1)), "")


def _tidy(cell: str) -> str:
    return " ".join(_CONTROL.sub(" ", cell).split())[:MAX_KEY].strip()
