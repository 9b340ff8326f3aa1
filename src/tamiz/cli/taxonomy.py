"""`tamiz taxonomy`: check a file, print its schema, infer one from a labelled table."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tamiz.cli.console import err, out
from tamiz.domain import schema, taxonomy_file
from tamiz.domain.taxonomy import Taxonomy
from tamiz.lab.data.examples import to_examples
from tamiz.lab.data.mapping import detect
from tamiz.lab.data.readers import read_table

app = typer.Typer(no_args_is_help=True, help="The one source of fields, labels and relations.")

File = Annotated[
    Path | None, typer.Argument(help="A taxonomy file (TOML); the default taxonomy without one.")
]


class Form(StrEnum):
    """What `tamiz taxonomy schema` prints."""

    WIRE = "wire"
    COMPACT = "compact"
    PROMPT = "prompt"
    TOML = "toml"


def _load(path: Path | None) -> Taxonomy:
    return taxonomy_file.load(path) if path else taxonomy_file.default_taxonomy()


@app.command("check")
def check(file: File = None) -> None:
    """Read a taxonomy; a mistake is told with its file and line. Example: tamiz taxonomy check my.toml"""
    taxonomy = _load(file)
    table = Table("field", "labels", "kind")
    for f in taxonomy.fields:
        kind = "derived" if f.matrix else f"below {f.parent}" if f.parent else f.kind.value
        table.add_row(f.name, str(len(f.labels) or ""), kind)
    out.print(table)
    err.print(f"{taxonomy.name}: no mistakes. Classes {taxonomy.classes_hash}, prose {taxonomy.prose_hash}.")


@app.command("schema")
def print_schema(
    file: File = None,
    form: Annotated[
        Form, typer.Option(help="wire (with decisions), compact (field → value), prompt or toml.")
    ] = Form.WIRE,
    language: Annotated[str, typer.Option(help="Language of descriptions in the prompt.")] = "en",
) -> None:
    """Print the JSON Schema (draft 2020-12) of triaged tickets. Example: tamiz taxonomy schema > ticket.schema.json"""
    taxonomy = _load(file)
    if form is Form.PROMPT:
        typer.echo(schema.prompt(taxonomy, language))
    elif form is Form.TOML:
        typer.echo(taxonomy_file.dumps(taxonomy))
    else:
        made = schema.wire_schema(taxonomy) if form is Form.WIRE else schema.compact_schema(taxonomy)
        typer.echo(json.dumps(made, indent=2, ensure_ascii=False))


@app.command("infer")
def infer(
    table: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="A labelled table (csv, jsonl, xlsx, parquet)."),
    ],
) -> None:
    """Write a taxonomy from the labels in a table. Example: tamiz taxonomy infer export.csv > my.toml"""
    read = read_table(table)
    loaded = to_examples(read, detect(read))
    typer.echo(taxonomy_file.dumps(loaded.taxonomy))
    for note in loaded.notes:
        err.print(note, style="yellow", markup=False)
