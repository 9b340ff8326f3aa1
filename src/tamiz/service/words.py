"""Whose word counts, and what it is."""

from __future__ import annotations

from collections.abc import Collection

from tamiz.domain.records import Correction, WordQuery
from tamiz.domain.storage import Tx

SAME = 0.985
"""From this cosine on, two texts are as good as the same."""


def trust_of(tx: Tx, tenant: str) -> dict[str, float]:
    """Account → how much its words count for other tickets: 0 while it is held back. Of all others nothing is said; they
    count in full."""
    return dict.fromkeys((one.account for one in tx.words.held(tenant)), 0.0)


def believed(
    tx: Tx, tenant: str, ticket_id: str, similarity: float = 0.0, held: Collection[str] | None = None
) -> list[Correction]:
    """The words on a ticket that count for another one of this similarity, in order: none that was revoked, none of an
    account that is held back (`held`, where that is known already), and none that waits, unless both are as good as the
    same text."""
    held = trust_of(tx, tenant) if held is None else held
    words = tx.words.find(tenant, WordQuery(ticket_id=ticket_id))
    return [one for one in words if one.by not in held and (similarity >= SAME or not one.waits)]


def words(
    tx: Tx, tenant: str, ticket_id: str, similarity: float = 0.0, held: Collection[str] | None = None
) -> dict[str, Correction]:
    """Field → the last word on a ticket that counts for another one of this similarity."""
    return {one.field: one for one in believed(tx, tenant, ticket_id, similarity, held)}
