"""`tamiz chat`: type tickets and see who says what: the encoder, the language model, and what comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tamiz.bootstrap.sieve import Sieve, load
from tamiz.cli.console import err, out, settings, with_llm
from tamiz.cli.tables import TaxonomyFile, read_taxonomy
from tamiz.domain.gate import Policy, shown
from tamiz.domain.taxonomy import ABSTAIN, NONE
from tamiz.domain.triage import Decision, Prediction, Triage

EXAMPLES = """Examples:\n
  tamiz chat\n
  tamiz chat --taxonomy my.toml      (labels that no model was trained on)\n
  TAMIZ_LLM_KIND=openai TAMIZ_LLM_URL=http://localhost:11434/v1 TAMIZ_LLM_MODEL=qwen3 tamiz chat"""

_STYLE = {Decision.APPLY: "green", Decision.RECOMMEND: "yellow", Decision.REVIEW: "red", Decision.OFF: "dim"}


def command(
    model: Annotated[str, typer.Option("--model", "-m", help="The encoder; the active one by default.")] = "",
    taxonomy: TaxonomyFile = None,
    history: Annotated[
        Path | None, typer.Option("--save", help="Append every triage to this file, as JSON Lines.")
    ] = None,
) -> None:
    """Type tickets; an empty line ends."""
    sieve = load(model, with_llm(settings()), read_taxonomy(taxonomy))
    err.print("Type a ticket and press Enter; an empty line ends.", style="dim")
    while text := err.input("ticket> ").strip():
        triage = sieve.triage(text)
        out.print(conversation(sieve, triage))
        if history is not None:
            with history.open("a", encoding="utf-8") as file:
                file.write(_line(text, triage))


def conversation(sieve: Sieve, triage: Triage) -> Table:
    """What was said of one ticket, a line per field."""
    writer = triage.receipt.writer
    table = Table(
        title=f"{triage.summary}  [{triage.summary_source}]", title_justify="left", title_style="bold"
    )
    for heading in ("field", "encoder", "language model", "decided", "why"):
        table.add_column(heading, overflow="fold")
    own = Prediction(triage.receipt.distributions, triage.receipt.scope)
    for f in sieve.taxonomy.choices:
        outcome = triage.fields[f.name]
        said = shown(sieve.taxonomy, f, own, Policy())
        told = writer.distributions[f.name].best if writer and f.name in writer.distributions else None
        value = "ask a person" if outcome.value == ABSTAIN else _name(outcome.value)
        table.add_row(
            f.name,
            f"{_name(said[0])} {said[1]:.2f}",
            f"{_name(told[0])} {told[1]:.2f}" if told else "",
            f"[{_STYLE[outcome.decision]}]{value}[/]",
            outcome.reason.value.replace("_", " "),
        )
    if writer and writer.failure:
        table.caption = writer.failure
    return table


def _name(value: str | None) -> str:
    return "—" if value in (None, NONE) else str(value).replace("[", r"\[")


def _line(text: str, triage: Triage) -> str:
    return json.dumps({"text": text, **triage.to_wire()}, ensure_ascii=False) + "\n"
