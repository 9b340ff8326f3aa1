"""Names and addresses by Microsoft Presidio, after the built-in rules. Needs the optional extra `pii`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tamiz.domain.errors import MissingExtraError
from tamiz.domain.ticket import Language, Span
from tamiz.text.findings import Finding, replace_findings
from tamiz.text.pii import redact

DEFAULT_MODELS = {"en": "en_core_web_sm", "es": "es_core_news_sm"}
KINDS = {"PERSON": "NAME", "LOCATION": "ADDRESS"}
"""Presidio's entities that the rules cannot find, and our placeholders for them."""


class Analyzer(Protocol):
    """The part of `presidio_analyzer.AnalyzerEngine` that is used."""

    def analyze(self, text: str, language: str, entities: list[str]) -> list[Any]:
        """Results with `entity_type`, `start`, `end` and `score`."""
        ...


class PresidioRedactor:
    """A Redactor: the rules first, then names and places in what is left. Tens of milliseconds a text.

    `models` names an installed spaCy pipeline per language; `analyzer`, one that speaks these languages, spares
    building it. Raises MissingExtraError when Presidio or a pipeline is not installed.
    """

    def __init__(
        self,
        models: Mapping[str, str] | None = None,
        min_score: float = 0.5,
        analyzer: Analyzer | None = None,
    ) -> None:
        models = models or DEFAULT_MODELS
        self._languages = tuple(models)
        self._min_score = min_score
        self._analyzer = analyzer or _analyzer(models)

    def __call__(self, text: str, language: Language | None = None) -> tuple[str, tuple[Span, ...]]:
        """The redacted text and its spans; texts in neither language are read in every one."""
        redacted, spans = redact(text, language)
        if not any(map(str.isalpha, redacted)):
            return redacted, spans
        results = [
            result
            for code in ((language,) if language in self._languages else self._languages)
            for result in self._analyzer.analyze(redacted, language=code, entities=list(KINDS))
            if result.score >= self._min_score
        ]
        results.sort(key=lambda result: (-result.score, result.start))
        return replace_findings(
            redacted, (Finding(KINDS[found.entity_type], found.start, found.end) for found in results)
        )


def _analyzer(models: Mapping[str, str]) -> Analyzer:
    try:
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
        from spacy.util import is_package
    except ImportError as error:
        raise MissingExtraError(extra="pii", package="presidio-analyzer") from error
    for model in models.values():
        # Presidio would try to download a missing pipeline, and end the process when it cannot.
        if not is_package(model) and not Path(model).is_dir():
            raise MissingExtraError(extra="pii", package=f"The spaCy pipeline {model}")
    names = [{"lang_code": code, "model_name": model} for code, model in models.items()]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": names})
    engine: Analyzer = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=list(models))
    return engine
