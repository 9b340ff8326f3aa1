"""`tamiz train llm`: a language model learns to write tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tamiz.cli.console import err
from tamiz.cli.tables import Columns, TaxonomyFile, load, need_training, read_taxonomy, tell
from tamiz.domain.taxonomy_file import default_taxonomy

if TYPE_CHECKING:
    from tamiz.domain.taxonomy import Taxonomy
    from tamiz.lab.llm.rows import Parts

EXAMPLES = """Examples:\n
  tamiz train llm --out runs/writer\n
  tamiz train llm tickets.csv --config qwen2.5-0.5b --out runs/writer\n
  tamiz export gguf runs/writer --out runs/writer-gguf"""
NEEDED = ("torch", "transformers", "accelerate", "peft", "trl", "datasets", "tensorboard", "gguf")


def llm(
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for states, log and adapter.")],
    data: Annotated[
        Path | None, typer.Argument(help="A labelled table; without one, the synthetic bank.")
    ] = None,
    config: Annotated[
        str, typer.Option(help="A profile (smollm2-cpu, phi-2 …) or a TOML file.")
    ] = "smollm2-cpu",
    rows: Annotated[int, typer.Option(min=8, help="Tickets from the synthetic bank.")] = 5600,
    taxonomy: TaxonomyFile = None,
    columns: Columns = [],  # noqa: B006 - typer reads the default, nothing changes it
) -> None:
    """Fine-tune a language model by LoRA; a killed run goes on with the same command."""
    need_training(*NEEDED)
    from tamiz.lab.llm.config import load_config

    chosen = load_config(config)
    (train, held), labels = _rows(data, rows, read_taxonomy(taxonomy), columns, chosen.seed)
    tell(f"{len(train):,} rows to train on, {len(held):,} held out. Loading {chosen.base} …")
    from tamiz.lab.llm.train import train_llm

    with _bar() as told:
        adapter = train_llm(chosen, train, held, labels, out, told)
    tell(f"Written: {adapter}. Next: tamiz export gguf {out} --out FOLDER")


def _rows(
    data: Path | None, count: int, taxonomy: Taxonomy | None, columns: list[str], seed: int
) -> tuple[Parts, Taxonomy]:
    from tamiz.lab.llm.rows import synthetic_rows, table_rows

    if data is None:
        labels = taxonomy or default_taxonomy()
        return synthetic_rows(count, labels, seed), labels
    loaded = load(data, columns, taxonomy)
    return table_rows(loaded.examples, loaded.subjects, loaded.taxonomy, seed), loaded.taxonomy


@contextmanager
def _bar() -> Iterator[Callable[[int, int, float | None], None]]:
    """The training's only bar: optimiser steps, and the loss as it was last told."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("training", total=None)

        def told(step: int, steps: int, loss: float | None) -> None:
            known = "training" if loss is None else f"training, loss {loss:.3f}"
            bar.update(task, completed=step, total=steps, description=known)

        yield told
