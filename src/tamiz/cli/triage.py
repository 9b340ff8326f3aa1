"""`tamiz triage`: a text, a file, a pipe or a prompt in; strict tickets out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tamiz.bootstrap.sieve import Sieve, load
from tamiz.cli.console import err, out, progress, settings, with_llm
from tamiz.cli.messages import Incoming, from_argument, from_file, from_stdin
from tamiz.cli.tables import TaxonomyFile, read_taxonomy
from tamiz.domain.taxonomy import ABSTAIN
from tamiz.domain.triage import Decision, FieldTriage, Triage
from tamiz.pipeline.explain import evidence_words

EXAMPLES = """Examples:\n
  tamiz triage "VPN drops every ten minutes"\n
  tamiz triage tickets.csv --output table\n
  cat mail.eml | tamiz triage --output json --explain\n
  tamiz triage            (an interactive prompt)"""

WIDE_ENOUGH = 18
"""Columns of the terminal that one field needs; in a narrower one, fields share a cell."""

_STYLE = {Decision.APPLY: "green", Decision.RECOMMEND: "yellow", Decision.REVIEW: "red", Decision.OFF: "dim"}
_MARK = {Decision.APPLY: "✓", Decision.RECOMMEND: "~", Decision.REVIEW: "?", Decision.OFF: "-"}


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def command(
    source: Annotated[
        str | None, typer.Argument(help="A text, or a file: csv, jsonl, xlsx, parquet, eml, html, txt.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model's name or folder; the active one by default.")
    ] = "",
    output: Annotated[
        Output | None, typer.Option("--output", "-o", help="table on a terminal, else json.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Every line of a text file or pipe is a ticket.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the words and training tickets behind it.")
    ] = False,
    taxonomy: TaxonomyFile = None,
    llm: Annotated[
        bool,
        typer.Option("--llm", help="Ask the language model where the encoder abstains, and for summaries."),
    ] = False,
) -> None:
    """Turn tickets into strict, schema-valid tickets."""
    chosen = output or (Output.TABLE if sys.stdout.isatty() else Output.JSON)
    if source is None and sys.stdin.isatty():
        _prompt(load(model, with_llm(settings(), llm), read_taxonomy(taxonomy)), explain)
        return
    incoming = _incoming(source, lines)
    sieve = load(model, with_llm(settings(), llm), read_taxonomy(taxonomy))
    messages = [item.message for item in incoming]
    triages = _heard(progress(sieve.stream(messages), len(messages), "Triaging"))
    _print(sieve, incoming, triages, chosen, explain)


def _incoming(source: str | None, lines: bool) -> list[Incoming]:
    if source is None:
        return from_stdin(sys.stdin.buffer.read(), lines)
    path = Path(source) if len(source) < 1024 and "\n" not in source else None
    return from_file(path, lines) if path is not None and path.is_file() else from_argument(source)


def _heard(triages: Iterable[Triage]) -> Iterator[Triage]:
    """Pass triages through, and say at the end how often the language model failed, and why."""
    failures: dict[str, int] = {}
    for triage in triages:
        if triage.receipt.writer and triage.receipt.writer.failure:
            failures[triage.receipt.writer.failure] = failures.get(triage.receipt.writer.failure, 0) + 1
        yield triage
    for reason, count in failures.items():
        err.print(f"{count} tickets without the language model: {reason}", style="yellow", markup=False)


def _prompt(sieve: Sieve, explain: bool) -> None:
    err.print("Type a ticket and press Enter; an empty line ends.", style="dim")
    while text := err.input("ticket> ").strip():
        incoming = from_argument(text)
        _print(sieve, incoming, [sieve.triage(incoming[0].message)], Output.TABLE, explain)


def _print(
    sieve: Sieve, incoming: list[Incoming], triages: Iterable[Triage], output: Output, explain: bool
) -> None:
    if output is Output.CSV:
        _csv(sieve, incoming, triages)
    elif output is Output.JSON:
        for item, triage in zip(incoming, triages, strict=True):
            extra = {"explanation": _explanation(sieve, item, triage)} if explain else {}
            out.print(
                json.dumps({"id": item.id, **triage.to_wire(), **extra}, ensure_ascii=False),
                markup=False,
                highlight=False,
            )
    else:
        done = list(triages)
        out.print(_table(sieve, incoming, done))
        _legend(done)
        for item, triage in zip(incoming, done, strict=True) if explain else ():
            _say(item, _explanation(sieve, item, triage))


def _table(sieve: Sieve, incoming: list[Incoming], triages: list[Triage]) -> Table:
    table = Table(expand=True, show_lines=False, pad_edge=False)
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("summary", ratio=3, overflow="fold")
    names = [f.name for f in sieve.taxonomy.choices]
    if out.width < WIDE_ENOUGH * len(names):
        table.add_column("fields", ratio=5, overflow="fold")
        for item, triage in zip(incoming, triages, strict=True):
            cells = [f"{name.replace('_', ' ')} {_cell(triage.fields[name])}" for name in names]
            table.add_row(escape(item.id), escape(triage.summary), " · ".join(cells), end_section=True)
        return table
    for name in names:
        table.add_column(name.replace("_", " "), ratio=1, overflow="fold")
    for item, triage in zip(incoming, triages, strict=True):
        table.add_row(
            escape(item.id), escape(triage.summary), *(_cell(triage.fields[name]) for name in names)
        )
    return table


def _cell(field: FieldTriage) -> str:
    shown = "ask" if field.value == ABSTAIN else "—" if field.value is None else escape(field.value)
    return f"[{_STYLE[field.decision]}]{_MARK[field.decision]} {shown}[/]"


def _legend(triages: list[Triage]) -> None:
    counts = dict.fromkeys(Decision, 0)
    for triage in triages:
        for field in triage.fields.values():
            counts[field.decision] += 1
    words = {"apply": "applied", "recommend": "recommended", "review": "for a person", "off": "off"}
    parts = [f"{_MARK[d]} {words[d.value]}: {n}" for d, n in counts.items() if n or d is not Decision.OFF]
    err.print(f"{len(triages)} tickets · fields " + " · ".join(parts), style="dim")


def _csv(sieve: Sieve, incoming: list[Incoming], triages: Iterable[Triage]) -> None:
    names = [f.name for f in sieve.taxonomy.choices]
    columns = [
        "id",
        "summary",
        *(f"{name}{part}" for name in names for part in ("", "_confidence", "_decision")),
    ]
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for item, triage in zip(incoming, triages, strict=True):
        row: list[str] = [item.id, triage.summary]
        for name in names:
            field = triage.fields[name]
            row += [field.value or "", f"{field.confidence:.4f}", field.decision.value]
        writer.writerow(row)


def _explanation(sieve: Sieve, item: Incoming, triage: Triage) -> dict[str, Any]:
    words = evidence_words(sieve.model, item.message, sieve.canonicalize, sieve.taxonomy.primary)
    return {"evidence": dict(words), "nearest": [near.to_dict() for near in sieve.nearest(item.message, 3)]}


def _say(item: Incoming, explanation: dict[str, Any]) -> None:
    words = ", ".join(f"{word} {share:+.2f}" for word, share in explanation["evidence"].items())
    out.print(f"{item.id}  evidence: {words or 'none'}", markup=False, highlight=False)
    for near in explanation["nearest"]:
        out.print(
            f"    {near['similarity']:.2f}  {near['text'] or near['id']}  {near['labels']}",
            markup=False,
            highlight=False,
        )
