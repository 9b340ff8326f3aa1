"""The hash chain of the audit trail: each entry carries the SHA-256 over itself and the chain value before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from hashlib import sha256
from json import JSONEncoder

from tamiz.domain.records import AuditEntry

_CANONICAL = JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def link(entry: AuditEntry, number: int, before: str) -> str:
    """The chain value (hex) of the entry under this number; `before` is empty for a tenant's first entry."""
    content = {
        "tenant": entry.tenant,
        "number": number,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "act": entry.act,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }
    return sha256((before + _CANONICAL.encode(content)).encode("ascii")).hexdigest()


def sealed(entry: AuditEntry, number: int, before: str) -> AuditEntry:
    """The entry with its number and chain value."""
    return replace(entry, number=number, chain=link(entry, number, before))


def verify(entries: Iterable[AuditEntry], number: int = 0, before: str = "") -> int | None:
    """The first number at which one tenant's chain breaks, None where it holds.

    It breaks where an entry was edited, is missing or stands out of order. `number` and `before` are those of the
    last entry that was verified already. Entries cut off at the end leave a chain that holds: compare the last number
    with one noted elsewhere.
    """
    for place, entry in enumerate(entries, start=number + 1):
        if entry.number != place or entry.chain != link(entry, place, before):
            return place
        before = entry.chain
    return None
