"""What becomes of an answer that was served again: noted when it is saved, judged when it was worked out in full."""

from __future__ import annotations

from zlib import crc32

from tamiz.domain.records import Reuse, Verdict
from tamiz.domain.storage import Tx
from tamiz.domain.triage import Tier, Triage


def served(triage: Triage) -> bool:
    """Is it an earlier ticket's answer?"""
    recall = triage.receipt.recall
    return recall is not None and recall.tier is not Tier.WITHHELD


def sampled(ticket_id: str, share: float) -> bool:
    """Is this ticket among those that are worked out all the same? The same one always is."""
    return crc32(ticket_id.encode()) < share * 2**32


def note(tx: Tx, tenant: str, triage: Triage, reuse: Reuse | None, primary: str) -> None:
    """Keep where an answer came from, or, of one that was worked out in full, whether the earlier one would have been
    right: whether the primary field is the same. Other fields are judged by people alone, since a language model seldom
    says the same of all of them twice."""
    if reuse is not None:
        tx.reuses.put(reuse)
        return
    before = tx.reuses.of(tenant, triage.ticket_id)
    if before is None or before.verdict or not (before.again or before.tier is Tier.WITHHELD):
        return
    source = tx.tickets.revision(tenant, before.source_id)
    if source is not None and triage.receipt.writer is not None and not triage.receipt.writer.failure:
        same = source.triage.fields[primary].value == triage.fields[primary].value
        tx.reuses.judge(tenant, triage.ticket_id, Verdict.RIGHT if same else Verdict.WRONG)
