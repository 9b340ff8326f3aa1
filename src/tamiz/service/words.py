"""Whose word counts, and what it is."""

from __future__ import annotations

from tamiz.domain.records import Correction
from tamiz.domain.storage import Tx


def words(tx: Tx, tenant: str, ticket_id: str) -> dict[str, Correction]:
    """Field → the last word on a ticket of the people whose word counts for others."""
    return tx.tickets.words(tenant, ticket_id)
