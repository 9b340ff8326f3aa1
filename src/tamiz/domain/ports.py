"""Protocols between the core and its back ends; concrete classes are named only in `bootstrap/wiring.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Prediction


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Who a model is: its name, the hash of its content, and the classes and text view it was trained on."""

    name: str
    kind: str
    content_hash: str
    classes_hash: str
    text_version: str


class Model(Protocol):
    """Turns canonical texts into predictions. Batch-first and batch-invariant: neighbours never change an answer."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def taxonomy(self) -> Taxonomy: ...

    @property
    def policy(self) -> Policy: ...

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order. Never raises on any text, the empty one included."""
        ...


class Clock(Protocol):
    """The wall clock (UTC) and the monotonic clock (seconds), injected so that runs can be replayed."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...
