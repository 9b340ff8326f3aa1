"""What comes out of the sieve: a distribution per field, a decision per field, and the receipt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = "1"
TOP_K = 3
_TINY = 1e-6


class Decision(StrEnum):
    """What may be done with a value: write it, suggest it, ask a person, or leave the field alone."""

    APPLY = "apply"
    RECOMMEND = "recommend"
    REVIEW = "review"
    OFF = "off"


class Reason(StrEnum):
    """Why a field was not applied; empty when it was."""

    NONE = ""
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_EARNED = "not_earned"
    RELATION = "relation"
    DEPENDS = "depends_on_reviewed_field"
    SWITCHED_OFF = "switched_off"
    DISAGREEMENT = "models_disagree"
    FLOOR = "below_severity_floor"
    RULE = "rule"
    SAID_OVER = "said_to_be_over"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Calibrated probabilities over a field's classes; `probabilities[i]` belongs to `labels[i]`, they sum to 1."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def best(self) -> tuple[str, float]:
        """The most likely label and its probability; the first one listed wins a tie."""
        index = max(range(len(self.labels)), key=self.probabilities.__getitem__)
        return self.labels[index], self.probabilities[index]

    def top(self, k: int) -> tuple[tuple[str, float], ...]:
        """The k most likely labels, best first."""
        order = sorted(range(len(self.labels)), key=lambda i: -self.probabilities[i])
        return tuple((self.labels[i], self.probabilities[i]) for i in order[:k])

    def of(self, label: str) -> float:
        """The probability of one label; 0 for a label that is not a class."""
        return self.probabilities[self.labels.index(label)] if label in self.labels else 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer for one text.

    `distributions` has one entry per predicted field. `scope` in [0, 1] says how much the text looks like one
    clear ticket of the kind the model was trained on (1) and not like something else (0).
    `embedding` is the encoder's unit vector, empty for models without one.
    """

    distributions: Mapping[str, Distribution]
    scope: float = 1.0
    embedding: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class FieldTriage:
    """The outcome for one field. `value` is a label, `needs_human`, or None (not applicable, or switched off)."""

    value: str | None
    confidence: float
    decision: Decision
    top: tuple[tuple[str, float], ...] = ()
    reason: Reason = Reason.NONE

    def to_wire(self) -> dict[str, Any]:
        """The JSON form of the field."""
        top = [{"label": label, "score": round(score, 6)} for label, score in self.top]
        return {
            "value": self.value,
            "confidence": round(self.confidence, 6),
            "decision": self.decision.value,
            "top": top,
        }


@dataclass(frozen=True, slots=True)
class Pool:
    """How two opinions on a field become one: softmax(encoder · log p + writer · log q + bias), a logarithmic opinion
    pool (Genest and Zidek 1986) whose weights are learned on held-out tickets. `bias` has an entry per class, or none.
    """

    encoder: float = 0.5
    writer: float = 0.5
    bias: tuple[float, ...] = ()

    def of(self, p: Distribution, q: Distribution) -> Distribution:
        """The pooled distribution; both speak of the same classes."""
        biases = self.bias or (0.0,) * len(p.labels)
        scores = [
            self.encoder * math.log(max(a, _TINY)) + self.writer * math.log(max(q.of(label), _TINY)) + b
            for label, a, b in zip(p.labels, p.probabilities, biases, strict=True)
        ]
        peak = max(scores)
        masses = [math.exp(score - peak) for score in scores]
        total = math.fsum(masses)
        return Distribution(p.labels, tuple(mass / total for mass in masses))


@dataclass(frozen=True, slots=True)
class Vote:
    """What people said of tickets like this one, and how much that counts: (1 - weight) · p + weight · q. The label may be
    one that the model has hardly any mass on: that is the point of asking people."""

    weight: float
    distribution: Distribution

    def of(self, p: Distribution) -> Distribution:
        """The model's own distribution with the vote in it."""
        told = (self.distribution.of(label) for label in p.labels)
        mixed = (
            (1.0 - self.weight) * a + self.weight * b for a, b in zip(p.probabilities, told, strict=True)
        )
        return Distribution(p.labels, tuple(mixed))


class Tier(StrEnum):
    """How an earlier answer was found: the same text, or a text in other words that every check lets pass. `withheld` is
    one that would have been served, had the cache the right to; it is compared with the full answer."""

    EXACT = "exact"
    VERIFIED = "verified"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Recall:
    """The earlier ticket whose answer was served: its id, how it was found, the cosine similarity of the two texts, and
    whether the answer was a person's."""

    ticket_id: str
    tier: Tier
    similarity: float = 1.0
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """A language model's part in a triage: who it was, what it said of the asked fields, how that was pooled with the
    model's own word, and why it failed."""

    model: str
    model_hash: str
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    abstained: float = 0.0
    failure: str = ""
    pools: Mapping[str, Pool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired: the values that it set, and the fields that it gave to a person."""

    rule: str
    values: Mapping[str, str] = field(default_factory=dict)
    review: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that is needed to decide again: which model and taxonomy, what it said, and under which thresholds.

    `distributions` are the model's own; `writer` is None where no language model was asked. `floors` are the least severe
    labels that the ticket's own words allow, or that were applied before; `eased` those of words that the ticket itself
    calls over. `hits` are the rules that fired. `neighbours` are id and similarity of solved tickets that were shown to
    the language model. `votes` are people's words on tickets like this one; `recall` is the earlier ticket whose answer was
    served, and `refusal` why the nearest one was not (empty where none was near).
    """

    model: str
    model_hash: str
    classes_hash: str
    text_version: str
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    scope: float = 1.0
    policy: Mapping[str, Any] = field(default_factory=dict)
    writer: Writing | None = None
    floors: Mapping[str, str] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    eased: Mapping[str, str] = field(default_factory=dict)
    neighbours: tuple[tuple[str, float], ...] = ()
    votes: Mapping[str, Vote] = field(default_factory=dict)
    recall: Recall | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Triage:
    """A triaged ticket: the strict ticket, its decisions and its receipt. `embedding` is the model's unit vector of the
    text, as long as the triage has not been stored; it is no part of what was decided."""

    ticket_id: str
    summary: str
    summary_source: str
    fields: Mapping[str, FieldTriage]
    language: str
    receipt: Receipt
    flags: tuple[str, ...] = ()
    embedding: Sequence[float] = field(default=(), compare=False, repr=False)

    def to_wire(self) -> dict[str, Any]:
        """The wire form that every interface speaks; valid against `tamiz taxonomy schema`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "summary": self.summary,
            "summary_source": self.summary_source,
            "fields": {name: outcome.to_wire() for name, outcome in self.fields.items()},
        }

    def to_compact(self) -> dict[str, str | None]:
        """The form for desks: field → value, the summary among them."""
        return {"summary": self.summary, **{name: outcome.value for name, outcome in self.fields.items()}}
