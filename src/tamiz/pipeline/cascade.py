"""The cascade: the encoder answers first, a language model is asked where the encoder abstains, and where the two or the
ticket's own words disagree a person decides. Pure policy; the language model is behind the Writer port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tamiz.domain.errors import ProviderError
from tamiz.domain.gate import Policy, decide
from tamiz.domain.ports import Neighbour, Question, Writer, Written
from tamiz.domain.rules import Rule, fired, obeyed
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText
from tamiz.domain.triage import Decision, FieldTriage, Hit, Pool, Prediction, Reason
from tamiz.pipeline.evidence import Evidence, recalled, weighed
from tamiz.pipeline.recall import NOTHING, Remembered
from tamiz.pipeline.severity import Floor, floors

ASKED_FROM = 0.05
"""A field whose pool gives the language model less weight than this is not asked: its word would change nothing."""


class SummaryMode(StrEnum):
    """Who writes the summary: the language model, code from the ticket's own words, or nobody (the subject stands)."""

    LLM = "llm"
    EXTRACTIVE = "extractive"
    OFF = "off"


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
    """What a consultation left: the evidence, what it comes to, the language model's own word (None where it was not
    asked), why it failed (empty where it did not), and the solved tickets that it was shown."""

    evidence: Evidence
    outcomes: Mapping[str, FieldTriage]
    written: Written | None = None
    failure: str = ""
    neighbours: Sequence[Neighbour] = ()

    @property
    def prediction(self) -> Prediction:
        """The prediction with asked fields pooled."""
        return self.evidence.pooled


def consult(
    cascade: Cascade,
    text: CanonicalText,
    prediction: Prediction,
    taxonomy: Taxonomy,
    policy: Policy,
    rules: Sequence[Rule] = (),
    stood: Mapping[str, str] | None = None,
    remembered: Remembered = NOTHING,
) -> Consulted:
    """Decide one ticket. A failure of the language model leaves the encoder's outcomes as they are. `stood` are severities
    that were applied before: no later answer goes below them by itself. Where an earlier answer is served, nobody is asked
    again."""
    said, eased = floors(text.text, taxonomy) if cascade.floor else ({}, {})
    evidence = Evidence(
        prediction,
        pools=cascade.pools,
        floors=_least(stood or {}, said, taxonomy),
        eased={name: each.label for name, each in eased.items()},
        votes=remembered.votes,
    )
    written, failure, asked = None, "", None
    if remembered.served:
        evidence = recalled(evidence, remembered.writing)
    elif cascade.writer is not None:
        asked = _first_question(cascade, text, evidence.voted, taxonomy, policy, rules, remembered.examples)
        try:
            written = cascade.writer.write(asked) if asked is not None else None
        except ProviderError as error:
            failure = error.one_line()
        evidence = replace(evidence, written=written)
    outcomes = weighed(evidence, taxonomy, policy)
    hits = fired(rules, text.text, taxonomy, outcomes)
    if hits:
        evidence = replace(evidence, hits=hits)
        outcomes = weighed(evidence, taxonomy, policy)
    return Consulted(evidence, outcomes, written, failure, asked.examples if asked is not None else ())


def _first_question(
    cascade: Cascade,
    text: CanonicalText,
    prediction: Prediction,
    taxonomy: Taxonomy,
    policy: Policy,
    rules: Sequence[Rule],
    examples: Sequence[Neighbour],
) -> Question | None:
    """What is worth asking after the encoder, and after the rules that need no answer of a model."""
    outcomes = decide(taxonomy, prediction, policy)
    hits = fired([rule for rule in rules if not rule.where], text.text, taxonomy, outcomes)
    outcomes = obeyed(hits, taxonomy, prediction, outcomes, policy)
    return question(cascade, text, outcomes, taxonomy, persons(hits), examples)


def persons(hits: Sequence[Hit]) -> frozenset[str]:
    """The fields that rules give to a person."""
    return frozenset(name for hit in hits for name in hit.review)


def _least(stood: Mapping[str, str], said: Mapping[str, Floor], taxonomy: Taxonomy) -> dict[str, str]:
    """The more severe of two floors, field by field."""
    found = dict(stood)
    for name, own in said.items():
        keys = taxonomy.field(name).keys
        if name not in found or own.rank < keys.index(found[name]):
            found[name] = own.label
    return found


def question(
    cascade: Cascade,
    text: CanonicalText,
    outcomes: Mapping[str, FieldTriage],
    taxonomy: Taxonomy,
    given: frozenset[str] = frozenset(),
    examples: Sequence[Neighbour] = (),
) -> Question | None:
    """What is worth asking: fields that the encoder leaves open and that are not `given` to a person, and the summary.
    None for a ticket that lies outside the taxonomy's reach: a person reads it anyway."""
    if any(outcome.reason is Reason.OUT_OF_SCOPE for outcome in outcomes.values()):
        return None
    names = tuple(
        f.name
        for f in taxonomy.predicted
        if outcomes[f.name].reason in (Reason.LOW_CONFIDENCE, Reason.DEPENDS)
        and outcomes[f.name].decision is Decision.REVIEW
        and cascade.pool(f.name).writer >= ASKED_FROM
        and f.name not in given
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
    shown = (tuple(examples) or tuple(cascade.retrieve(text.text))) if names else ()
    return Question(text.text, text.language, names, known, summary, shown)
