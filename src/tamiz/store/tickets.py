"""Tickets, triages and corrections in SQL.

In a writing transaction a ticket that is read stays locked until the end (PostgreSQL; SQLite has one writer anyway), so
that a closure may look at a version and then write.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tamiz.domain.codec import triage_from_data, triage_to_data
from tamiz.domain.errors import ConflictError, DuplicateError, UnknownTicketError
from tamiz.domain.records import Correction, Revision, TicketQuery, TicketRecord
from tamiz.domain.status import Status, follow
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket
from tamiz.store import word_rows
from tamiz.store.paging import page
from tamiz.store.sql import LOCK, Sql, insert_into, micros, moment
from tamiz.store.tables import CORRECTIONS, TICKETS, TRIAGES
from tamiz.store.ticket_rows import COLUMNS, record
from tamiz.store.vault import Vault

_ADD = insert_into(TICKETS, "ON CONFLICT DO NOTHING")
_BY_KEY = "SELECT id, request_digest FROM tickets WHERE tenant = :tenant AND request_key = :key AND request_key <> ''"
_BY_SOURCE = f"""
SELECT {COLUMNS} FROM tickets
WHERE tenant = :tenant AND desk = :desk AND external_id = :external_id AND external_id <> '' {LOCK}
"""
_GET = f"SELECT {COLUMNS} FROM tickets WHERE tenant = :tenant AND id = :id {LOCK}"
_RAW = """
SELECT key_id, raw, received_at, desk, external_id, source_version, version FROM tickets
WHERE tenant = :tenant AND id = :id
"""
_MOVE = """
UPDATE tickets SET status = :status, version = :version, updated_at = :at WHERE tenant = :tenant AND id = :id
"""
_TRIAGED = """
UPDATE tickets SET status = :status, version = :version, revision = :revision, updated_at = :at, subject = :subject,
    body = :body, language = :language
