"""Look at a decision again: decide anew from its receipt, ask the model anew, and say what would have been applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tamiz.domain.errors import ConflictError, UnknownTicketError
from tamiz.domain.gate import FieldPolicy
from tamiz.domain.records import Revision
from tamiz.domain.storage import Reader, Tx
from tamiz.domain.taxonomy import NONE
from tamiz.domain.ticket import Ticket
from tamiz.domain.triage import Decision, FieldTriage, Reason
from tamiz.pipeline.evidence import replayed
from tamiz.pipeline.triage import validated
from tamiz.service.judge import Judge


@dataclass(frozen=True, slots=True)
class Replay:
    """A revision, what its receipt gives today, and how far the model's probabilities have moved (None: it was not
    asked, because another model is active now or the raw text is gone)."""

    revision: Revision
    fields: Mapping[str, FieldTriage]
    distance: float | None

    @property
    def same(self) -> bool:
        """Does the receipt give what was decided then, to the last bit?"""
        return dict(self.fields) == dict(self.revision.triage.fields)


def replay(store: Reader, judge: Judge, tenant: str, ticket_id: str, number: int = 0) -> Replay:
    """Decide a revision (0: the newest) again. UnknownTicketError; ConflictError for a receipt of other classes."""

    def found(tx: Tx) -> tuple[Revision | None, list[Ticket]]:
        return tx.tickets.revision(tenant, ticket_id, number), tx.tickets.raw([(tenant, ticket_id)])

    revision, tickets = store.read(found)
    if revision is None:
        raise UnknownTicketError(ticket=ticket_id)
    triage, taxonomy = revision.triage, judge.taxonomy
    if triage.receipt.classes_hash != taxonomy.classes_hash:
        raise ConflictError(what="The taxonomy", reason="the receipt belongs to other classes")
    fields = validated(taxonomy, triage.summary, replayed(triage.receipt, taxonomy))
    known = tickets and triage.receipt.model_hash == judge.model.info.content_hash
    return Replay(revision, fields, _distance(judge, tickets[0], revision) if known else None)


def counterfactual(outcome: FieldTriage, policy: FieldPolicy) -> str:
    """What the field would need to be applied; empty where it is applied or switched off."""
    if outcome.decision in (Decision.APPLY, Decision.OFF) or not outcome.top:
        return ""
    label, score = leading(outcome)
    threshold = policy.apply_threshold(label)
    if policy.mode is not Decision.APPLY:
        return f"its mode is {policy.mode.value}"
    if outcome.reason is Reason.SHADOW:
        return "would be applied outside shadow mode"
    if threshold is None:
        return "the right is not earned yet"
    if score >= threshold:
        return f"sure enough, but {outcome.reason.value}"
    return f"'{label}' would be applied at {threshold:.2f}"


def leading(outcome: FieldTriage) -> tuple[str, float]:
    """The label that was decided upon and its probability, also where a person was asked instead. It need not be the most
    likely one: severity is read with caution. NONE where the field does not apply."""
    if outcome.value is None:
        return NONE, outcome.confidence
    return next((pair for pair in outcome.top if pair[1] == outcome.confidence), outcome.top[0])


def _distance(judge: Judge, ticket: Ticket, revision: Revision) -> float:
    """The largest difference of any probability between then and now."""
    now = replace(judge.fast, rules=()).triage([ticket])[0].receipt
    then = revision.triage.receipt.distributions
    return max(
        abs(p - now.distributions[name].of(label))
        for name, told in then.items()
        for label, p in zip(told.labels, told.probabilities, strict=True)
    )
