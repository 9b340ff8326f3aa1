"""The way of a ticket through the sieve, in process. Batch-first: a single ticket is a batch of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from tamiz.domain.gate import Policy
from tamiz.domain.ports import Model
from tamiz.domain.rules import Rule
from tamiz.domain.taxonomy import ABSTAIN, Taxonomy
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Decision, FieldTriage, Prediction, Reason, Receipt, Triage, Writing
from tamiz.pipeline.answers import answers
from tamiz.pipeline.cascade import Cascade, Consulted, SummaryMode, consult
from tamiz.pipeline.evidence import writing_of
from tamiz.pipeline.grounding import grounded, unmarked
from tamiz.pipeline.recall import Entry, Forgetful, Recollection, Remembered
from tamiz.pipeline.summary import shorten, summarize

Canonicalizer = Callable[[RawMessage], CanonicalText]

Stage = Callable[[str], AbstractContextManager[object]]

MIN_LETTERS = 3
"""Fewer letters than this say nothing that a model could read."""


def triage(
    tickets: Sequence[Ticket],
    model: Model,
    policy: Policy,
    canonicalize: Canonicalizer,
    cascade: Cascade = Cascade(),  # noqa: B008 - frozen
    rules: Sequence[Rule] = (),
    stood: Mapping[str, Mapping[str, str]] | None = None,
    stage: Stage = nullcontext,
    memory: Recollection = Forgetful(),  # noqa: B008 - without state
) -> list[Triage]:
    """One triage per ticket, in order; each is independent of its neighbours.

    Every result is valid against the model's taxonomy: what does not hold asks a person, and is never repaired
    into another label. `cascade` says what stands behind the model, `rules` are a person's, `stood` has the severities
    that were applied before by ticket id. `stage` is entered with the name of each part of the work, to time it. What
    `memory` knows already is not asked again. BadPredictionError where the model answers what is no answer.
    """
    with stage("canonicalize"):
        texts = [canonicalize(ticket.message) for ticket in tickets]
    with stage("recall"):
        known = memory.known(tickets, texts)
    with stage("predict"):
        predictions = [
            _within_reach(text, prediction, model.taxonomy)
            for text, prediction in zip(texts, _predicted(model, texts, known), strict=True)
        ]
    with stage("remember"):
        remembered = memory.remembered(tickets, texts, predictions, known)
    with stage("decide"):
        return [
            _one(
                ticket,
                text,
                consult(
                    cascade,
                    text,
                    prediction,
                    model.taxonomy,
                    policy,
                    [rule for rule in rules if rule.concerns(ticket.message.requester)],
                    (stood or {}).get(ticket.id),
                    recollection,
                ),
                model,
                policy,
                cascade,
                recollection,
            )
            for ticket, text, prediction, recollection in zip(
                tickets, texts, predictions, remembered, strict=True
            )
        ]


def _predicted(
    model: Model, texts: Sequence[CanonicalText], known: Sequence[Entry | None]
) -> list[Prediction]:
    """A prediction for each text; the model is asked once for texts that are equal, and not for those that are known."""
    new = list(dict.fromkeys(text.text for text, entry in zip(texts, known, strict=True) if entry is None))
    said = dict(zip(new, answers(model, new) if new else (), strict=True))
    return [
        said[text.text] if entry is None else entry.prediction
        for text, entry in zip(texts, known, strict=True)
    ]


def _one(
    ticket: Ticket,
    text: CanonicalText,
    consulted: Consulted,
    model: Model,
    policy: Policy,
    cascade: Cascade,
    remembered: Remembered,
) -> Triage:
    prediction = consulted.evidence.prediction
    limit = model.taxonomy.text_field
    length = limit.max_length if limit else 200
    summary, source, flags = (
        (remembered.summary, "llm", ())
        if remembered.served and remembered.summary
        else _summary(text, consulted, cascade, length)
    )
    fields = validated(model.taxonomy, summary, consulted.outcomes)
    receipt = Receipt(
        model=model.info.name,
        model_hash=model.info.content_hash,
        classes_hash=model.info.classes_hash,
        text_version=model.info.text_version,
        distributions=prediction.distributions,
        scope=prediction.scope,
        policy=policy.to_dict(),
        writer=remembered.writing if remembered.served else _writing(cascade, consulted),
        floors=consulted.evidence.floors,
        hits=consulted.evidence.hits,
        eased=consulted.evidence.eased,
        neighbours=tuple((each.id, each.similarity) for each in consulted.neighbours),
        votes=remembered.votes,
        recall=remembered.recall,
        refusal=remembered.refusal,
    )
    seen = (*text.flags, *flags)
    return Triage(ticket.id, summary, source, fields, text.language, receipt, seen, prediction.embedding)


def _summary(
    text: CanonicalText, consulted: Consulted, cascade: Cascade, length: int
) -> tuple[str, str, tuple[str, ...]]:
    """The summary, its source, and a flag where the language model's was refused: all that it names must stand in the
    ticket."""
    written = consulted.written.summary if consulted.written else ""
    if cascade.summary is SummaryMode.LLM and cascade.writer is not None and written:
        if not grounded(written, text.text, told=cascade.writer.told):
            return shorten(written, length), "llm", ()
        return *summarize(text, length), ("summary_not_grounded",)
    if cascade.summary is SummaryMode.OFF:
        return shorten(unmarked(text.subject), length), "subject", ()
    return *summarize(text, length), ()


def _writing(cascade: Cascade, consulted: Consulted) -> Writing | None:
    if cascade.writer is None or not (consulted.written or consulted.failure):
        return None
    info, written = cascade.writer.info, consulted.written
    if written is None:
        return Writing(info.name, info.content_hash, failure=consulted.failure)
    return writing_of(info.name, info.content_hash, written, cascade.pools)


def _within_reach(text: CanonicalText, prediction: Prediction, taxonomy: Taxonomy) -> Prediction:
    """No scope for a text without words, nor for a language that the taxonomy does not name.

    An inferred taxonomy names no languages: its model has seen the customer's own mix.
    """
    letters = sum(character.isalpha() for character in text.text)
    foreign = bool(taxonomy.languages) and text.language == "other"
    return replace(prediction, scope=0.0) if letters < MIN_LETTERS or foreign else prediction


def validated(taxonomy: Taxonomy, summary: str, fields: Mapping[str, FieldTriage]) -> dict[str, FieldTriage]:
    """Hold the outcomes against labels, relations and matrices; an offending field asks a person."""
    outcome = dict(fields)
    values: dict[str, str | None] = {
        name: ABSTAIN if f.decision is Decision.OFF else f.value for name, f in outcome.items()
    }
    if taxonomy.text_field is not None:
        values[taxonomy.text_field.name] = summary
    for violation in taxonomy.violations(values):
        if violation.field in outcome:
            refused = outcome[violation.field]
            outcome[violation.field] = replace(
                refused, value=ABSTAIN, decision=Decision.REVIEW, reason=Reason.RELATION
            )
    return outcome
