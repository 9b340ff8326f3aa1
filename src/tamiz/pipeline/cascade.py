"""The cascade: the encoder answers first, a language model is asked where the encoder abstains, and where the two or the
ticket's own words disagree a person decides. Pure policy; the language model is behind the Writer port.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tamiz.domain.errors import ProviderError
from tamiz.domain.gate import Policy, decide, held, readable
from tamiz.domain.ports import Neighbour, Question, Writer, Written
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText
from tamiz.domain.triage import Decision, Distribution, FieldTriage, Prediction, Reason
from tamiz.pipeline.severity import floor

ASKED_FROM = 0.05
"""A field whose pool gives the language model less weight than this is not asked: its word would change nothing."""

_TINY = 1e-6


class SummaryMode(StrEnum):
    """Who writes the summary: the language model, code from the ticket's own words, or nobody (the subject stands)."""

    LLM = "llm"
    EXTRACTIVE = "extractive"
    OFF = "off"


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
class Cascade:
    """What stands behind the encoder. Without a `writer` only the severity floor is held against its answers.

    `pools` are learned per field; a field without one weighs both alike. `retrieve` finds solved tickets that resemble
    a text, to be shown to the language model.
    """

    writer: Writer | None = None
    pools: Mapping[str, Pool] = field(default_factory=dict)
    summary: SummaryMode = SummaryMode.EXTRACTIVE
    retrieve: Callable[[str], Sequence[Neighbour]] = field(default=lambda text: ())
    floor: bool = True

    def pool(self, name: str) -> Pool:
        """How a field is pooled."""
        return self.pools.get(name, Pool())


@dataclass(frozen=True, slots=True)
class Consulted:
    """What a consultation left: the prediction with asked fields pooled, the outcomes, the language model's own word
    (None where it was not asked), and why it failed (empty where it did not)."""

    prediction: Prediction
    outcomes: Mapping[str, FieldTriage]
    written: Written | None = None
    failure: str = ""


def consult(
    cascade: Cascade, text: CanonicalText, prediction: Prediction, taxonomy: Taxonomy, policy: Policy
) -> Consulted:
    """Decide one ticket. A failure of the language model leaves the encoder's outcomes as they are."""
    outcomes = decide(taxonomy, prediction, policy)
    asked = question(cascade, text, outcomes, taxonomy)
    if cascade.writer is None or asked is None:
        return Consulted(prediction, _above_floor(cascade, text, outcomes, taxonomy))
    try:
        written = cascade.writer.write(asked)
    except ProviderError as error:
        kept = _above_floor(cascade, text, outcomes, taxonomy)
        return Consulted(prediction, kept, failure=error.one_line())
    pooled = _pooled(cascade, prediction, written)
    merged = held(
        taxonomy, decide(taxonomy, pooled, policy), _disagreements(prediction, written, taxonomy, policy)
    )
    return Consulted(pooled, _above_floor(cascade, text, merged, taxonomy), written)


def question(
    cascade: Cascade, text: CanonicalText, outcomes: Mapping[str, FieldTriage], taxonomy: Taxonomy
) -> Question | None:
    """What is worth asking: fields that the encoder leaves open, and the summary. None for a ticket that lies outside
    the taxonomy's reach: a person reads it anyway."""
    if any(outcome.reason is Reason.OUT_OF_SCOPE for outcome in outcomes.values()):
        return None
    names = tuple(
        f.name
        for f in taxonomy.predicted
        if outcomes[f.name].reason in (Reason.LOW_CONFIDENCE, Reason.DEPENDS)
        and outcomes[f.name].decision is Decision.REVIEW
        and cascade.pool(f.name).writer >= ASKED_FROM
    )
    summary = cascade.summary is SummaryMode.LLM
    if not names and not summary:
        return None
    known = {
        f.name: str(outcomes[f.name].value)
        for f in taxonomy.predicted
        if f.name not in names
        and outcomes[f.name].value is not None
        and outcomes[f.name].decision in (Decision.APPLY, Decision.RECOMMEND)
    }
    examples = tuple(cascade.retrieve(text.text)) if names else ()
    return Question(text.text, text.language, names, known, summary, examples)


def _pooled(cascade: Cascade, prediction: Prediction, written: Written) -> Prediction:
    both = {
        name: cascade.pool(name).of(prediction.distributions[name], told)
        for name, told in written.distributions.items()
    }
    return replace(prediction, distributions={**prediction.distributions, **both})


def _disagreements(
    prediction: Prediction, written: Written, taxonomy: Taxonomy, policy: Policy
) -> dict[str, Reason]:
    """Asked fields on which the two name different labels; all of them where the language model would rather not say."""
    if written.abstained >= 0.5:
        return dict.fromkeys(written.distributions, Reason.DISAGREEMENT)
    found = {}
    for name, told in written.distributions.items():
        own = readable(taxonomy.field(name), prediction, policy)
        if own.best[0] != told.best[0]:
            found[name] = Reason.DISAGREEMENT
    return found


def _above_floor(
    cascade: Cascade, text: CanonicalText, outcomes: Mapping[str, FieldTriage], taxonomy: Taxonomy
) -> dict[str, FieldTriage]:
    """Values that are less severe than the ticket's own words go to a person."""
    if not cascade.floor:
        return dict(outcomes)
    below = {}
    for name, lowest in floor(text.text, taxonomy).items():
        keys, value = taxonomy.field(name).keys, outcomes[name].value
        if value in keys and keys.index(value) > lowest.rank:
            below[name] = Reason.FLOOR
    return held(taxonomy, outcomes, below)
