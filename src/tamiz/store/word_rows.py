"""Corrections as rows."""

from __future__ import annotations

from typing import Any

from tamiz.domain.records import Against, Correction
from tamiz.store.sql import moment

COLUMNS = 'tenant, ticket_id, field, value, "before", "by", at, note, sequence, against, waits, revoked_at, revoked_by'


def correction(row: Any) -> Correction:
    """A correction from a row of COLUMNS."""
    (
        tenant,
        ticket_id,
        field,
        value,
        before,
        by,
        at,
        note,
        sequence,
        against,
        waits,
        revoked_at,
        revoked_by,
    ) = row
    return Correction(
        tenant,
        ticket_id,
        field,
        value,
        before,
        by,
        moment(at),
        note,
        sequence,
        Against(against),
        bool(waits),
        None if revoked_at is None else moment(revoked_at),
        revoked_by,
    )
