"""`tamiz backtest`: an export in, an honest report and a model out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tamiz.cli.console import err
from tamiz.cli.tables import Columns, TaxonomyFile, choices, need_training, read_taxonomy, tell

EXAMPLES = """Examples:\n
  tamiz backtest tickets.csv\n
  tamiz backtest export.xlsx --labels "Assignment group,Priority" --out report\n
  tamiz backtest tickets.csv --column Text=body --budget 0.01 --quick\n
  tamiz backtest tickets.csv --taxonomy my.toml"""


def command(
    tickets: Annotated[Path, typer.Argument(help="A labelled export: csv, tsv, jsonl, json, xlsx, parquet.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder for report and model: backtest-NAME.")
    ] = None,
    columns: Columns = [],  # noqa: B006 - typer reads the default, nothing changes it
    labels: Annotated[str, typer.Option(help="The label columns, commas between; else found.")] = "",
    taxonomy: TaxonomyFile = None,
    budget: Annotated[float, typer.Option(min=0.001, max=0.5, help="Wrong share among applied.")] = 0.02,
    base: Annotated[
        str, typer.Option(help="The encoder: auto, none, a model folder, or a base such as all-MiniLM-L6-v2.")
    ] = "auto",
    quick: Annotated[
        bool, typer.Option("--quick", help="No encoder, no search for doubtful labels.")
    ] = False,
) -> None:
    """Say what Tamiz would have done with your newest tickets, and train a model that may do it."""
    need_training()
    with err.status("starting"):
        from tamiz.lab.backtest import BacktestOptions, backtest
        from tamiz.lab.backtest_report import as_text, write_backtest

        folder = out or _free(Path(f"backtest-{tickets.stem}"))
        named = [label.strip() for label in labels.split(",") if label.strip()]
        stated = read_taxonomy(taxonomy)
        options = BacktestOptions(folder, choices(columns), named, budget, base, quick, stated)
        report = backtest(tickets, options, tell)
        written = write_backtest(report, folder)
    typer.echo(as_text(report))
    tell("Written: " + ", ".join(str(path) for path in written))


def _free(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3 … that is not there yet."""
    number, found = 2, folder
    while found.exists():
        found, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return found
