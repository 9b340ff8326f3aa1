"""Presidio is a wall: absent, it says what to install; present, it adds names to what the rules find."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import pytest

from tamiz.domain.errors import MissingExtraError
from tamiz.domain.ticket import Span
from tamiz.text.presidio import PresidioRedactor

INSTALLED = importlib.util.find_spec("presidio_analyzer") is not None


@pytest.mark.skipif(INSTALLED, reason="Presidio is installed")
def test_without_the_extra_the_error_says_what_to_install():
    with pytest.raises(MissingExtraError, match="presidio-analyzer") as error:
        PresidioRedactor()
    assert "tamiz[pii]" in error.value.advice


@dataclass(frozen=True)
class Result:
    entity_type: str
    start: int
    end: int
    score: float


class NameFinder:
    """Finds every `Ana`, sure of it in Spanish only."""

    def analyze(self, text, language, entities):
        assert entities == ["PERSON", "LOCATION"]
        at = text.find("Ana")
        return [Result("PERSON", at, at + 3, 0.9 if language == "es" else 0.2)] if at >= 0 else []


@pytest.mark.parametrize(
    ("language", "redacted"),
    [
        ("es", "Soy <NAME>, <EMAIL>"),
        ("en", "Soy Ana, <EMAIL>"),
        ("other", "Soy <NAME>, <EMAIL>"),
        (None, "Soy <NAME>, <EMAIL>"),
    ],
)
def test_names_are_found_after_the_rules(language, redacted):
    text, spans = PresidioRedactor(analyzer=NameFinder())("Soy Ana, ana@example.org", language)
    assert text == redacted
    assert spans[-1] == Span("EMAIL", text.index("<EMAIL>"), len(text), "<EMAIL>")
