"""`tamiz export`: a fine-tuned language model in the forms that others read, each checked by running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamiz.cli.tables import need_training, tell
from tamiz.cli.train_llm import NEEDED

if TYPE_CHECKING:
    from tamiz.lab.llm.export import Exported

app = typer.Typer(no_args_is_help=True, help="Export a model that `tamiz train llm` made.")

EXAMPLES = """Examples:\n
  tamiz export gguf runs/writer --out runs/writer-gguf\n
  tamiz export gguf runs/writer --type q8_0 --out runs/writer-q8"""

Folder = Annotated[Path, typer.Argument(help="The folder of a finished `tamiz train llm`.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="A new folder for the export and its export.json.")]


@app.command("adapter")
def adapter(run: Folder, out: Out) -> None:
    """The LoRA adapter alone, for PEFT."""
    need_training(*NEEDED)
    from tamiz.lab.llm.export import export_adapter, read_run

    _report(export_adapter(read_run(run), out))


@app.command("merged")
def merged(run: Folder, out: Out) -> None:
    """Base and adapter as one model in fp16, for transformers."""
    need_training(*NEEDED)
    from tamiz.lab.llm.export import export_merged, read_run

    _report(export_merged(read_run(run), out))


@app.command("gguf", epilog=EXAMPLES)
def gguf(
    run: Folder,
    out: Out,
    kind: Annotated[
        str, typer.Option("--type", help="adapter, or a whole model as f16, q8_0, q4_1, q4_0.")
    ] = "adapter",
    base: Annotated[
        Path | None,
        typer.Option(help="The GGUF that the adapter will run on, where it is another than the base."),
    ] = None,
) -> None:
    """For llama.cpp: the adapter alone, or base and adapter as one model."""
    need_training(*NEEDED)
    from tamiz.lab.llm.export import export_gguf, export_gguf_adapter, read_run

    found = read_run(run)
    _report(export_gguf_adapter(found, out, base) if kind == "adapter" else export_gguf(found, out, kind))


def _report(made: Exported) -> None:
    check = made.check
    tell(f"Written: {made.path} ({made.path.stat().st_size / 1e6:,.1f} MB)")
    tell(
        f"Against the trained model, {check.questions} questions: the same label in {check.same_label:.0%}, label "
        f"probabilities {check.mean_difference:.4f} apart on average, {check.worst_difference:.4f} at most"
    )
