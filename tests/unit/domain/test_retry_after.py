"""A Retry-After in both its forms, and in none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tamiz.domain.retry_after import seconds_told


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0.0),
        (" 3 ", 3.0),
        ("-5", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("inf", 0.0),
        (None, 0.0),
        ("nan", 0.0),
        ("1e9", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("Thu, 99 Jan 2026 00:01:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(told: object, seconds: float) -> None:
    assert seconds_told(told, datetime(2026, 1, 1, tzinfo=UTC)) == seconds
