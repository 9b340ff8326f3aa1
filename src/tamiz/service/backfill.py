"""Solved tickets of the past become memory: each a ticket with people's word on its fields, kept once however often it is
sent. Models read them later, in a lane behind all that is alive, and nothing of them is ever written to a desk."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tamiz.domain.errors import BadCorrectionError, ConfigError, DataError, DuplicateError
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Correction, Job, TicketRecord
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import PAST, RawMessage, Source, Ticket, uuid7
from tamiz.service.accept import TRIAGE, Bits
from tamiz.service.people import check, check_text

HISTORY = "history"
"""The desk and the account of what is imported, where nobody names others."""
LANE = 2
"""Live tickets have lane 0."""
MOST_ROWS, MOST_TEXT, MOST_ID = 200, 1_000_000, 200
"""Tickets in a chunk, bytes of subject and body together as JSON in UTF-8, and characters in an id, at most."""
_ROWS, _ROOM, _VALUES, _WIDEST = 100, 300_000, 4_000, 6
"""Tickets, characters and values in a chunk that `cut` makes, and the bytes that a character takes at most: it fits into a
request of 2 MiB and 10,000 members, however it is written, and keeps who hands in live tickets waiting for 50 ms."""
_TRIES = 3
_DESK = re.compile(r"[a-z0-9_-]{1,40}")

Values = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Past:
    """A solved ticket: its id at its desk, its text, the right value of each field that somebody gave one (None: does not
    apply), and when it came (None: unknown)."""

    id: str
    subject: str
    body: str
    values: Values
    at: datetime | None = None

    @property
    def digest(self) -> str:
        """Tells two tickets of one id apart."""
        parts = [self.subject, self.body, sorted(self.values.items())]
        return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tickets that are kept together or not at all, of one desk; the account whose word the values are, and what is noted
    beside each."""

    tickets: Sequence[Past]
    desk: str = HISTORY
    account: str = HISTORY
    note: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """How many tickets are new, how many were there already, and the ids of those that were there and were imported with
    another content; they stay as they are."""

    added: int = 0
    there: int = 0
    other: tuple[str, ...] = ()


def remember(
    store: Store, clock: Clock, bits: Bits, taxonomy: Taxonomy, tenant: str, chunk: Chunk, by: str
) -> Remembered:
    """Keep those of a chunk that are not there yet, in one transaction, with one entry in the audit trail.

    DataError for a ticket that cannot be kept, BadCorrectionError for a note that cannot; then nothing is kept.
    """
    check_chunk(taxonomy, chunk)
    for _ in range(_TRIES - 1):
        try:
            return _remember(store, clock, bits, tenant, chunk, by)
        except DuplicateError:
            continue  # another process has added one of them meanwhile
    return _remember(store, clock, bits, tenant, chunk, by)


def check_chunk(taxonomy: Taxonomy, chunk: Chunk) -> None:
    """DataError where a ticket has no text, too much of it, no id, or values that may not stand side by side; ConfigError
    for a desk or an account that cannot be called so, BadCorrectionError for a note that cannot be kept."""
    check_text(chunk.note)
    if not _DESK.fullmatch(chunk.desk):
        raise ConfigError(key="desk", mistake=f"'{chunk.desk}' is not up to 40 of: a-z 0-9 _ -")
    if not chunk.account.strip() or not chunk.account.isprintable() or len(chunk.account) > MOST_ID:
        raise ConfigError(key="account", mistake=f"up to {MOST_ID} printable characters name one")
    if len(chunk.tickets) > MOST_ROWS:
        raise DataError(path="chunk", mistake=f"{len(chunk.tickets)} tickets where {MOST_ROWS} are the most")
    sound: set[tuple[tuple[str, str | None], ...]] = set()
    for past in chunk.tickets:
        mistake = unfit(past)
        if mistake:
            raise DataError(path=f"ticket '{past.id[:MOST_ID]}'", mistake=mistake)
        values = tuple(past.values.items())
        if values not in sound:
            try:
                check(taxonomy, past.values, past.values)
            except BadCorrectionError as error:
                raise DataError(path=f"ticket '{past.id}'", mistake=error.one_line()) from error
            sound.add(values)


