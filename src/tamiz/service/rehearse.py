"""What another policy would have decided: stored triages decided again from their receipts, nothing asked, nothing kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from tamiz.domain.records import Revision, TicketQuery, TicketRecord
from tamiz.domain.rules import Rule, fired
from tamiz.domain.storage import Reader, Tx
from tamiz.domain.ticket import Ticket
from tamiz.domain.triage import FieldTriage
from tamiz.pipeline.evidence import evidence_of, weighed
from tamiz.pipeline.triage import validated
from tamiz.service.judge import Judge

PAGE = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a ticket whose value or decision would be another one."""

    ticket_id: str
    field: str
    before: FieldTriage
    after: FieldTriage


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How many triages were decided again, how many could not be (none yet, or other classes), and what would change."""

    tickets: int
    skipped: int
    changes: tuple[Change, ...]


def rehearse(store: Reader, judge: Judge, tenant: str, limit: int) -> Rehearsal:
    """Decide the newest triages of up to `limit` tickets again under the judge's policy and rules."""
    tickets = skipped = 0
    changes: list[Change] = []
    last = ""
    while tickets + skipped < limit:
        size = min(PAGE, limit - tickets - skipped)
        query = TicketQuery(after=last, limit=size)
        found = store.read(partial(_page, tenant=tenant, query=query))
        for record, ticket, revision in found:
            if revision is None or revision.triage.receipt.classes_hash != judge.taxonomy.classes_hash:
                skipped += 1
                continue
            tickets += 1
            changes += _changes(judge, record, ticket, revision)
        if len(found) < size:
            break
        last = found[-1][0].id
    return Rehearsal(tickets, skipped, tuple(changes))


def _page(
    tx: Tx, tenant: str, query: TicketQuery
) -> list[tuple[TicketRecord, Ticket | None, Revision | None]]:
    records = tx.tickets.page(tenant, query)
    raw = {ticket.id: ticket for ticket in tx.tickets.raw([(tenant, one.id) for one in records])}
    return [(one, raw.get(one.id), tx.tickets.revision(tenant, one.id)) for one in records]


def _changes(judge: Judge, record: TicketRecord, ticket: Ticket | None, revision: Revision) -> list[Change]:
    if (
        ticket is None
    ):  # its raw text is gone: the redacted view still has the words, and nobody is the requester
        text, requester = f"{record.subject}\n{record.body}", ""
    else:
        text, requester = judge.view(ticket).text, ticket.message.requester
    rules = [rule for rule in judge.rules if rule.concerns(requester)]
    after = _decided(judge, revision, rules, text)
    before = revision.triage.fields
    return [
        Change(record.id, name, before[name], after[name])
        for name in after
        if (before[name].value, before[name].decision) != (after[name].value, after[name].decision)
    ]


def _decided(judge: Judge, revision: Revision, rules: Sequence[Rule], text: str) -> dict[str, FieldTriage]:
    triage, taxonomy = revision.triage, judge.taxonomy
    evidence = replace(evidence_of(triage.receipt), hits=())
    outcomes = weighed(evidence, taxonomy, judge.policy)
    evidence = replace(evidence, hits=fired(rules, text, taxonomy, outcomes))
    return validated(taxonomy, triage.summary, weighed(evidence, taxonomy, judge.policy))
