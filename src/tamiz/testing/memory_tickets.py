"""The tickets of the store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tamiz.domain.errors import ConflictError, DuplicateError, UnknownTicketError
from tamiz.domain.outbox import Cause
from tamiz.domain.records import Correction, Revision, TicketQuery, TicketRecord
from tamiz.domain.status import Status, follow
from tamiz.domain.ticket import CanonicalText, Ticket
from tamiz.testing.memory_table import Journal, Table


class MemoryTickets:
    """The Tickets port."""

    def __init__(self, journal: Journal) -> None:
        self._tickets: Table[tuple[str, str], Ticket] = Table(journal)
        self._records: Table[tuple[str, str], TicketRecord] = Table(journal)
        self._keys: Table[tuple[str, str], tuple[str, str]] = Table(journal)
        self._sources: Table[tuple[str, str, str], str] = Table(journal)
        self._revisions: Table[tuple[str, str, int], Revision] = Table(journal)
        self._corrections: Table[tuple[str, int], Correction] = Table(journal)
        self._sequences: Table[str, int] = Table(journal)
        self._words: Table[tuple[str, str], tuple[int, ...]] = Table(journal)

    def add(self, ticket: Ticket, key: str = "", digest: str = "") -> None:
        source = (ticket.tenant, ticket.source.desk, ticket.source.external_id)
        place = (ticket.tenant, ticket.id)
        if self._tickets.get(place):
            raise DuplicateError(what=f"Ticket '{ticket.id}'")
        if key and self._keys.get((ticket.tenant, key)):
            raise DuplicateError(what=f"A ticket with the idempotency key '{key}'")
        if ticket.source.external_id and self._sources.get(source):
            raise DuplicateError(what=f"Ticket '{ticket.source.external_id}' of {ticket.source.desk}")
        if key:
            self._keys.put((ticket.tenant, key), (ticket.id, digest))
        if ticket.source.external_id:
            self._sources.put(source, ticket.id)
        self._tickets.put(place, ticket)
        at = ticket.received_at
        record = TicketRecord(
            ticket.id, ticket.tenant, ticket.source, Status.PENDING, ticket.version, 0, at, at
        )
        self._records.put(place, record)

    def by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        return self._keys.get((tenant, key))

    def by_source(self, tenant: str, desk: str, external_id: str) -> TicketRecord | None:
        ticket_id = self._sources.get((tenant, desk, external_id))
        return self.get(tenant, ticket_id) if ticket_id else None

    def get(self, tenant: str, ticket_id: str) -> TicketRecord | None:
        return self._records.get((tenant, ticket_id))

    def raw(self, ids: Sequence[tuple[str, str]]) -> list[Ticket]:
        found = [(self._tickets.get(place), self._records.get(place)) for place in ids]
        return [replace(ticket, version=record.version) for ticket, record in found if ticket and record]

    def page(self, tenant: str, query: TicketQuery) -> list[TicketRecord]:
        last = self.get(tenant, query.after)
        if query.after and last is None:
            return []
        own = (row for row in self._records.rows.values() if row.tenant == tenant and _matches(row, query))
        newest = sorted(own, key=_place, reverse=True)
        return [row for row in newest if last is None or _place(row) < _place(last)][: query.limit]

    def move(self, tenant: str, ticket_id: str, status: Status, at: datetime) -> TicketRecord:
        record = self._known(tenant, ticket_id)
        return self._put(replace(record, status=follow(record.status, status), updated_at=at))

    def save(self, revision: Revision, status: Status, text: CanonicalText | None = None) -> TicketRecord:
        record = self._known(revision.tenant, revision.ticket_id)
        if revision.number != record.revision + 1:
            raise ConflictError(
                what=f"Ticket '{record.id}'",
                reason=f"triage {revision.number} cannot follow triage {record.revision}",
            )
        corrected = record.status is Status.CORRECTED
        status = record.status if corrected else follow(record.status, status)
        if text is not None:
            record = replace(record, subject=text.subject, body=text.body, language=text.language)
        self._revisions.put((record.tenant, record.id, revision.number), revision)
        return self._put(replace(record, status=status, revision=revision.number, updated_at=revision.at))

    def revision(self, tenant: str, ticket_id: str, number: int = 0) -> Revision | None:
        record = self.get(tenant, ticket_id)
        return self._revisions.get((tenant, ticket_id, number or record.revision)) if record else None

    def triaged_by(
        self, tenant: str, model_hash: str, since: datetime, after: str = "", limit: int = 1000
    ) -> list[str]:
        own = sorted(one for owner, one in self._records.rows if owner == tenant and one > after)
        newest = ((one, self.revision(tenant, one)) for one in own)
        return [
            one
            for one, revision in newest
            if revision is not None
            and revision.at >= since
            and Cause.of(revision.triage.receipt).is_model(model_hash)
        ][:limit]

    def correct(self, correction: Correction) -> Correction:
        tenant = correction.tenant
        record = self._known(tenant, correction.ticket_id)
        stored = replace(correction, sequence=(self._sequences.get(tenant) or 0) + 1)
        self._sequences.put(tenant, stored.sequence)
        self._corrections.put((tenant, stored.sequence), stored)
        place = (tenant, record.id)
        self._words.put(place, (*(self._words.get(place) or ()), stored.sequence))
        self.moved(record, follow(record.status, Status.CORRECTED), stored.at)
        return stored

    def corrections(self, tenant: str, after: int = 0, limit: int = 1000) -> list[Correction]:
        standing = (one for one in self.said(tenant) if one.sequence > after and one.revoked_at is None)
        return list(standing)[:limit]

    def words(self, tenant: str, ticket_id: str) -> dict[str, Correction]:
        return {one.field: one for one in self.said(tenant, ticket_id) if one.revoked_at is None}

    def corrected(self, tenant: str, ticket_id: str) -> dict[str, str | None]:
        return {one.field: one.value for one in self.said(tenant, ticket_id) if one.revoked_at is None}

    def said(self, tenant: str, ticket_id: str = "") -> list[Correction]:
        """All corrections, also revoked ones, of a ticket or of all, in order."""
        every = range(1, (self._sequences.get(tenant) or 0) + 1)
        numbers = (self._words.get((tenant, ticket_id)) or ()) if ticket_id else every
        return [self._corrections.rows[tenant, number] for number in numbers]

    def reword(self, correction: Correction) -> None:
        """Another state of a correction that is there."""
        self._corrections.put((correction.tenant, correction.sequence), correction)

    def moved(self, old: TicketRecord, status: Status, at: datetime) -> TicketRecord:
        """Another status, whatever it was, and a version more."""
        return self._put(replace(old, status=status, updated_at=at))

    def _known(self, tenant: str, ticket_id: str) -> TicketRecord:
        record = self.get(tenant, ticket_id)
        if record is None:
            raise UnknownTicketError(ticket=ticket_id)
        return record

    def _put(self, record: TicketRecord) -> TicketRecord:
        record = replace(record, version=record.version + 1)
        self._records.put((record.tenant, record.id), record)
        return record


def _place(row: TicketRecord) -> tuple[datetime, str]:
    return row.received_at, row.id


def _matches(row: TicketRecord, query: TicketQuery) -> bool:
    return (
        (not query.statuses or row.status in query.statuses)
        and (not query.desk or row.source.desk == query.desk)
        and (query.since is None or row.received_at >= query.since)
        and (query.until is None or row.received_at < query.until)
    )
