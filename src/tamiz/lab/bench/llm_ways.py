"""Three ways to get a ticket out of the same language model: typed decoding, a JSON grammar, prompt and retry.

All three see the same system message with the labels, the same ticket and the same runtime.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tamiz.domain import schema
from tamiz.domain.taxonomy import FieldKind, Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Decision, FieldTriage, Receipt, Triage
from tamiz.models.llm import prompt
from tamiz.models.llm.llama import Post
from tamiz.models.llm.prompt import Message, Shown
from tamiz.text import canonicalize

TRIES = 5
LIMIT = 256
WARM = 0.8
"""Temperature from the second try on: a greedy model would only repeat itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Values as the model wrote them, whether they are a valid ticket, and how many tries it took."""

    values: Mapping[str, Any]
    valid: bool
    tries: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways that need no typed decoder, over one llama.cpp server."""

    post: Post
    taxonomy: Taxonomy
    instruction: str
    lines: bool = False
    """Read `name: value` lines, which a fine-tuned model writes, instead of JSON."""

    def grammar(self, text: str) -> Answer:
        """JSON under a grammar made from the compact schema."""
        form = {
            "type": "json_schema",
            "json_schema": {"name": "ticket", "schema": self._schema(), "strict": True},
        }
        written = self._chat(text, response_format=form)
        return self._read(written, 1)

    def retry(self, text: str, tries: int = TRIES) -> Answer:
        """Free text, parsed and asked for again until it is a valid ticket."""
        answer = Answer({}, False, 0)
        for number in range(1, tries + 1):
            warmth = {"temperature": WARM, "seed": number} if number > 1 else {}
            answer = self._read(self._chat(text, **warmth), number)
            if answer.valid:
                break
        return answer

    def _chat(self, text: str, **options: Any) -> str:
        body = {
            "messages": self.messages(text),
            "max_tokens": LIMIT,
            "temperature": 0.0,
            "cache_prompt": True,
            **options,
        }
        return str(self.post("/v1/chat/completions", body)["choices"][0]["message"]["content"] or "")

    def messages(self, text: str) -> list[Message]:
        """The prompt that all ways share."""
        shown = Shown.NOTHING if self.lines else Shown.LABELS
        told = prompt.told(self.taxonomy, self.instruction, "en", shown)
        if not self.lines:
            told += "\nAnswer with one JSON object that has exactly these fields."
        return [{"role": "system", "content": told}, {"role": "user", "content": prompt.fenced(text)}]

    def _schema(self) -> dict[str, Any]:
        whole = schema.compact_schema(self.taxonomy)["properties"]
        names = prompt.asked(self.taxonomy)
        return {
            "type": "object",
            "properties": {name: _plain(whole[name]) for name in names},
            "required": list(names),
            "additionalProperties": False,
        }

    def _read(self, text: str, tries: int) -> Answer:
        values = parsed_lines(text) if self.lines else parsed_json(text)
        known = {name: values.get(name) for name in prompt.asked(self.taxonomy) if name in values}
        whole = {**known, **derived(self.taxonomy, known)}
        extra = set(values) - set(known)
        valid = bool(values) and not extra and not self.taxonomy.violations(whole)
        return Answer(whole, valid, tries, text)


def parsed_json(text: str) -> dict[str, Any]:
    """The JSON object of an answer, code fences taken off; empty where there is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1]) if start >= 0 else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def parsed_lines(text: str) -> dict[str, Any]:
    """The `name: value` lines of an answer."""
    pairs = (line.partition(":") for line in text.strip().split("\n") if ":" in line)
    return {name.strip(): None if value.strip() == prompt.NULL else value.strip() for name, _, value in pairs}


def derived(taxonomy: Taxonomy, values: Mapping[str, Any]) -> dict[str, Any]:
    """Derived fields of values that allow it."""
    found = {}
    for f in taxonomy.derived:
        assert f.matrix is not None
        row, column = values.get(f.matrix.rows), values.get(f.matrix.columns)
        cells = f.matrix.cells.get(str(row), {})
        if column in cells:
            found[f.name] = cells[str(column)]
    return found


def triage_all(ways: Ways, answer: Callable[[str], Answer]) -> Callable[[Sequence[RawMessage]], list[Triage]]:
    """A way as something that triages messages, so that attacks can be measured on it. Values stand as written."""

    def one(message: RawMessage) -> Triage:
        text = canonicalize(message)
        values = answer(text.text).values
        fields = {
            f.name: FieldTriage(values.get(f.name), 1.0, Decision.RECOMMEND) for f in ways.taxonomy.choices
        }
        summaries = [str(values.get(f.name) or "") for f in ways.taxonomy.fields if f.kind is FieldKind.TEXT]
        receipt = Receipt("plain", "", ways.taxonomy.classes_hash, "")
        return Triage("", summaries[0] if summaries else "", "llm", fields, text.language, receipt)

    return lambda messages: [one(message) for message in messages]


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key in ("enum", "type", "maxLength")}
