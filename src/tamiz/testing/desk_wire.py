"""What a fake desk and its connector say to each other: values as JSON, errors by status, webhooks with a signature."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from tamiz.domain.desk import (
    Change,
    DeskError,
    DeskTicket,
    Discovery,
    Draft,
    Hint,
    Outcome,
    Page,
    Trouble,
    Value,
)
from tamiz.domain.retry_after import seconds_told

SIGNATURE = "x-fake-signature"
SECRET = b"fake secret"
"""What webhooks are signed with: known to everybody, as all else here."""

_STATUS = {
    401: Trouble.AUTH,
    404: Trouble.GONE,
    409: Trouble.CONFLICT,
    422: Trouble.INVALID,
    429: Trouble.QUOTA,
    503: Trouble.RETRY,
}


@dataclass(frozen=True, slots=True)
class Applied:
    """One effect that took place: who did what to which ticket. `act` is update, note, create, close or delete."""

    at: datetime
    actor: str
    act: str
    ticket_id: str
    values: Mapping[str, Value] = field(default_factory=dict)
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """The body of a request for a note."""

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Opening:
    """The body of a request for a new ticket."""

    draft: Draft
    key: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The body of an answer that is an error."""

    reason: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    """The body of a webhook."""

    ticket: str
    event: str
    delivery: str


TICKET, PAGE, DISCOVERY = TypeAdapter(DeskTicket), TypeAdapter(Page), TypeAdapter(Discovery)
CHANGE, NOTE, OPENING, REFUSAL = (
    TypeAdapter(Change),
    TypeAdapter(Note),
    TypeAdapter(Opening),
    TypeAdapter(Refusal),
)
ENTRY, LEDGER = TypeAdapter(Applied), TypeAdapter(tuple[Applied, ...])
WEBHOOK = TypeAdapter(Webhook)


def read_error(error: DeskError, now: datetime) -> Outcome:
    """What a failed call means: by status and Retry-After; no status is a lost connection, of which only `sent` can tell
    that nothing was done."""
    status, reason = int(str(error.facts.get("status") or 0)), str(error.facts.get("reason", ""))
    kind = _STATUS.get(status, Trouble.UNKNOWN)
    if error.facts.get("sent") is False:
        kind = Trouble.RETRY
    named = error.facts.get("fields")
    after = seconds_told(error.facts.get("retry_after"), now)
    return Outcome(kind, reason, after, named if isinstance(named, tuple) else ())


def signature(secret: bytes, body: bytes) -> str:
    """HMAC-SHA256 of a webhook's body, hexadecimal."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def read_webhook(headers: Mapping[str, str], body: bytes, secret: bytes, desk: str) -> Hint:
    """What a webhook is about. DeskError where its signature does not hold."""
    told = headers.get(SIGNATURE, "").encode("utf-8", "surrogatepass")  # as text only ASCII could be compared
    if not hmac.compare_digest(told, signature(secret, body).encode()):
        raise DeskError(desk=desk, reason="the signature of a webhook does not hold", status=401)
    try:
        said = WEBHOOK.validate_json(body)
    except ValidationError:
        raise DeskError(desk=desk, reason="a webhook says nothing", status=400) from None
    return Hint(said.ticket, said.event, said.delivery)
