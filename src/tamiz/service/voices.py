"""What people said of tickets near a text, read from the store at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tamiz.domain.ports import Match, Neighbour
from tamiz.domain.records import Correction
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import NONE, Taxonomy
from tamiz.pipeline.vote import Voice
from tamiz.service.words import trust_of, words


@dataclass(frozen=True, slots=True)
class Voices:
    """Corrected tickets near a text, nearest first, and by field the similarity of the nearest ticket whose value a person
    saw and let stand."""

    near: Sequence[Voice] = ()
    standing: Mapping[str, float] = field(default_factory=dict)


def heard(tx: Tx, tenant: str, matches: Sequence[Match], taxonomy: Taxonomy) -> Voices:
    """The voices of those of these tickets of which people whose word counts said anything."""
    near, standing, held = list[Voice](), dict[str, float](), trust_of(tx, tenant)
    for match in matches:
        told = words(tx, tenant, match.ticket_id, match.similarity, held)
        if not told:
            continue
        newest = max(told.values(), key=lambda one: one.sequence)
        values = {name: one.value for name, one in told.items()}
        near.append(Voice(match.ticket_id, match.similarity, values, newest.by, newest.at))
        for name in _let_stand(told, taxonomy):
            standing[name] = max(match.similarity, standing.get(name, -1.0))
    return Voices(near, standing)


def _let_stand(told: Mapping[str, Correction], taxonomy: Taxonomy) -> list[str]:
    """Fields whose value somebody who looked at the ticket did not change. Of what came with its values, from the past,
    nobody has looked at the others."""
    if all(one.before is None for one in told.values()):
        return []
    return [
        f.name for f in taxonomy.predicted if f.name not in told or told[f.name].value == told[f.name].before
    ]


def solved(tx: Tx, tenant: str, matches: Sequence[Match]) -> list[Neighbour]:
    """These tickets as examples: their redacted text, and what people said of them."""
    found = []
    for match in matches:
        told = words(tx, tenant, match.ticket_id)
        record = tx.tickets.get(tenant, match.ticket_id) if told else None
        if record is not None:
            labels = {name: one.value or NONE for name, one in told.items()}
            text = f"{record.subject}\n{record.body}".strip()
            found.append(Neighbour(match.ticket_id, match.similarity, labels, text))
    return found
