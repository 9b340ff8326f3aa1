"""Rows for supervised fine-tuning of a language model: a prompt, and the completion on which alone the loss is taken.

Instructions rotate through wordings in two languages, the labels stand in some prompts and not in others, tickets that
belong to a person are answered with `needs_human`, and some texts carry commands that the answer does not follow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import ABSTAIN, NONE, Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import example_of
from tamiz.lab.synth import SynthTicket, default_bank
from tamiz.models.llm import prompt
from tamiz.pipeline.summary import summarize
from tamiz.text import canonicalize

SUBJECT_HIDDEN = 0.5
"""Share of the rows whose text lacks the subject line that is their summary: it must be written, not copied."""

LABELS_SHOWN = 0.15
SUMMARY_LENGTH = 200
INJECTED = 0.05


@dataclass(frozen=True, slots=True)
class SftSource:
    """A labelled ticket and its one-line summary. `subject` says that the summary is the text's first line."""

    example: Example
    summary: str
    subject: bool = False


def of_examples(examples: Iterable[Example], subjects: bool) -> Iterator[SftSource]:
    """Labelled rows as sources: the subject is the summary where the table has one, else the best sentence."""
    for example in examples:
        first, _, rest = example.text.partition("\n")
        real = subjects and bool(rest.strip()) and 2 <= len(first.split()) <= 20
        yield SftSource(example, first if real else _extracted(example.text), real)


def of_synthetic(tickets: Iterable[SynthTicket]) -> Iterator[SftSource]:
    """Synthetic tickets as sources; their summaries are clean subjects of their scenarios."""
    for ticket in tickets:
        yield SftSource(example_of(ticket), ticket.summary)


def sft_rows(sources: Sequence[SftSource], taxonomy: Taxonomy, seed: int = 0) -> Iterator[dict[str, Any]]:
    """One row per source, in their order, the same ones for the same seed.

    A row holds `prompt` and `completion` as lists of chat messages, and `id`, `group`, `language` and `kind` (plain,
    abstain or injected). DataError when a label is not one of the taxonomy's.
    """
    rng = Random(seed)
    wordings = [(language, text) for language, texts in prompt.instructions().items() for text in texts]
    rng.shuffle(wordings)
    for place, source in enumerate(sources):
        example = source.example
        language, wording = wordings[place % len(wordings)]
        text, kind = _text(source, rng)
        values = _values(source, taxonomy)
        shown = prompt.Shown.LABELS if rng.random() < LABELS_SHOWN else prompt.Shown.NOTHING
        told = prompt.messages(taxonomy, text, wording, language, shown=shown)
        yield {
            "id": example.id,
            "group": example.group,
            "language": example.language,
            "kind": kind,
            "prompt": told,
            "completion": [{"role": "assistant", "content": prompt.answer(taxonomy, values)}],
        }


def write_sft(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write JSON Lines; returns the number of rows."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        return sum(bool(file.write(json.dumps(row, ensure_ascii=False) + "\n")) for row in rows)


def _extracted(text: str) -> str:
    return summarize(canonicalize(RawMessage("", text)), SUMMARY_LENGTH)[0]


def _text(source: SftSource, rng: Random) -> tuple[str, str]:
    """The ticket's text as this row shows it, and the kind of row."""
    text, language = source.example.text, source.example.language
    if source.subject and rng.random() < SUBJECT_HIDDEN:
        text = text.partition("\n")[2].strip()
    if source.example.abstain:
        return text, "abstain"
    if rng.random() >= INJECTED:
        return text, "plain"
    commands = default_bank().style.lines["injections"]
    command = rng.choice(commands.get(language) or commands["en"])
    lines = text.split("\n")
    lines.insert(rng.randint(0, len(lines)), command)
    return "\n".join(lines), "injected"


def _values(source: SftSource, taxonomy: Taxonomy) -> dict[str, str | None]:
    example = source.example
    summary = (
        {taxonomy.text_field.name: source.summary[: taxonomy.text_field.max_length]}
        if taxonomy.text_field
        else {}
    )
    choices = {f.name: f for f in taxonomy.choices if f.matrix is None}
    if example.abstain:
        return {**summary, **dict.fromkeys(choices, ABSTAIN)}
    values: dict[str, str | None] = {}
    for name, f in choices.items():
        if name in example.labels:
            label = example.labels[name]
            if label not in f.classes:
                raise DataError(path=example.id, mistake=f"'{label}' is not a label of the field '{name}'")
            values[name] = None if label == NONE else label
    return {**summary, **values}
