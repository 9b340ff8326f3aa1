"""What another policy would have decided: stored triages decided again from their receipts, nothing asked, nothing kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tamiz.domain.records import TicketQuery
from tamiz.domain.storage import Reader, Tx
from tamiz.domain.triage import FieldTriage, Triage
from tamiz.pipeline.evidence import evidence_of
from tamiz.service.again import Kept, decided, kept
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
        for one in found:
            revision = one.revision
            if revision is None or revision.triage.receipt.classes_hash != judge.taxonomy.classes_hash:
                skipped += 1
                continue
            tickets += 1
            changes += _changes(judge, one, revision.triage)
        if len(found) < size:
            break
        last = found[-1].record.id
    return Rehearsal(tickets, skipped, tuple(changes))


def _page(tx: Tx, tenant: str, query: TicketQuery) -> list[Kept]:
    return kept(tx, tenant, tx.tickets.page(tenant, query))


def _changes(judge: Judge, one: Kept, triage: Triage) -> list[Change]:
    evidence = evidence_of(triage.receipt)
    _, after = decided(judge, one, one.view(judge).text, evidence, triage.summary)
    before = triage.fields
    return [
        Change(one.record.id, name, before[name], after[name])
        for name in after
        if (before[name].value, before[name].decision) != (after[name].value, after[name].decision)
    ]
