"""A ticket as it arrives, and the canonical view of its text that everything downstream sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

Language = Literal["en", "es", "mixed", "other"]

DEFAULT_TENANT = "default"
PAST = "backfill:"
"""How the version of a source begins that was solved before Tamiz knew it; a digest of what was imported follows."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """The text as received; never changed. With `message/rfc822` the body is the whole MIME message. `requester` is the
    address of who asks, empty where nobody said it: rules may ask for it, no model sees it, no receipt names it."""

    subject: str
    body: str
    media_type: str = "text/plain"
    requester: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Span:
    """One redacted stretch: `start` and `end` index the canonical `text`, where the placeholder stands."""

    kind: str
    start: int
    end: int
    placeholder: str


@dataclass(frozen=True, slots=True)
class CanonicalText:
    """What models, caches, logs and providers may see: redacted, folded to plain Unicode, newest request first."""

    text: str
    subject: str
    body: str
    quoted: tuple[str, ...] = ()
    signature: str = ""
    language: Language = "other"
    spans: tuple[Span, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a ticket came from: a desk (or `cli`, `file`), its id there, and its version there."""

    desk: str = "cli"
    external_id: str = ""
    version: str = ""

    @property
    def past(self) -> bool:
        """Was the ticket solved before it came here? Then nothing is ever written to its desk."""
        return self.version.startswith(PAST)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket. `version` counts our own revisions from 1; `received_at` is UTC with microseconds."""

    id: str
    message: RawMessage
    received_at: datetime
    tenant: str = DEFAULT_TENANT
    source: Source = Source()
    version: int = 1


def uuid7(at: datetime, random_bits: int) -> str:
    """A UUIDv7 (RFC 9562) from a moment and 74 random bits, so that ids sort by time and replay from a seed."""
    milliseconds = int(at.astimezone(UTC).timestamp() * 1000)
    high = (random_bits >> 62) & 0xFFF
    low = random_bits & ((1 << 62) - 1)
    return str(UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low))
