"""What a person or a program sees of a ticket: plain data, never its raw text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.records import Revision, TicketRecord
from tamiz.domain.storage import Tx
from tamiz.domain.taxonomy import ABSTAIN, Field, Taxonomy
from tamiz.domain.triage import SCHEMA_VERSION, Decision, FieldTriage
from tamiz.service.people import standing
from tamiz.service.reuse import served

UNTRIAGED = FieldTriage(ABSTAIN, 0.0, Decision.REVIEW)
"""A field of which nobody has said anything."""

_CAUTION = (Decision.APPLY, Decision.RECOMMEND, Decision.REVIEW, Decision.OFF)


@dataclass(frozen=True, slots=True)
class TicketLook:
    """A ticket, its newest triage, and what people said of it. `fields` is what stands, person over model; it is empty
    where neither a model nor a person has said anything."""

    record: TicketRecord
    revision: Revision | None
    fields: Mapping[str, FieldTriage]
    corrected: Mapping[str, str | None]

    @property
    def summary(self) -> str:
        """One redacted line; empty until there is a triage."""
        return self.revision.triage.summary if self.revision else ""

    @property
    def recall(self) -> dict[str, Any] | None:
        """The earlier ticket whose answer was served; None where it was worked out anew."""
        if self.revision is None or not served(self.revision.triage):
            return None
        one = self.revision.triage.receipt.recall
        assert one is not None
        return {
            "ticket_id": one.ticket_id,
            "tier": one.tier.value,
            "similarity": round(one.similarity, 4),
            "by_person": one.by_person,
        }

    def to_wire(self) -> dict[str, Any] | None:
        """The wire form of a triaged ticket as it stands; None where nothing was said."""
        if not self.fields:
            return None
        return {
            "schema_version": SCHEMA_VERSION,
            "summary": self.summary,
            "summary_source": self.revision.triage.summary_source if self.revision else "subject",
            "fields": {name: outcome.to_wire() for name, outcome in self.fields.items()},
        }

    def to_compact(self) -> dict[str, str | None] | None:
        """The form for desks: field → the value that stands; None where nothing was said."""
        if not self.fields:
            return None
        return {"summary": self.summary, **{name: outcome.value for name, outcome in self.fields.items()}}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data for JSON; times are RFC 3339 in UTC."""
        return {
            **listed(self.record),
            "triaged_at": moment(self.revision.at) if self.revision else None,
            "triage": self.to_wire(),
            "compact": self.to_compact(),
            "recall": self.recall,
            "refusal": self.revision.triage.receipt.refusal if self.revision else "",
            "corrected": dict(self.corrected),
        }


def look(tx: Tx, taxonomy: Taxonomy, tenant: str, ticket_id: str) -> TicketLook:
    """A ticket as it stands. UnknownTicketError, also for another tenant's."""
    record = tx.tickets.get(tenant, ticket_id)
    if record is None:
        raise UnknownTicketError(ticket=ticket_id)
    revision = tx.tickets.revision(tenant, ticket_id) if record.revision else None
    corrected = tx.tickets.corrected(tenant, ticket_id)
    return TicketLook(record, revision, standing_fields(taxonomy, revision, corrected), corrected)


def listed(record: TicketRecord) -> dict[str, Any]:
    """A ticket as one row of a list: where it stands, without its triage."""
    source = record.source
    return {
        "ticket_id": record.id,
        "status": record.status.value,
        "version": record.version,
        "revision": record.revision,
        "source": {
            "desk": source.desk,
            "external_id": source.external_id,
            "version": source.version,
        },
        "language": record.language,
        "received_at": moment(record.received_at),
        "updated_at": moment(record.updated_at),
    }


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def standing_fields(
    taxonomy: Taxonomy, revision: Revision | None, corrected: Mapping[str, str | None]
) -> dict[str, FieldTriage]:
    """The outcome of every field as it stands, in the order of the taxonomy; empty where nobody said anything.

    A person's value is applied with confidence 1. A field that was derived anew from a person's value is as sure, and
    may claim as much, as the weaker of its inputs. The model's leading labels stay beside it.
    """
    told = revision.triage.fields if revision else {}
    if not told and not corrected:
        return {}
    values = standing(taxonomy, revision, corrected)
    found: dict[str, FieldTriage] = {}
    for f in (*taxonomy.predicted, *taxonomy.derived):
        before = told.get(f.name, UNTRIAGED)
        value = values[f.name]
        if f.name in corrected and value != ABSTAIN:
            found[f.name] = FieldTriage(value, 1.0, Decision.APPLY, before.top)
        elif before.decision is Decision.OFF or value in (before.value, None):
            found[f.name] = before
        elif value == ABSTAIN:
            found[f.name] = replace(before, value=ABSTAIN, decision=Decision.REVIEW)
        else:
            found[f.name] = _derived_anew(f, value, before, found)
    return {f.name: found[f.name] for f in taxonomy.choices}


def _derived_anew(
    f: Field, value: str | None, before: FieldTriage, found: Mapping[str, FieldTriage]
) -> FieldTriage:
    assert (
        f.matrix is not None
    )  # only a derived field takes a value that neither a model nor a person gave it
    inputs = [found[f.matrix.rows], found[f.matrix.columns]]
    weakest = max((one.decision for one in inputs), key=_CAUTION.index)
    return FieldTriage(value, min(one.confidence for one in inputs), weakest, before.top)
