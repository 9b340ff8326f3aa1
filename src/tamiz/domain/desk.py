"""The Desk port: what every connector to a ticket system can do, in eight calls over frozen values.

Fields are named as in the taxonomy, and their values are label keys; the connector maps both to what its desk calls them.
A value for which it knows no label key stays the desk's own word, so that nobody takes it for one of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tamiz.domain.errors import TamizError

Value = str | None
"""What stands in a field; None where it is empty."""


class DeskError(TamizError):
    """The desk {desk} did not do it: {reason}"""

    # Further facts, each optional: `status` (of HTTP; 0 or absent: there was no reply), `retry_after` (as the desk told
    # it), `fields` (names), `sent` (False: not one byte of the request left this machine). Only the connector's
    # `classify_error` reads them.
    hint = "What was to be written is kept and tried again; `tamiz doctor` tells whether the desk can be reached."
    exit_code = 6


class Trouble(StrEnum):
    """What a failed call means for what was to be done."""

    RETRY = "retry"  # surely not done; try again, after `after` seconds where the desk says so
    QUOTA = "quota"  # surely not done; the whole desk is to be left alone for `after` seconds
    AUTH = "auth"  # surely not done; the credential does not hold any more
    INVALID = "invalid"  # surely not done; the desk does not take these `fields`
    GONE = "gone"  # the ticket is not there any more
    CONFLICT = "conflict"  # surely not done; the ticket is at another version than was expected
    UNKNOWN = "unknown"  # done, not done, or still to be done: nobody can tell


@dataclass(frozen=True, slots=True)
class Outcome:
    """A failed call as `classify_error` reads it. `after` is in seconds; `reason` quotes no ticket."""

    trouble: Trouble
    reason: str = ""
    after: float = 0.0
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeskTicket:
    """A ticket as the desk shows it now. `version` changes with every change of the ticket and means nothing else.

    `markers` are the idempotency keys found in it: of notes that we added, and of its creation by us.
    """

    id: str
    version: str
    updated_at: datetime
    subject: str = ""
    body: str = ""
    media_type: str = "text/plain"
    fields: Mapping[str, Value] = field(default_factory=dict)
    markers: frozenset[str] = frozenset()
    closed: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of all that a triage rests on or writes: the text, the fields, and whether it is closed."""
        return digest_of(self, self.fields)


def digest_of(ticket: DeskTicket, fields: Mapping[str, Value]) -> str:
    """The `digest` that a ticket would have with these fields. An empty field is as good as none."""
    filled = sorted((name, value) for name, value in fields.items() if value is not None)
    parts = [ticket.subject, ticket.body, filled, ticket.closed]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """Tickets that changed, oldest change first. `cursor` fetches the next page; empty on the last one."""

    tickets: tuple[DeskTicket, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Values to set. With `expected` the desk refuses where the ticket is at another version; `marker` is the key of the
    effect, for desks that can keep one beside a change."""

    values: Mapping[str, Value]
    expected: str = ""
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket to be opened."""

    subject: str
    body: str
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook says: look at this ticket. It is never believed for more. `delivery_id` is the same when the desk
    sends it once more."""

    ticket_id: str
    event: str
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a desk has: the values that each field takes, what it puts into a field that nobody filled, its groups, and
    whether it compares versions itself in one step with the write."""

    fields: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, Value] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    compares: bool = False


class Desk(Protocol):
    """A ticket system. Every call but `parse_webhook` and `classify_error` goes over the network and raises DeskError."""

    def list_changed(self, since: datetime, cursor: str = "") -> Page:
        """Tickets that changed at or after a moment, as far as the desk's search knows by now."""
        ...

    def get(self, ticket_id: str) -> DeskTicket:
        """One ticket as it is now."""
        ...

    def update(self, ticket_id: str, change: Change) -> DeskTicket:
        """Set values, all or none, and return the ticket as it is then."""
        ...

    def add_internal_note(self, ticket_id: str, text: str, key: str) -> None:
        """Add a note that no requester sees. `key` becomes one of the ticket's markers; a desk may add a note twice that
        it is sent twice."""
        ...

    def create(self, draft: Draft, key: str) -> DeskTicket:
        """Open a ticket. `key` becomes its marker; a desk may open it twice if it is sent twice."""
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What a webhook is about, once its signature holds. DeskError where it does not, or says nothing."""
        ...

    def discover(self) -> Discovery:
        """What the desk has."""
        ...

    def classify_error(self, error: DeskError) -> Outcome:
        """What a failed call means."""
        ...
