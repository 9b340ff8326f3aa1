"""The hash chain of the audit trail: whoever edits, drops or reorders an entry breaks every value after it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC
from hashlib import sha256

from tamiz.domain.records import AuditEntry


def link(previous: str, entry: AuditEntry) -> str:
    """The chain value (hex SHA-256) of an entry that follows one with the value `previous`; the first follows "".

    Hashed are the value before and the entry, numbered and without its own value, as canonical JSON: keys sorted,
    no spaces, UTF-8, the moment in UTC with microseconds.
    """
    facts = {
        "tenant": entry.tenant,
        "number": entry.number,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "act": entry.act,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(f"{previous}{text}".encode()).hexdigest()


def verify(entries: Iterable[AuditEntry]) -> int | None:
    """The number of the first bad entry of one tenant's trail, read from its beginning; None where all hold.

    A gap is told by the number that is missing. Entries cut off at the end leave no trace here: compare the last
    value with a copy that is kept elsewhere.
    """
    previous = ""
    for expected, entry in enumerate(entries, start=1):
        if entry.number != expected or entry.chain != link(previous, entry):
            return expected
        previous = entry.chain
    return None
