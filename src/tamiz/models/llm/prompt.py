"""What a language model is told: an instruction, the labels where wanted, and the ticket fenced off as data.

The answer has one line per field, `name: value`, in the order of the taxonomy; null where a field does not apply.
Derived fields are left out: code derives them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

from tamiz.domain import schema
from tamiz.domain.taxonomy import Taxonomy

OPEN, CLOSE = "<<<TICKET", "TICKET>>>"
NULL = "null"

Message = dict[str, str]
"""A chat message: its `role` (system, user, assistant) and `content`."""


@lru_cache(maxsize=1)
def instructions() -> Mapping[str, tuple[str, ...]]:
    """Language → wordings of the instruction; each names the fields where it says {fields}."""
    file = resources.files("tamiz.models.llm").joinpath("instructions.toml")
    return {language: tuple(texts) for language, texts in tomllib.loads(file.read_text("utf-8")).items()}


def asked(taxonomy: Taxonomy) -> tuple[str, ...]:
    """The fields that the model answers: all but the derived ones, in the order of the taxonomy."""
    return tuple(f.name for f in taxonomy.fields if f.matrix is None)


def messages(
    taxonomy: Taxonomy, text: str, instruction: str, language: str = "en", *, labels: bool = True
) -> list[Message]:
    """System and user message for one canonical text. `labels` states every label; a model that was trained on the
    taxonomy knows them without. `language` is that of the descriptions."""
    told = instruction.replace("{fields}", ", ".join(asked(taxonomy)))
    if labels:
        told += "\n\n" + schema.prompt(taxonomy, language)
    return [{"role": "system", "content": told}, {"role": "user", "content": fenced(text)}]


def fenced(text: str) -> str:
    """The text between the marks; marks inside the text are broken up, so that it cannot end its own fence."""
    for mark in (OPEN, CLOSE):
        text = text.replace(mark, " ".join(mark))
    return f"{OPEN}\n{text}\n{CLOSE}"


def answer(taxonomy: Taxonomy, values: Mapping[str, str | None]) -> str:
    """The lines that say these values (field → label, null or summary); fields without a value are left out."""
    lines = []
    for name in asked(taxonomy):
        if name in values:
            value = values[name]
            lines.append(f"{name}: {NULL if value is None else ' '.join(value.split())}")
    return "\n".join(lines)
