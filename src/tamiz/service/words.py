"""Whose word counts, and what it is."""

from __future__ import annotations

from tamiz.domain.records import Correction, WordQuery
from tamiz.domain.storage import Tx


def trust_of(tx: Tx, tenant: str) -> dict[str, float]:
    """Account → how much its words count for other tickets: 0 while it is held back. Of all others nothing is said; they
    count in full."""
    return dict.fromkeys((one.account for one in tx.words.held(tenant)), 0.0)


def believed(tx: Tx, tenant: str, ticket_id: str) -> list[Correction]:
    """The words on a ticket that count for other tickets, in order: none that was revoked or waits, and none of an account
    that is held back."""
    held = trust_of(tx, tenant)
    words = tx.words.find(tenant, WordQuery(ticket_id=ticket_id))
    return [one for one in words if not one.waits and one.by not in held]


def words(tx: Tx, tenant: str, ticket_id: str) -> dict[str, Correction]:
    """Field → the last word on a ticket of the people whose word counts for others."""
    return {one.field: one for one in believed(tx, tenant, ticket_id)}
