"""Protocols between the core and its back ends; concrete classes are named only in `bootstrap/wiring.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution, Prediction


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


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A solved ticket near a text. `text` is empty where the model may not carry it (a customer's own tickets),
    `language` where it is not known."""

    id: str
    similarity: float
    labels: Mapping[str, str]
    text: str = ""
    language: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON output."""
        return {
            "id": self.id,
            "similarity": round(self.similarity, 4),
            "labels": dict(self.labels),
            "text": self.text,
        }


@runtime_checkable
class Exemplars(Protocol):
    """A model that remembers some of what it was trained on."""

    def nearest(self, text: str, k: int) -> list[Neighbour]:
        """The k training tickets most similar to a canonical text, nearest first."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A model whose remembered training tickets can be found by embedding."""

    def resembling(self, embedding: Sequence[float], k: int) -> list[Neighbour]:
        """The k training tickets most similar to a text with this embedding, nearest first."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What a language model is asked about one ticket, by its canonical (redacted) text.

    `fields` are to be decided; `known` values are settled already and only told. `examples` are solved tickets that
    resemble this one.
    """

    text: str
    language: str = "en"
    fields: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    summary: bool = True
    examples: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What a language model says of one ticket: a calibrated distribution over the classes of every asked field, the
    probability that the ticket belongs to a person, and a summary (empty where none was asked)."""

    distributions: Mapping[str, Distribution]
    abstained: float = 0.0
    summary: str = ""


class Writer(Protocol):
    """A language model held to the taxonomy."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def taxonomy(self) -> Taxonomy: ...

    @property
    def told(self) -> str:
        """What it is told beside the ticket: words that no summary may repeat."""
        ...

    def write(self, question: Question) -> Written:
        """The answer to one question. ProviderError where there is none: a failure never becomes a label."""
        ...


class Clock(Protocol):
    """The wall clock (UTC) and the monotonic clock (seconds), injected so that runs can be replayed."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class VectorIndex(Protocol):
    """Vectors by number, in one space. What is added and asked is packed as `domain.vectors` does it."""

    def __len__(self) -> int: ...

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        ...

    def remove(self, keys: Sequence[int]) -> None:
        """Take vectors away that are there."""
        ...

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """At most k keys with the cosine similarity of their vectors, nearest first; the lower key wins a tie."""
        ...

    def search_all(self, vectors: Sequence[bytes], k: int) -> list[list[tuple[int, float]]]:
        """The same for several vectors, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A ticket, and the cosine similarity of its embedding."""

    ticket_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Matches:
    """What a search found, nearest first, and among how many tickets."""

    searched: int
    matches: tuple[Match, ...]


class Memory(Protocol):
    """Which tickets are near. A tenant's question never meets another tenant's tickets."""

    def search(self, tenant: str, model_hash: str, vector: bytes, k: int) -> Matches:
        """The k tickets of the tenant nearest to a vector in a model's space, by all that is committed at this moment."""
        ...

    def search_all(self, tenant: str, model_hash: str, vectors: Sequence[bytes], k: int) -> list[Matches]:
        """The same for several vectors, in their order; some back ends answer many for little more than one."""
        ...
