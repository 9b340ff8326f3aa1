"""`tamiz evaluate`: judge a model on labelled tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tamiz.bootstrap.wiring import find_model
from tamiz.cli.console import settings
from tamiz.cli.tables import Columns, Fields, Table, TaxonomyFile, load, need_training, read_taxonomy, tell
from tamiz.domain.errors import TaxonomyMismatchError

EXAMPLES = """Examples:\n
  tamiz evaluate starter tickets.csv --out report\n
  tamiz evaluate ./mine test.csv --train train.csv --field category\n
  tamiz evaluate starter export.xlsx --column "Short text=subject" --column Team=assignment_group"""


def command(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    data: Table,
    train: Annotated[
        Path | None, typer.Option(help="What the model learned from: checks for leaks, trains the baseline.")
    ] = None,
    taxonomy: TaxonomyFile = None,
    field: Fields = [],  # noqa: B006 - typer reads the default, nothing changes it
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the report.")] = Path("evaluation"),
    columns: Columns = [],  # noqa: B006
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Print figures over a leaking split, marked as such.")
    ] = False,
) -> None:
    """Judge a model on labelled tickets, beside the majority class and TF-IDF + LinearSVC on the same rows."""
    opened = find_model(model, settings())
    need_training()
    from tamiz.lab.evaluate import Plan, evaluate
    from tamiz.lab.report import as_text, write_report

    labels = read_taxonomy(taxonomy) or opened.taxonomy
    if labels.classes_hash != opened.taxonomy.classes_hash:
        raise TaxonomyMismatchError(path=model, taxonomy=labels.name, mistake="the classes differ")
    judged = load(data, columns, labels).examples
    known = load(train, columns, labels).examples if train else []
    plan = Plan(known, allow_leak, fields=field, note=data.name)
    evaluation = evaluate(opened, judged, plan)
    typer.echo(as_text(evaluation))
    tell("Written: " + ", ".join(str(path) for path in write_report(evaluation, out)))
