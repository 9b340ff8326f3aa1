"""The taxonomy: the one source of fields, labels, relations and derivations.

From it come the JSON Schema, the pydantic models and the prompt text (`tamiz.domain.schema`), the class lists that
models train on, the category → subcategory relation and the impact × urgency → priority matrix. It is read from a
TOML file by `tamiz.domain.taxonomy_file`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ABSTAIN = "needs_human"
"""The value of a classification field whose decision belongs to a person."""

NONE = "none"
"""The class that models predict for 'this field does not apply'; on the wire it is null."""

RESERVED = frozenset({ABSTAIN, NONE, ""})


class FieldKind(StrEnum):
    """A field is written freely (the summary) or chosen from labels."""

    TEXT = "text"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Label:
    """One allowed value. The key never changes; display names and descriptions may. `parents` empty means any."""

    key: str
    display: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """A field derived from two others: `cells[row value][column value]` is a label of the derived field."""

    rows: str
    columns: str
    cells: Mapping[str, Mapping[str, str]]

    def at(self, row: str, column: str) -> str:
        """The derived label for one value of each input field."""
        return self.cells[row][column]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the ticket. `ordered` labels are listed from the most to the least severe."""

    name: str
    kind: FieldKind
    required: bool = True
    nullable: bool = False
    ordered: bool = False
    parent: str = ""
    labels: tuple[Label, ...] = ()
    matrix: Matrix | None = None
    max_length: int = 200
    display: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The label keys in the order of the file."""
        return tuple(label.key for label in self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """What a model chooses between: the keys, and `none` where the field may not apply."""
        return (*self.keys, NONE) if self.nullable else self.keys

    def label(self, key: str) -> Label:
        """The label with this key; KeyError when there is none."""
        for label in self.labels:
            if label.key == key:
                return label
        raise KeyError(key)

    def allowed(self, parent_value: str) -> tuple[str, ...]:
        """The keys that may stand below one value of the parent field."""
        return tuple(label.key for label in self.labels if not label.parents or parent_value in label.parents)


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that the taxonomy does not allow: the field and one sentence."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Fields in the order of the file, and the rules between them."""

    name: str
    fields: tuple[Field, ...]
    primary: str
    version: int = 1
    languages: tuple[str, ...] = ("en",)

    def field(self, name: str) -> Field:
        """The field with this name; KeyError when there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    @property
    def choices(self) -> tuple[Field, ...]:
        """The classification fields, derived ones included."""
        return tuple(f for f in self.fields if f.kind is FieldKind.CHOICE)

    @property
    def predicted(self) -> tuple[Field, ...]:
        """The classification fields that a model predicts: all but the derived ones, parents before children."""
        plain = [f for f in self.choices if f.matrix is None]
        return tuple(sorted(plain, key=lambda f: bool(f.parent)))

    @property
    def derived(self) -> tuple[Field, ...]:
        """The classification fields that follow from others through a matrix."""
        return tuple(f for f in self.choices if f.matrix is not None)

    @property
    def text_field(self) -> Field | None:
        """The free-text field (the summary), if the taxonomy has one."""
        return next((f for f in self.fields if f.kind is FieldKind.TEXT), None)

    @property
    def classes_hash(self) -> str:
        """The hash of what a model depends on: field names, label keys, relations and matrices."""
        facts = [
            [
                f.name,
                f.kind,
                f.nullable,
                f.parent,
                [[la.key, *la.parents] for la in f.labels],
                _cells(f.matrix),
            ]
            for f in self.fields
        ]
        return _digest(facts)

    @property
    def prose_hash(self) -> str:
        """The hash of what people and prompts read: display names, descriptions, synonyms."""
        facts = [
            [f.name, dict(f.display), dict(f.description)]
            + [[la.key, dict(la.display), dict(la.description), *la.synonyms] for la in f.labels]
            for f in self.fields
        ]
        return _digest(facts)

    def violations(self, values: Mapping[str, str | None]) -> list[Violation]:
        """Everything in a compact ticket (field → value) that labels, relations or matrices forbid.

        An abstention satisfies every rule; a missing required field is a violation.
        """
        found = [
            Violation(name, "is not a field of the taxonomy") for name in values if name not in self._names
        ]
        for f in self.fields:
            problem = self._problem(f, values)
            if problem:
                found.append(Violation(f.name, problem))
        return found

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(f.name for f in self.fields)

    def _problem(self, f: Field, values: Mapping[str, str | None]) -> str:
        if f.name not in values:
            return "is required" if f.required else ""
        value = values[f.name]
        if f.kind is FieldKind.TEXT:
            return (
                ""
                if value is not None and len(value) <= f.max_length
                else f"needs at most {f.max_length} characters"
            )
        if value is None:
            return "" if f.nullable else "may not be null"
        if value == ABSTAIN:
            return ""
        if value not in f.keys:
            return f"'{value}' is not one of its labels"
        return self._relation_problem(f, value, values)

    def _relation_problem(self, f: Field, value: str, values: Mapping[str, str | None]) -> str:
        parent = values.get(f.parent) if f.parent else None
        if parent and parent != ABSTAIN and value not in f.allowed(parent):
            return f"'{value}' may not stand below {f.parent} '{parent}'"
        if f.matrix is not None:
            row, column = values.get(f.matrix.rows), values.get(f.matrix.columns)
            known = row not in (None, ABSTAIN) and column not in (None, ABSTAIN)
            if known and value != f.matrix.at(str(row), str(column)):
                return f"'{value}' does not follow from {f.matrix.rows} '{row}' and {f.matrix.columns} '{column}'"
        return ""


def infer(name: str, columns: Mapping[str, Iterable[str]], primary: str = "") -> Taxonomy:
    """A taxonomy from labelled columns: field name → its values, row by row (empty text means no label).

    Labels are sorted by falling count. A summary field is always added. Reserved words are left out as labels.
    """
    fields = [
        Field(
            name="summary",
            kind=FieldKind.TEXT,
            description={"en": "One line that says what the ticket is about."},
        )
    ]
    for column, values in columns.items():
        counts: dict[str, int] = {}
        for value in values:
            if value not in RESERVED:
                counts[value] = counts.get(value, 0) + 1
        keys = sorted(counts, key=lambda key: (-counts[key], key))
        fields.append(Field(name=column, kind=FieldKind.CHOICE, labels=tuple(Label(key) for key in keys)))
    return Taxonomy(name=name, fields=tuple(fields), primary=primary or next(iter(columns)))


def _cells(matrix: Matrix | None) -> object:
    if matrix is None:
        return None
    return [matrix.rows, matrix.columns, {row: dict(cells) for row, cells in matrix.cells.items()}]


def _digest(facts: object) -> str:
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
