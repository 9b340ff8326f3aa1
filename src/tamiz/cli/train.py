"""`tamiz train`: a model from labelled tickets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamiz.bootstrap.wiring import registry
from tamiz.cli import train_llm
from tamiz.cli.console import settings
from tamiz.cli.tables import (
    Columns,
    Fields,
    Table,
    TaxonomyFile,
    load,
    narrowed,
    need_training,
    read_taxonomy,
    tell,
)

if TYPE_CHECKING:
    from tamiz.domain.taxonomy import Taxonomy
    from tamiz.lab.data.example import Example

    Rows = tuple[list[Example], list[Example], Taxonomy]

app = typer.Typer(no_args_is_help=True, help="Train a model on labelled tickets.")

ENCODER_EXAMPLES = """Examples:\n
  tamiz train encoder tickets.csv --name mine --config cpu\n
  tamiz train encoder train.csv --held-out valid.csv --taxonomy my.toml --config my_run.toml --own"""
BASELINE_EXAMPLES = """Examples:\n
  tamiz train baseline tickets.csv --name quick\n
  tamiz train baseline tickets.csv --majority --out models/majority"""

Name = Annotated[str, typer.Option("--name", "-n", help="Its name; by default that of the table.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="A folder for the model instead of the registry.")
]
HeldOut = Annotated[
    Path | None, typer.Option(help="Rows that calibrate; by default 15 % of the table, groups kept together.")
]
Own = Annotated[
    bool, typer.Option("--own", help="These are our own tickets: the model may earn the right to apply.")
]
Budget = Annotated[float, typer.Option(min=0.001, max=0.5, help="Wrong share among applied values.")]
Seed = Annotated[int, typer.Option(help="Seed of splits and training.")]


app.command("llm", epilog=train_llm.EXAMPLES)(train_llm.llm)


@app.command("encoder", epilog=ENCODER_EXAMPLES)
def encoder(
    data: Table,
    name: Name = "",
    out: Out = None,
    config: Annotated[str, typer.Option(help="cpu, cuda, mps, frozen, or a TOML file.")] = "cpu",
    taxonomy: TaxonomyFile = None,
    field: Fields = [],  # noqa: B006 - typer reads the default, nothing changes it
    columns: Columns = [],  # noqa: B006
    held_out: HeldOut = None,
    own: Own = False,
    budget: Budget = 0.02,
) -> None:
    """Fine-tune an encoder with one head per field; a killed run resumes with the same command."""
    need_training("torch", "transformers", "peft")
    from tamiz.lab.encoder_config import load_config

    chosen = load_config(config)
    train, held, labels = _rows(data, held_out, taxonomy, field, columns, chosen.seed)
    from tamiz.lab.train_encoder import train_encoder

    _made(
        name or data.stem,
        out,
        lambda place: train_encoder(chosen, train, held, labels, place, earned=own, budget=budget),
    )


@app.command("baseline", epilog=BASELINE_EXAMPLES)
def baseline(
    data: Table,
    name: Name = "",
    out: Out = None,
    taxonomy: TaxonomyFile = None,
    field: Fields = [],  # noqa: B006
    columns: Columns = [],  # noqa: B006
    held_out: HeldOut = None,
    own: Own = False,
    budget: Budget = 0.02,
    majority: Annotated[bool, typer.Option("--majority", help="Only the class frequencies.")] = False,
    balanced: Annotated[bool, typer.Option("--balanced", help="Give small classes more weight.")] = False,
    seed: Seed = 0,
) -> None:
    """Train TF-IDF with a linear head per field: seconds to minutes."""
    need_training()
    from tamiz.lab.train_baseline import BaselineOptions, train_baseline

    train, held, labels = _rows(data, held_out, taxonomy, field, columns, seed)
    called = name or data.stem
    options = BaselineOptions(
        name=called, seed=seed, balanced=balanced, budget=budget, earned=own, majority=majority
    )
    _made(called, out, lambda place: train_baseline(train, held, labels, place, options))


def _rows(
    data: Path, held_out: Path | None, taxonomy: Path | None, field: list[str], columns: list[str], seed: int
) -> Rows:
    from tamiz.lab.data.splits import group_disjoint, tied

    loaded = load(data, columns, read_taxonomy(taxonomy))
    labels = narrowed(loaded.taxonomy, field)
    if held_out is not None:
        return loaded.examples, load(held_out, columns, loaded.taxonomy).examples, labels
    split = group_disjoint(tied(loaded.examples), {"train": 0.85, "held_out": 0.15}, seed, labels.primary)
    return split["train"], split["held_out"], labels


def _made(name: str, out: Path | None, make: Callable[[Path], Path]) -> None:
    """Train into the chosen folder, or beside the registry and then into it."""
    if out is not None:
        tell(f"Written: {make(out)}")
        return
    models = registry(settings())
    workplace = models.home / "training" / name
    if workplace.exists():  # trained, but not taken in: a run that was stopped in between
        shutil.rmtree(workplace)
    place = models.add(make(workplace))
    shutil.rmtree(workplace)
    tell(f"Written: {place}. Use it: tamiz triage --model {name}, or tamiz models activate {name}")
