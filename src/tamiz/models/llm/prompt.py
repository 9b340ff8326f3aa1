"""What a language model is told and how it answers: an instruction, the labels where wanted, and the ticket fenced off
as data; then one line per field, `name: value`, choices first and the summary last; null where a field does not apply.

Derived fields are left out: code derives them. The answer is made of cues (`category:`) and values (` Software`), which
are turned into tokens one by one, in training as in decoding, so that both see the same tokens.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from tamiz.domain import schema
from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import ABSTAIN, NONE, Field, Taxonomy

OPEN, CLOSE = "<<<TICKET", "TICKET>>>"
NULL = "null"
MAX_TEXT = 1600
"""Characters of a ticket that the model reads; of a longer one, the beginning and the end."""
MAX_EXAMPLE = 400
"""Characters of a solved ticket that it is shown."""

_CONTROL = re.compile(
    r"<\|+|\|+>|\[/?INST\]|<</?SYS>>|</?s>|</?(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>", re.IGNORECASE
)
"""What chat templates mark turns with; a server that reads such marks inside a message must not find any."""

Message = dict[str, str]
"""A chat message: its `role` (system, user, assistant) and `content`."""


class Shown(StrEnum):
    """How much of the taxonomy stands in the prompt: nothing (the model was trained on it), the labels, or all."""

    NOTHING = "nothing"
    LABELS = "labels"
    DESCRIPTIONS = "descriptions"


@lru_cache(maxsize=1)
def instructions() -> Mapping[str, tuple[str, ...]]:
    """Language → wordings of the instruction; each names the fields where it says {fields}."""
    file = resources.files("tamiz.models.llm").joinpath("instructions.toml")
    return {language: tuple(texts) for language, texts in tomllib.loads(file.read_text("utf-8")).items()}


def asked(taxonomy: Taxonomy) -> tuple[str, ...]:
    """The fields that the model answers, in the order of its answer: all but the derived ones, parents before
    children, the text field last."""
    text = (taxonomy.text_field.name,) if taxonomy.text_field else ()
    return tuple(f.name for f in taxonomy.predicted) + text


def messages(
    taxonomy: Taxonomy, text: str, instruction: str, language: str = "en", *, shown: Shown = Shown.NOTHING
) -> list[Message]:
    """System and user message for one canonical text. `language` is that of the descriptions."""
    return [
        {"role": "system", "content": told(taxonomy, instruction, language, shown)},
        {"role": "user", "content": fenced(text)},
    ]


def told(taxonomy: Taxonomy, instruction: str, language: str, shown: Shown) -> str:
    """The system message: the same for every ticket, so that its computation is cached."""
    told = instruction.replace("{fields}", ", ".join(asked(taxonomy)))
    if shown is Shown.DESCRIPTIONS:
        return f"{told}\n\n{schema.prompt(taxonomy, language)}"
    if shown is Shown.LABELS:
        return "\n".join([told, *(f"{f.name}: {' | '.join(options(f))}" for f in taxonomy.predicted)])
    return told


def options(f: Field) -> tuple[str, ...]:
    """What may be written as the value of a choice: its labels, null where it may not apply, and the abstention."""
    return (*f.keys, *([NULL] if f.nullable else []), ABSTAIN)


def fenced(text: str, limit: int = MAX_TEXT) -> str:
    """The text between the marks, cut to `limit` characters; marks inside the text, and those of chat templates, are
    broken up, so that it can end neither its fence nor its turn."""
    for mark in (OPEN, CLOSE):
        text = text.replace(mark, " ".join(mark))
    text = _CONTROL.sub(lambda found: " ".join(found.group()), text)
    return f"{OPEN}\n{_middle_out(text, limit)}\n{CLOSE}"


def solved(taxonomy: Taxonomy, examples: Sequence[Neighbour], names: Collection[str]) -> list[Message]:
    """Solved tickets as turns before the question: each text fenced like the ticket, each answer in the answer's form.
    An answer says what is known of the fields `names` and nothing else; an example of which nothing is known is left
    out."""
    turns: list[Message] = []
    for example in examples:
        values = known(taxonomy, example.labels, names)
        if values and example.text:
            turns.append({"role": "user", "content": fenced(example.text, MAX_EXAMPLE)})
            turns.append({"role": "assistant", "content": answer(taxonomy, values)})
    return turns


def known(taxonomy: Taxonomy, labels: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Of a solved ticket's labels those of the fields `names` that the taxonomy has today, a child only where it may
    stand below its parent."""
    values: dict[str, str] = {}
    for f in taxonomy.predicted:
        label = labels.get(f.name, "")
        if f.name not in names or label not in f.classes:
            continue
        parent = labels.get(f.parent) if f.parent else None
        if label == NONE or parent is None or label in f.allowed(parent):
            values[f.name] = label
    return values


def cue(name: str, first: bool) -> str:
    """What stands before a field's value."""
    return f"{name}:" if first else f"\n{name}:"


def value(written: str | None) -> str:
    """A value as the answer writes it."""
    return " " + (NULL if written is None or written == NONE else " ".join(written.split()))


def segments(taxonomy: Taxonomy, values: Mapping[str, str | None]) -> list[str]:
    """The answer that says these values (field → label, null or summary), cue by value; other fields are left out."""
    parts: list[str] = []
    for name in asked(taxonomy):
        if name in values:
            parts += [cue(name, not parts), value(values[name])]
    return parts


def answer(taxonomy: Taxonomy, values: Mapping[str, str | None]) -> str:
    """The answer as one text."""
    return "".join(segments(taxonomy, values))


def _middle_out(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail]}\n[…]\n{text[-tail:]}"
