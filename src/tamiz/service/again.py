"""Stored triages decided again from what is kept of them: no model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tamiz.domain.records import Revision, TicketRecord
from tamiz.domain.rules import fired
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText, Ticket
from tamiz.domain.triage import Decision, FieldTriage, Triage
from tamiz.pipeline.evidence import Evidence, weighed
from tamiz.pipeline.triage import validated
from tamiz.service.judge import Judge


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a ticket; without its raw text where that is gone, without a revision where nobody triaged it."""

    record: TicketRecord
    ticket: Ticket | None
    revision: Revision | None

    def view(self, judge: Judge) -> CanonicalText:
        """Its redacted text."""
        if self.ticket is not None:
            return judge.view(self.ticket)
        record = self.record  # the raw text is gone: the redacted view still has the words
        return CanonicalText(f"{record.subject}\n{record.body}".strip(), record.subject, record.body)

    @property
    def requester(self) -> str:
        """Who asked; empty where nobody knows any more."""
        return self.ticket.message.requester if self.ticket is not None else ""


def kept(tx: Tx, tenant: str, records: Sequence[TicketRecord]) -> list[Kept]:
    """What is kept of these tickets, with their newest triages."""
    raw = {ticket.id: ticket for ticket in tx.tickets.raw([(tenant, one.id) for one in records])}
    return [Kept(one, raw.get(one.id), tx.tickets.revision(tenant, one.id)) for one in records]


def decided(
    judge: Judge, one: Kept, text: str, evidence: Evidence, summary: str
) -> tuple[Evidence, dict[str, FieldTriage]]:
    """The outcomes of some evidence of a ticket under the judge's policy and rules, and the evidence with the rules that
    fired."""
    taxonomy, own = judge.taxonomy, replace(evidence, hits=())
    rules = [rule for rule in judge.rules if rule.concerns(one.requester)]
    own = replace(own, hits=fired(rules, text, taxonomy, weighed(own, taxonomy, judge.policy)))
    return own, validated(taxonomy, summary, weighed(own, taxonomy, judge.policy))


def applied(triage: Triage, taxonomy: Taxonomy) -> dict[str, str]:
    """The severities below which a later triage does not go by itself: those applied, and those that held already."""
    stood = {}
    for f in taxonomy.choices:
        outcome = triage.fields.get(f.name)
        value = outcome.value if outcome is not None and outcome.decision is Decision.APPLY else None
        known = {label for label in (triage.receipt.floors.get(f.name), value) if label}
        if f.ordered and known & set(f.keys):
            stood[f.name] = next(label for label in f.keys if label in known)
    return stood
