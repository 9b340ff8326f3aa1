"""Labelled tables as commands take them: which column is what, which fields count, and what to tell about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamiz.cli.console import err
from tamiz.domain import taxonomy_file
from tamiz.domain.errors import ConfigError, MissingExtraError
from tamiz.domain.taxonomy import FieldKind, Taxonomy

if TYPE_CHECKING:
    from tamiz.lab.data.examples import Loaded

Table = Annotated[Path, typer.Argument(help="A labelled table: csv, tsv, jsonl, json, xlsx, parquet.")]
Columns = Annotated[
    list[str],
    typer.Option(
        "--column", "--columns", help="What a column is: NAME=body, subject, label, time … or a field's name."
    ),
]
Fields = Annotated[list[str], typer.Option("--field", "-f", help="Only this field (may be given again).")]
TaxonomyFile = Annotated[Path | None, typer.Option("--taxonomy", "-t", help="The labels, as a TOML file.")]


def need_training(*more: str) -> None:
    """MissingExtraError where the extra for training and judging is not installed."""
    for package, module in {
        "scikit-learn": "sklearn",
        "scipy": "scipy",
        **{name: name for name in more},
    }.items():
        if find_spec(module) is None:
            raise MissingExtraError(package=package, extra="train")


def choices(columns: Sequence[str]) -> dict[str, str]:
    """Column → role from `Title=subject`, `subject=Title`, or several of them with commas between.

    ConfigError where there is no equals sign.
    """
    from tamiz.lab.data.mapping import ROLES

    found = {}
    for part in columns:
        pieces = part.split(",") if all("=" in piece for piece in part.split(",")) else [part]
        for piece in pieces:
            left, mark, right = (side.strip() for side in piece.partition("="))
            if not mark or not left or not right:
                raise ConfigError(
                    key="--column", mistake=f"'{piece}' is not of the form NAME=ROLE, e.g. Title=subject"
                )
            column, role = (right, left) if left in ROLES and right not in ROLES else (left, right)
            found[column] = role
    return found


def load(path: Path, columns: Sequence[str], taxonomy: Taxonomy | None = None) -> Loaded:
    """Read a labelled table; what had to be kept aside or guessed is told on stderr."""
    from tamiz.lab.data.examples import to_examples
    from tamiz.lab.data.mapping import detect
    from tamiz.lab.data.readers import read_table

    table = read_table(path)
    mapping = detect(table, choices(columns))
    loaded = to_examples(table, mapping, taxonomy)
    tell(
        f"{path.name}: {len(loaded.examples):,} of {len(table.rows) + len(table.rejected):,} rows. {mapping.render()}"
    )
    for note in loaded.notes:
        tell(f"  {note}")
    return loaded


def read_taxonomy(path: Path | None) -> Taxonomy | None:
    """The taxonomy of a file, None without one."""
    return taxonomy_file.load(path) if path else None


def narrowed(taxonomy: Taxonomy, names: Sequence[str]) -> Taxonomy:
    """The taxonomy with only these fields and those that they rest on; ConfigError for a field that it lacks."""
    if not names:
        return taxonomy
    known = {f.name: f for f in taxonomy.choices}
    for name in names:
        if name not in known:
            raise ConfigError(key="--field", mistake=f"'{name}' is not a field; there are {', '.join(known)}")
    kept = set(names)
    for name in names:
        matrix = known[name].matrix
        kept |= {known[name].parent} | ({matrix.rows, matrix.columns} if matrix else set())
    fields = tuple(f for f in taxonomy.fields if f.kind is FieldKind.TEXT or f.name in kept)
    primary = taxonomy.primary if taxonomy.primary in kept else next(f.name for f in fields if f.name in kept)
    return replace(taxonomy, fields=fields, primary=primary)


def tell(text: str) -> None:
    """A line of progress on stderr."""
    err.print(text, style="dim", markup=False, highlight=False)
