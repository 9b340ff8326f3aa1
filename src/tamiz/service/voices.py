"""What people said of tickets near a text, read from the store at this moment."""

from __future__ import annotations

from collections.abc import Sequence

from tamiz.domain.ports import Match, Neighbour
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import NONE
from tamiz.pipeline.vote import Voice
from tamiz.service.words import trust_of, words


def heard(tx: Tx, tenant: str, matches: Sequence[Match]) -> list[Voice]:
    """The voices of those of these tickets of which people whose word counts said anything, nearest first."""
    near, held = list[Voice](), trust_of(tx, tenant)
    for match in matches:
        told = words(tx, tenant, match.ticket_id, match.similarity, held)
        if told:
            newest = max(told.values(), key=lambda one: one.sequence)
            values = {name: one.value for name, one in told.items()}
            near.append(Voice(match.ticket_id, match.similarity, values, newest.by, newest.at))
    return near


def solved(tx: Tx, tenant: str, matches: Sequence[Match]) -> list[Neighbour]:
    """These tickets as examples: their redacted text, and what people said of them."""
    found = []
    for match in matches:
        told = words(tx, tenant, match.ticket_id)
        record = tx.tickets.get(tenant, match.ticket_id) if told else None
        if record is not None:
            labels = {name: one.value or NONE for name, one in told.items()}
            text = f"{record.subject}\n{record.body}".strip()
            found.append(Neighbour(match.ticket_id, match.similarity, labels, text, record.language))
    return found