def unfit(past: Past) -> str:
    """Why a ticket cannot be kept, values aside; empty where it can."""
    if not past.id or len(past.id) > MOST_ID or not past.id.isprintable():
        return f"its id is empty, longer than {MOST_ID} characters or not printable"
    if not past.subject.strip() and not past.body.strip():
        return "has no text"
    if (size := _size(past)) > MOST_TEXT:
        return f"its text takes {size:,} bytes; {MOST_TEXT:,} are the most"
    return ""


def _size(past: Past) -> int:
    text = past.subject + past.body
    if len(text) * _WIDEST <= MOST_TEXT:
        return len(text)
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")) - 2


def cut(tickets: Iterable[Past]) -> Iterator[list[Past]]:
    """In chunks that a service takes."""
    chunk, letters, values = list[Past](), 0, 0
    for past in tickets:
        size = len(past.subject) + len(past.body)
        full = len(chunk) == _ROWS or letters + size > _ROOM or values + len(past.values) > _VALUES
        if chunk and full:
            yield chunk
            chunk, letters, values = [], 0, 0
        chunk.append(past)
        letters, values = letters + size, values + len(past.values)
    if chunk:
        yield chunk


def fitting(taxonomy: Taxonomy, values: Values) -> tuple[dict[str, str | None], dict[str, str]]:
    """The values that may stand side by side, and why each of the others may not: a child below another parent, a derived
    value that does not follow."""
    kept, dropped = dict(values), dict[str, str]()
    for f in taxonomy.choices:
        if f.name in kept:
            try:
                check(taxonomy, kept, {f.name: kept[f.name]})
            except BadCorrectionError as error:
                dropped[f.name] = str(error.facts["mistake"])
                del kept[f.name]
    return kept, dropped


def left(store: Store, tenant: str) -> int:
    """How many imported tickets no model has read yet."""
    return store.read(lambda tx: tx.jobs.left(tenant, TRIAGE, LANE))


def _remember(store: Store, clock: Clock, bits: Bits, tenant: str, chunk: Chunk, by: str) -> Remembered:
    moment = clock.now()

    def known(tx: Tx) -> list[TicketRecord | None]:
        return [tx.tickets.by_source(tenant, chunk.desk, past.id) for past in chunk.tickets]

    def work(tx: Tx) -> Remembered:
        added, other = 0, list[str]()
        for past in chunk.tickets:
            record = tx.tickets.by_source(tenant, chunk.desk, past.id)
            if record is None:
                _keep(tx, tenant, past, chunk, moment, bits)
                added += 1
            elif _differs(record, past):
                other.append(past.id)
        if added:
            detail = {"tickets": str(added), "account": chunk.account}
            tx.audit.add(AuditEntry(tenant, moment, by, "backfill", chunk.desk, detail))
        return Remembered(added, len(chunk.tickets) - added - len(other), tuple(other))

    seen = store.read(known)
    if all(seen):  # as when a killed import begins anew: nothing is to be written
        other = tuple(p.id for p, one in zip(chunk.tickets, seen, strict=True) if one and _differs(one, p))
        return Remembered(0, len(seen) - len(other), other)
    return store.write(work)


def _differs(record: TicketRecord, past: Past) -> bool:
    """Was this ticket imported with another content? Of a live one nobody knows."""
    return record.source.past and record.source.version != PAST + past.digest


def _keep(tx: Tx, tenant: str, past: Past, chunk: Chunk, moment: datetime, bits: Bits) -> None:
    came = min(past.at or moment, moment)
    ticket_id = uuid7(moment, bits(74))
    source = Source(chunk.desk, past.id, PAST + past.digest)
    tx.tickets.add(Ticket(ticket_id, RawMessage(past.subject, past.body), came, tenant, source))
    for name, value in past.values.items():
        tx.tickets.correct(Correction(tenant, ticket_id, name, value, None, chunk.account, came, chunk.note))
    tx.jobs.add(Job(uuid7(moment, bits(74)), tenant, TRIAGE, ticket_id, moment, LANE))
