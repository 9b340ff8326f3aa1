"""Taxonomy files (TOML): reading with the line of every mistake, and writing.

name, version, primary, languages
[fields.NAME]                     kind = "choice" | "text", required, nullable, ordered, parent, display, description
[fields.NAME.labels."KEY"]        display, description, synonyms, parents
[fields.NAME.matrix]              rows, columns, cells.ROW = { COLUMN = "LABEL" }
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from tamiz.domain.errors import NoTaxonomyError, TaxonomyError
from tamiz.domain.taxonomy import RESERVED, Field, FieldKind, Label, Matrix, Taxonomy

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Prose = dict[str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _LabelSpec(_Strict):
    display: _Prose = {}
    description: _Prose = {}
    synonyms: list[str] = []
    parents: list[str] = []


class _MatrixSpec(_Strict):
    rows: str
    columns: str
    cells: dict[str, dict[str, str]]


class _FieldSpec(_Strict):
    kind: Literal["choice", "text"]
    required: bool = True
    nullable: bool = False
    ordered: bool = False
    parent: str = ""
    max_length: int = 200
    display: _Prose = {}
    description: _Prose = {}
    labels: dict[_Key, _LabelSpec] = {}
    matrix: _MatrixSpec | None = None


class _FileSpec(_Strict):
    name: str
    version: int = 1
    primary: str
    languages: list[str] = ["en"]
    fields: dict[_Name, _FieldSpec]


def default_taxonomy() -> Taxonomy:
    """The taxonomy that ships: an IT help desk in English and Spanish."""
    return loads(
        resources.files("tamiz.domain").joinpath("it_helpdesk.toml").read_text("utf-8"), "it_helpdesk.toml"
    )


def load(path: str | Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises TaxonomyError naming file, line and mistake, NoTaxonomyError when the file cannot be read.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise NoTaxonomyError(path=path, mistake=error.strerror) from error
    except UnicodeDecodeError as error:
        raise NoTaxonomyError(path=path, mistake=error) from error
    return loads(text, str(path))


def loads(text: str, path: str = "<string>") -> Taxonomy:
    """Read a taxonomy from TOML text; `path` only appears in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d{1,9})", str(error))
        line = int(match[1]) if match else text.count("\n") + 1
        raise TaxonomyError(path=path, line=line, mistake=f"is not valid TOML: {error}") from error
    try:
        spec = _FileSpec.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        keys = tuple(str(part) for part in first["loc"] if part != "[key]")
        mistake = f"{'.'.join(keys)}: {first['msg'].lower()}"
        raise TaxonomyError(path=path, line=_line_of(text, keys), mistake=mistake) from error
    taxonomy = _build(spec)
    for keys, mistake in _mistakes(taxonomy):
        raise TaxonomyError(path=path, line=_line_of(text, keys), mistake=mistake)
    return taxonomy


def dumps(taxonomy: Taxonomy) -> str:
    """The taxonomy as TOML that `loads` reads back to an equal value."""
    out = [
        f"name = {_quote(taxonomy.name)}",
        f"version = {taxonomy.version}",
        f"primary = {_quote(taxonomy.primary)}",
    ]
    out.append(f"languages = {_quote(list(taxonomy.languages))}")
    for f in taxonomy.fields:
        out += ["", f"[fields.{f.name}]", f"kind = {_quote(f.kind.value)}"]
        plain = Field(name=f.name, kind=f.kind)
        for key in ("required", "nullable", "ordered", "parent", "max_length"):
            if getattr(f, key) != getattr(plain, key):
                out.append(f"{key} = {_quote(getattr(f, key))}")
        out += _prose_lines(f.display, f.description)
        for label in f.labels:
            out += [
                "",
                f"[fields.{f.name}.labels.{_quote(label.key)}]",
                *_prose_lines(label.display, label.description),
            ]
            out += [
                f"{key} = {_quote(list(getattr(label, key)))}"
                for key in ("synonyms", "parents")
                if getattr(label, key)
            ]
        if f.matrix is not None:
            out += [
                "",
                f"[fields.{f.name}.matrix]",
                f"rows = {_quote(f.matrix.rows)}",
                f"columns = {_quote(f.matrix.columns)}",
            ]
            for row, cells in f.matrix.cells.items():
                body = ", ".join(f"{_quote(column)} = {_quote(value)}" for column, value in cells.items())
                out.append(f"cells.{_quote(row)} = {{ {body} }}")
    return "\n".join(out) + "\n"


def _prose_lines(display: Mapping[str, str], description: Mapping[str, str]) -> list[str]:
    lines = [f"display.{language} = {_quote(text)}" for language, text in display.items()]
    return lines + [f"description.{language} = {_quote(text)}" for language, text in description.items()]


