"""Which tickets resemble one, and what they came to: labels and who settled them, never text."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.ports import Match, Memory
from tamiz.domain.status import Status
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.service.look import TicketLook, look


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A ticket as it stands, and the cosine similarity of its embedding, in [-1, 1]."""

    look: TicketLook
    similarity: float

    @property
    def resolved_by(self) -> str | None:
        """Who settled it: a person as soon as one said a word; None while it still waits for somebody."""
        if self.look.corrected:
            return "person"
        return "model" if self.look.record.status in (Status.BY_AI, Status.BY_CACHE) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; labels are the values that stand by field."""
        return {
            "ticket_id": self.look.record.id,
            "similarity": round(self.similarity, 4),
            "status": self.look.record.status.value,
            "labels": {name: outcome.value for name, outcome in self.look.fields.items()},
            "resolved_by": self.resolved_by,
        }


@dataclass(frozen=True, slots=True)
class Similar:
    """What a ticket was compared with: how many others, and the nearest of them, nearest first. `searched` is 0 where the
    ticket has no embedding: it is not triaged yet, or too old to be remembered, or its model makes none."""

    ticket_id: str
    searched: int = 0
    found: tuple[Resemblance, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        similar = [one.to_dict() for one in self.found]
        return {"ticket_id": self.ticket_id, "searched": self.searched, "similar": similar}


def similar(
    store: Store, memory: Memory | None, taxonomy: Taxonomy, tenant: str, ticket_id: str, k: int
) -> Similar:
    """The k tickets of the tenant that resemble one most, in the space of the model that triaged it last; nothing without
    a memory. UnknownTicketError, also for another tenant's."""
    place = store.read(lambda tx: _place(tx, tenant, ticket_id))
    if memory is None or place is None:
        return Similar(ticket_id)
    model_hash, vector = place
    near = memory.search(tenant, model_hash, vector, k + 1)  # the ticket itself is the nearest
    others = [match for match in near.matches if match.ticket_id != ticket_id][:k]
    found = store.read(lambda tx: [_seen(tx, taxonomy, tenant, match) for match in others])
    return Similar(ticket_id, max(0, near.searched - 1), tuple(one for one in found if one is not None))


def _place(tx: Tx, tenant: str, ticket_id: str) -> tuple[str, bytes] | None:
    """The model that triaged a ticket last, and the ticket's embedding in its space."""
    if tx.tickets.get(tenant, ticket_id) is None:
        raise UnknownTicketError(ticket=ticket_id)
    revision = tx.tickets.revision(tenant, ticket_id)
    if revision is None:
        return None
    model_hash = revision.triage.receipt.model_hash
    vector = tx.vectors.of(tenant, model_hash, ticket_id)
    return None if vector is None else (model_hash, vector)


def _seen(tx: Tx, taxonomy: Taxonomy, tenant: str, match: Match) -> Resemblance | None:
    """A match as it stands; None where the ticket was erased meanwhile."""
    with suppress(UnknownTicketError):
        return Resemblance(look(tx, taxonomy, tenant, match.ticket_id), match.similarity)
    return None
