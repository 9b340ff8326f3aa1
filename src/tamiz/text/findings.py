"""What every finder of personal data yields, and how findings become placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from tamiz.domain.ticket import Language, Span

KINDS = ("EMAIL", "PHONE", "IBAN", "CARD", "NIF", "SSN", "IP", "API_KEY", "PASSWORD", "NAME", "ADDRESS")
"""Kinds of placeholders; the last two are found by Presidio only."""

PLACEHOLDER = re.compile(rf"<({'|'.join(KINDS)})>")


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of the text before redaction that must not be seen, and its kind."""

    kind: str
    start: int
    end: int


class Redactor(Protocol):
    """Anything that replaces personal data by typed placeholders."""

    def __call__(self, text: str, language: Language | None = None) -> tuple[str, tuple[Span, ...]]:
        """The redacted text and its spans, which index the redacted text. Never raises on any text."""
        ...


def placeholders(text: str) -> Iterator[Span]:
    """Every placeholder that stands in a text."""
    for match in PLACEHOLDER.finditer(text):
        yield Span(match[1], match.start(), match.end(), match.group())


def replace_findings(text: str, findings: Iterable[Finding]) -> tuple[str, tuple[Span, ...]]:
    """Put placeholders for findings; of overlapping ones the earlier in the sequence wins, and placeholders that
    stand in the text already are left alone."""
    taken = bytearray(len(text))
    for span in placeholders(text):
        taken[span.start : span.end] = b"\1" * (span.end - span.start)
    chosen: list[Finding] = []
    for finding in findings:
        if not any(taken[finding.start : finding.end]):
            taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
            chosen.append(finding)
    pieces: list[str] = []
    position = 0
    for finding in sorted(chosen, key=lambda found: found.start):
        pieces += [text[position : finding.start], f"<{finding.kind}>"]
        position = finding.end
    redacted = "".join([*pieces, text[position:]])
    return redacted, tuple(placeholders(redacted))
