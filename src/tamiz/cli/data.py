"""`tamiz data`: look at tables, check them, split them, make synthetic ones."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamiz.cli.console import PROBLEMS_FOUND
from tamiz.cli.tables import Columns, Fields, Table, TaxonomyFile, load, read_taxonomy, tell
from tamiz.domain.errors import ConfigError

if TYPE_CHECKING:
    from tamiz.lab.data.example import Example

app = typer.Typer(no_args_is_help=True, help="Look at tables, check them, split them, make synthetic ones.")

CHECK_EXAMPLES = """Examples:\n
  tamiz data check tickets.csv\n
  tamiz data check train.csv test.csv --field category"""
SPLIT_EXAMPLES = """Examples:\n
  tamiz data split tickets.csv --out parts\n
  tamiz data split tickets.csv --out parts --by time --shares train=0.8,test=0.2"""
SYNTH_EXAMPLES = """Examples:\n
  tamiz data synth --rows 1000 --out tickets.csv\n
  tamiz data synth --rows 5000 --seed 3 --split test --out test.jsonl"""


SFT_EXAMPLES = """Examples:\n
  tamiz data sft --out train.jsonl --rows 20000 --split train\n
  tamiz data sft tickets.csv --taxonomy my.toml --out train.jsonl"""
LISTED = 12


class By(StrEnum):
    """How rows are split."""

    GROUP = "group"
    TIME = "time"
    RANDOM = "random"


@app.command("info")
def info(table: Table, columns: Columns = []) -> None:  # noqa: B006 - typer reads the default
    """How a table is read: columns, languages, classes. Example: tamiz data info export.csv"""
    loaded = load(table, columns)
    reasons = Counter(row.reason for row in loaded.rejected)
    dated = sorted(e.time for e in loaded.examples if e.time)
    typer.echo(f"rows: {len(loaded.examples):,} usable, {len(loaded.rejected):,} kept aside")
    for reason, count in reasons.most_common():
        typer.echo(f"  {reason}: {count:,}")
    if dated:
        typer.echo(f"times: {dated[0]} to {dated[-1]} ({len(dated):,} rows)")
    typer.echo(f"languages: {_counted(Counter(e.language for e in loaded.examples))}")
    for f in loaded.taxonomy.choices:
        counts = Counter(e.labels[f.name] for e in loaded.examples if f.name in e.labels)
        typer.echo(f"{f.name}: {counts.total():,} labels, {len(counts)} classes: {_counted(counts)}")


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    tables: Annotated[
        list[Path], typer.Argument(help="One table, or several splits, the training one first.")
    ],
    taxonomy: TaxonomyFile = None,
    field: Fields = [],  # noqa: B006
    columns: Columns = [],  # noqa: B006
    leaks_only: Annotated[
        bool, typer.Option("--leaks-only", help="No baselines, shortcuts or doubtful labels: seconds.")
    ] = False,
) -> None:
    """Leaks, duplicates, contradictions, shortcuts, doubtful labels, baselines. Exit code 5 when there are any."""
    from tamiz.lab.data.check import LEAKS_ONLY, CheckOptions
    from tamiz.lab.data.check import check as look

    first = load(tables[0], columns, read_taxonomy(taxonomy))
    splits = {tables[0].stem: first.examples}
    for number, path in enumerate(tables[1:], 2):
        name = f"{path.stem}-{number}" if path.stem in splits else path.stem
        splits[name] = load(path, columns, first.taxonomy).examples
    names = field or [
        f.name for f in first.taxonomy.choices if any(f.name in e.labels for e in first.examples)
    ]
    reports = [look(splits, name, LEAKS_ONLY if leaks_only else CheckOptions()) for name in names]
    typer.echo("\n\n".join(report.render() for report in reports))
    if any(report.leaks or report.warnings for report in reports):
        sys.exit(PROBLEMS_FOUND)


@app.command("split", epilog=SPLIT_EXAMPLES)
def split(
    table: Table,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for one CSV per part.")],
    by: Annotated[By, typer.Option(help="group keeps near duplicates and templates together.")] = By.GROUP,
    shares: Annotated[str, typer.Option(help="Parts and their shares.")] = "train=0.8,test=0.2",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    columns: Columns = [],  # noqa: B006
) -> None:
    """Cut a labelled table into parts that do not leak, each a CSV with the same columns."""
    from tamiz.lab.data import splits

    loaded = load(table, columns)
    sizes, primary = _shares(shares), loaded.taxonomy.primary
    if by is By.TIME:
        parts = splits.time_ordered(loaded.examples, sizes)
    elif by is By.GROUP:
        parts = splits.group_disjoint(splits.tied(loaded.examples), sizes, seed, primary)
    else:
        parts = splits.random_split(loaded.examples, sizes, primary, seed)
    _write_parts(table, parts, out)


@app.command("synth", epilog=SYNTH_EXAMPLES)
def synth(
    out: Annotated[Path, typer.Option("--out", "-o", help="A .csv or .jsonl file.")],
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many tickets.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same tickets.")] = 0,
    split: Annotated[
        str, typer.Option(help="train, valid or test: scenarios that the others do not have.")
    ] = "",
    languages: Annotated[str, typer.Option(help="en, es, or both.")] = "en,es",
    statistics: Annotated[Path | None, typer.Option(help="Write the statistics as JSON too.")] = None,
) -> None:
    """Make synthetic IT tickets for the default taxonomy, and print their statistics."""
    from tamiz.lab import synth as lab

    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigError(key="--out", mistake=f"'{out.name}' must end in .csv or .jsonl")
    if split and split not in lab.SPLITS:
        raise ConfigError(key="--split", mistake=f"'{split}' is not one of {', '.join(lab.SPLITS)}")
    chosen = next((known for known in lab.SPLITS if known == split), None)
    made = lab.generate(rows, seed, chosen, [part.strip() for part in languages.split(",")])
    (lab.write_csv if out.suffix.lower() == ".csv" else lab.write_jsonl)(made, out)
    found = lab.statistics(made)
    if statistics is not None:
        statistics.write_text(json.dumps(found, indent=1, ensure_ascii=False), "utf-8")
    typer.echo(lab.render(found))


@app.command("sft", epilog=SFT_EXAMPLES)
def sft(
    out: Annotated[Path, typer.Option("--out", "-o", help="A .jsonl file.")],
    table: Annotated[Path | None, typer.Argument(help="A labelled table; none: synthetic tickets.")] = None,
    taxonomy: TaxonomyFile = None,
    columns: Columns = [],  # noqa: B006
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="How many, without a table.")] = 1000,
    split: Annotated[str, typer.Option(help="train, valid or test, without a table.")] = "train",
    seed: Annotated[int, typer.Option(help="The same seed makes the same rows.")] = 0,
) -> None:
    """Write prompts and completions for fine-tuning a language model (the form that TRL reads)."""
    from tamiz.domain.taxonomy_file import default_taxonomy
    from tamiz.lab import synth as lab
    from tamiz.lab.data.sft import of_examples, of_synthetic, sft_rows, write_sft

    if out.suffix.lower() != ".jsonl":
        raise ConfigError(key="--out", mistake=f"'{out.name}' must end in .jsonl")
    if table is None:
        chosen = next((known for known in lab.SPLITS if known == split), None)
        if chosen is None:
            raise ConfigError(key="--split", mistake=f"'{split}' is not one of {', '.join(lab.SPLITS)}")
        labels, sources = default_taxonomy(), list(of_synthetic(lab.generate(rows, seed, chosen)))
    else:
        loaded = load(table, columns, read_taxonomy(taxonomy))
        labels = loaded.taxonomy
        sources = list(of_examples(loaded.examples, loaded.subjects))
    made = list(sft_rows(sources, labels, seed))
    write_sft(made, out)
    tell(f"{out}: {len(made):,} rows ({_counted(Counter(row['kind'] for row in made))})")


def _counted(counts: Counter[str]) -> str:
    named = ", ".join(f"{label or 'unknown'} {n:,}" for label, n in counts.most_common(LISTED))
    return f"{named} …" if len(counts) > LISTED else named


def _write_parts(table: Path, parts: Mapping[str, Sequence[Example]], out: Path) -> None:
    """The rows of each part as they stand in the table."""
    from tamiz.lab.data.readers import read_table

    rows = {row.line: row.cells for row in read_table(table).rows}
    out.mkdir(parents=True, exist_ok=True)
    for name, examples in parts.items():
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(next(iter(rows.values()))))
            writer.writeheader()
            writer.writerows(rows[e.line] for e in examples)
        tell(f"{out / name}.csv: {len(examples):,} rows")


def _shares(text: str) -> dict[str, float]:
    """Part → share from `train=0.8,test=0.2`; ConfigError when they cannot be read or do not sum to 1."""
    try:
        pairs = [piece.split("=") for piece in text.split(",")]
        found = {name.strip(): float(share) for name, share in pairs}
    except ValueError as error:
        raise ConfigError(key="--shares", mistake=f"'{text}' is not like train=0.8,test=0.2") from error
    if min(found.values()) <= 0 or abs(sum(found.values()) - 1) > 1e-6:
        raise ConfigError(key="--shares", mistake=f"'{text}' must be positive and sum to 1")
    if any(Path(name).name != name for name in found):
        raise ConfigError(key="--shares", mistake=f"'{text}' names a part that cannot be a file name")
    return found
