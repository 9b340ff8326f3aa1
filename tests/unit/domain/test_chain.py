"""The hash chain finds the first entry that is not as it was written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tamiz.domain.chain import sealed, verify
from tamiz.domain.records import AuditEntry

AT = datetime(2025, 3, 30, 1, 2, 3, 4, tzinfo=UTC)


def trail(length: int = 6) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for number in range(1, length + 1):
        before = entries[-1].chain if entries else ""
        entry = AuditEntry("acme", AT, "ana", "ticket.corrected", f"t{number}", {"field": "categoría"})
        entries.append(sealed(entry, number, before))
    return entries


def edited(**change: object):
    return lambda entries: [*entries[:3], replace(entries[3], **change), *entries[4:]]


CASES = {
    "whole": (lambda entries: entries, None),
    "empty": (lambda entries: [], None),
    "subject edited": (edited(subject="other"), 4),
    "detail edited": (edited(detail={"field": "category"}), 4),
    "detail removed": (edited(detail={}), 4),
    "time edited": (edited(at=AT + timedelta(microseconds=1)), 4),
    "actor edited": (edited(actor="bo"), 4),
    "tenant edited": (edited(tenant="bolt"), 4),
    "number edited": (edited(number=9), 4),
    "chain edited": (edited(chain="0" * 64), 4),
    "same moment in another zone": (edited(at=AT.astimezone(timezone(timedelta(hours=2)))), None),
    "edited and sealed again": (
        lambda entries: [
            *entries[:3],
            sealed(replace(entries[3], actor="bo"), 4, entries[2].chain),
            *entries[4:],
        ],
        5,
    ),
    "first removed": (lambda entries: entries[1:], 1),
    "one removed": (lambda entries: [*entries[:2], *entries[3:]], 3),
    "two swapped": (lambda entries: [entries[0], entries[2], entries[1], *entries[3:]], 2),
    "one doubled": (lambda entries: [*entries[:2], entries[1], *entries[2:]], 3),
    "another put in": (lambda entries: [*entries[:2], replace(entries[2], subject="x"), *entries[2:]], 3),
}


@pytest.mark.parametrize("change, first_bad", CASES.values(), ids=CASES)
def test_the_chain_breaks_where_it_was_touched(change, first_bad) -> None:
    assert verify(change(trail())) == first_bad


def test_a_chain_is_verified_page_by_page() -> None:
    entries = trail()
    assert verify(entries[3:], 3, entries[2].chain) is None
    assert verify(entries[4:], 3, entries[2].chain) == 4