WHERE tenant = :tenant AND id = :id
"""
_ADD_TRIAGE = insert_into(TRIAGES)
_REVISION = """
SELECT number, at, timings, data FROM triages WHERE tenant = :tenant AND ticket_id = :id AND number = :number
"""
_NEWEST = """
SELECT number, at, timings, data FROM triages WHERE tenant = :tenant AND ticket_id = :id ORDER BY number DESC LIMIT 1
"""
_TRIAGED_BY = """
SELECT r.ticket_id FROM triages AS r
JOIN tickets AS t ON t.tenant = r.tenant AND t.id = r.ticket_id AND t.revision = r.number
WHERE r.tenant = :tenant AND r.ticket_id > :after AND r.at >= :since AND r.data LIKE :made_by ESCAPE '!'
ORDER BY r.ticket_id LIMIT :limit
"""
_ADD_CORRECTION = insert_into(CORRECTIONS)
_CORRECTIONS = f"""
SELECT {word_rows.COLUMNS} FROM corrections
WHERE tenant = :tenant AND sequence > :after AND revoked_at IS NULL ORDER BY sequence LIMIT :limit
"""
_WORDS = f"""
SELECT {word_rows.COLUMNS} FROM corrections
WHERE tenant = :tenant AND ticket_id = :id AND revoked_at IS NULL ORDER BY sequence
"""
_CORRECTED = """
SELECT field, value FROM corrections
WHERE tenant = :tenant AND ticket_id = :id AND revoked_at IS NULL ORDER BY sequence
"""


class SqlTickets:
    """The Tickets port."""

    def __init__(self, sql: Sql, vault: Vault) -> None:
        self._sql = sql
        self._vault = vault

    def add(self, ticket: Ticket, key: str = "", digest: str = "") -> None:
        """A new pending ticket. DuplicateError where its id, key or external id is there already."""
        message = ticket.message
        parts = [message.subject, message.body, message.media_type]
        parts += (
            [message.requester] if message.requester else []
        )  # rows from before there were any have three
        plain = json.dumps(parts).encode("ascii")
        key_id, raw = self._vault.seal(self._sql, ticket.tenant, ticket.id, plain)
        at = micros(ticket.received_at)
        added = self._sql.run(
            _ADD,
            tenant=ticket.tenant,
            id=ticket.id,
            desk=ticket.source.desk,
            external_id=ticket.source.external_id,
            source_version=ticket.source.version,
            status=Status.PENDING.value,
            version=ticket.version,
            revision=0,
            received_at=at,
            updated_at=at,
            request_key=key,
            request_digest=digest,
            subject="",
            body="",
            language="",
            key_id=key_id,
            raw=raw,
        )
        if not added:
            raise DuplicateError(what=self._doubled(ticket, key))

    def _doubled(self, ticket: Ticket, key: str) -> str:
        if self.by_key(ticket.tenant, key):
            return f"Idempotency-Key '{key}'"
        source = ticket.source
        if self.by_source(ticket.tenant, source.desk, source.external_id):
            return f"ticket '{source.external_id}' of {source.desk}"
        return f"ticket '{ticket.id}'"

    def by_key(self, tenant: str, key: str) -> tuple[str, str] | None:
        """Ticket id and digest that an Idempotency-Key was used with."""
        row = self._sql.one(_BY_KEY, tenant=tenant, key=key)
        return None if row is None else (row[0], row[1])

    def by_source(self, tenant: str, desk: str, external_id: str) -> TicketRecord | None:
        """The ticket that mirrors one of a desk."""
        row = self._sql.one(_BY_SOURCE, tenant=tenant, desk=desk, external_id=external_id)
        return None if row is None else record(row)

    def get(self, tenant: str, ticket_id: str) -> TicketRecord | None:
        """A ticket without its raw text."""
        row = self._sql.one(_GET, tenant=tenant, id=ticket_id)
        return None if row is None else record(row)

    def raw(self, ids: Sequence[tuple[str, str]]) -> list[Ticket]:
        """Tickets with their raw text by (tenant, id), in that order; unknown and erased ones are left out."""
        found = (self._raw(tenant, ticket_id) for tenant, ticket_id in ids)
        return [ticket for ticket in found if ticket is not None]

    def _raw(self, tenant: str, ticket_id: str) -> Ticket | None:
        row = self._sql.one(_RAW, tenant=tenant, id=ticket_id)
        if row is None:
            return None
        plain = self._vault.open(self._sql, tenant, ticket_id, row[0], row[1])
        if plain is None:
            return None
        message = RawMessage(*json.loads(plain))
        return Ticket(ticket_id, message, moment(row[2]), tenant, Source(row[3], row[4], row[5]), row[6])

    def page(self, tenant: str, query: TicketQuery) -> list[TicketRecord]:
        """Tickets, newest first, at most `query.limit`."""
        return page(self._sql, tenant, query)

    def move(self, tenant: str, ticket_id: str, status: Status, at: datetime) -> TicketRecord:
        """Another status, and a version more. UnknownTicketError, TransitionError."""
        old = self._known(tenant, ticket_id)
        return self.moved(old, follow(old.status, status), at)

    def _known(self, tenant: str, ticket_id: str) -> TicketRecord:
        old = self.get(tenant, ticket_id)
        if old is None:
            raise UnknownTicketError(ticket=ticket_id)
        return old

    def moved(self, old: TicketRecord, status: Status, at: datetime) -> TicketRecord:
        """Another status, whatever it was, and a version more."""
        new = replace(old, status=status, version=old.version + 1, updated_at=at)
        self._sql.run(
            _MOVE, tenant=new.tenant, id=new.id, status=status.value, version=new.version, at=micros(at)
        )
        return new

    def save(self, revision: Revision, status: Status, text: CanonicalText | None = None) -> TicketRecord:
        """A triage and the status that it gives. UnknownTicketError, TransitionError, ConflictError."""
        old = self._known(revision.tenant, revision.ticket_id)
        if revision.number != old.revision + 1:
            reason = f"revision {revision.number} cannot follow revision {old.revision}"
            raise ConflictError(what=f"ticket '{old.id}'", reason=reason)
        new = replace(
            old,
            status=old.status if old.status is Status.CORRECTED else follow(old.status, status),
            version=old.version + 1,
            revision=revision.number,
            updated_at=revision.at,
        )
        if text is not None:
            new = replace(new, subject=text.subject, body=text.body, language=text.language)
        self._store(revision, new)
        return new

    def _store(self, revision: Revision, new: TicketRecord) -> None:
        at = micros(revision.at)
        self._sql.run(
            _ADD_TRIAGE,
            tenant=new.tenant,
            ticket_id=new.id,
            number=revision.number,
            at=at,
            timings=json.dumps(dict(revision.timings_ms)),
            data=_compact(triage_to_data(revision.triage)),
        )
        self._sql.run(
            _TRIAGED,
            tenant=new.tenant,
            id=new.id,
            status=new.status.value,
            version=new.version,
            revision=new.revision,
            at=at,
            subject=new.subject,
            body=new.body,
            language=new.language,
        )

    def revision(self, tenant: str, ticket_id: str, number: int = 0) -> Revision | None:
        """A triage by its number; 0 is the newest."""
        statement, values = (_REVISION, {"number": number}) if number else (_NEWEST, {})
        row = self._sql.one(statement, tenant=tenant, id=ticket_id, **values)
        return None if row is None else _revision(tenant, ticket_id, row)

    def triaged_by(
        self, tenant: str, model_hash: str, since: datetime, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Tickets whose newest triage rests on this model. Reads every triage of the time: it is for people who take a
        model back, and an index would cost every ticket a write."""
        # A quotation mark in a text is written as \\", so this stands nowhere but in receipts.
        made_by = _compact({"model_hash": model_hash})[1:-1]
        for special in "!%_":
            made_by = made_by.replace(special, f"!{special}")
        rows = self._sql.all(
            _TRIAGED_BY,
            tenant=tenant,
            since=micros(since),
            made_by=f"%{made_by}%",
            after=after,
            limit=limit,
        )
        return [row[0] for row in rows]

    def correct(self, correction: Correction) -> Correction:
        """Store a person's word with the next sequence number. UnknownTicketError."""
        old = self._known(correction.tenant, correction.ticket_id)
        sequence = self._sql.next_number(correction.tenant, "corrections")
        stored = replace(correction, sequence=sequence)
        self._sql.run(
            _ADD_CORRECTION,
            tenant=stored.tenant,
            sequence=sequence,
            ticket_id=stored.ticket_id,
            field=stored.field,
            value=stored.value,
            before=stored.before,
            by=stored.by,
            at=micros(stored.at),
            note=stored.note,
            against=stored.against.value,
            waits=int(stored.waits),
            revoked_at=None,
            revoked_by="",
        )
        self.moved(old, follow(old.status, Status.CORRECTED), stored.at)
        return stored

    def corrections(self, tenant: str, after: int = 0, limit: int = 1000) -> list[Correction]:
        """Corrections with a sequence number above `after`, in order, without those that were revoked."""
        rows = self._sql.all(_CORRECTIONS, tenant=tenant, after=after, limit=limit)
        return [word_rows.correction(row) for row in rows]

    def words(self, tenant: str, ticket_id: str) -> dict[str, Correction]:
        """Field → the newest correction of a ticket that nobody revoked."""
        rows = self._sql.all(_WORDS, tenant=tenant, id=ticket_id)
        return {row[2]: word_rows.correction(row) for row in rows}

    def corrected(self, tenant: str, ticket_id: str) -> dict[str, str | None]:
        """Field → the newest value that a person gave it and nobody revoked."""
        return dict(tuple(row) for row in self._sql.all(_CORRECTED, tenant=tenant, id=ticket_id))


def _compact(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _revision(tenant: str, ticket_id: str, row: Any) -> Revision:
    number, at, timings, data = row
    triage = triage_from_data(json.loads(data))
    return Revision(tenant, ticket_id, number, moment(at), triage, json.loads(timings))