def _quote(value: object) -> str:
    # JSON's escapes for strings, lists of strings, booleans and integers are TOML's too, but for the DEL character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _build(spec: _FileSpec) -> Taxonomy:
    fields = []
    for name, f in spec.fields.items():
        labels = tuple(
            Label(key, la.display, la.description, tuple(la.synonyms), tuple(la.parents))
            for key, la in f.labels.items()
        )
        matrix = Matrix(f.matrix.rows, f.matrix.columns, f.matrix.cells) if f.matrix else None
        kind = FieldKind(f.kind)
        fields.append(
            Field(
                name,
                kind,
                f.required,
                f.nullable,
                f.ordered,
                f.parent,
                labels,
                matrix,
                f.max_length,
                f.display,
                f.description,
            )
        )
    return Taxonomy(spec.name, tuple(fields), spec.primary, spec.version, tuple(spec.languages))


def _mistakes(taxonomy: Taxonomy) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    names = {f.name: f for f in taxonomy.fields}
    if taxonomy.primary not in names or names[taxonomy.primary].kind is not FieldKind.CHOICE:
        found.append((("primary",), f"primary field '{taxonomy.primary}' is not one of the choice fields"))
    if sum(f.kind is FieldKind.TEXT for f in taxonomy.fields) > 1:
        found.append((("fields",), "more than one field of kind 'text'; only the summary is free text"))
    for f in taxonomy.fields:
        found += _field_mistakes(f, names)
    return found


def _field_mistakes(f: Field, names: Mapping[str, Field]) -> list[tuple[tuple[str, ...], str]]:
    at = ("fields", f.name)
    if f.kind is FieldKind.TEXT:
        return [((*at, "labels"), f"'{f.name}' is free text and cannot have labels")] if f.labels else []
    found: list[tuple[tuple[str, ...], str]] = []
    if len(f.labels) < 2:
        found.append((at, f"'{f.name}' needs at least two labels"))
    found += [
        ((*at, "labels", key), f"label '{key}' is a reserved word") for key in f.keys if key in RESERVED
    ]
    folded: dict[str, str] = {}
    for key in f.keys:
        if key.casefold() in folded:
            found.append(
                ((*at, "labels", key), f"labels '{folded[key.casefold()]}' and '{key}' differ only in case")
            )
        folded[key.casefold()] = key
    return found + _parent_mistakes(f, names) + _matrix_mistakes(f, names)


def _parent_mistakes(f: Field, names: Mapping[str, Field]) -> list[tuple[tuple[str, ...], str]]:
    at = ("fields", f.name)
    if not f.parent:
        return [
            ((*at, "labels", la.key, "parents"), f"'{f.name}' has no parent field")
            for la in f.labels
            if la.parents
        ]
    parent = names.get(f.parent)
    if parent is None or not parent.labels or parent.parent or parent.name == f.name:
        return [((*at, "parent"), f"parent '{f.parent}' is not a choice field without a parent of its own")]
    found: list[tuple[tuple[str, ...], str]] = []
    for label in f.labels:
        unknown = [key for key in label.parents if key not in parent.keys]
        found += [
            ((*at, "labels", label.key, "parents"), f"'{key}' is not a label of {f.parent}")
            for key in unknown
        ]
    barren = [key for key in parent.keys if not f.allowed(key)]
    return found + [(at, f"no label of '{f.name}' may stand below {f.parent} '{key}'") for key in barren]


def _matrix_mistakes(f: Field, names: Mapping[str, Field]) -> list[tuple[tuple[str, ...], str]]:
    if f.matrix is None:
        return []
    at = ("fields", f.name, "matrix")
    inputs = [names.get(f.matrix.rows), names.get(f.matrix.columns)]
    rows, columns = inputs
    if (
        rows is None
        or columns is None
        or any(i is None or not i.labels or i.matrix or i.nullable for i in inputs)
    ):
        return [(at, "rows and columns must name two choice fields that are neither nullable nor derived")]
    found: list[tuple[tuple[str, ...], str]] = []
    for row in rows.keys:
        missing = [column for column in columns.keys if column not in f.matrix.cells.get(row, {})]
        found += [((*at, "cells"), f"cell {row} × {column} is missing") for column in missing]
    for row, cells in f.matrix.cells.items():
        if row not in rows.keys or any(column not in columns.keys for column in cells):
            found.append(
                (
                    (*at, "cells", row),
                    f"row '{row}' names values that {rows.name} and {columns.name} do not have",
                )
            )
        wrong = [value for value in cells.values() if value not in f.keys]
        found += [((*at, "cells", row), f"'{value}' is not a label of '{f.name}'") for value in wrong]
    return found


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line where a dotted key stands: the deepest line that names a prefix of `keys`; 1 when none does."""
    best, depth = 1, 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = _dotted(stripped.strip("[] \t").split("#")[0].rstrip("] "))
            path = table
        elif "=" in stripped and not stripped.startswith("#"):
            path = (*table, *_dotted(stripped.split("=")[0]))
        else:
            continue
        shared = _shared_prefix(path, keys)
        if shared > depth and shared in (len(path), len(keys)):
            best, depth = number, shared
    return best


def _shared_prefix(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


def _dotted(key: str) -> tuple[str, ...]:
    """The parts of a TOML key such as  fields.subcategory.labels."Login Issues"."""
    try:
        node: Any = tomllib.loads(f"{key.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)
