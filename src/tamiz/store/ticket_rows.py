"""A ticket's row as a record."""

from __future__ import annotations

from typing import Any

from tamiz.domain.records import TicketRecord
from tamiz.domain.status import Status
from tamiz.domain.ticket import Source
from tamiz.store.sql import moment

COLUMNS = (
    "id, tenant, desk, external_id, source_version, status, version, revision, received_at, updated_at, subject, "
    "body, language"
)


def record(row: Any) -> TicketRecord:
    """From a row of `COLUMNS`."""
    return TicketRecord(
        id=row[0],
        tenant=row[1],
        source=Source(row[2], row[3], row[4]),
        status=Status(row[5]),
        version=row[6],
        revision=row[7],
        received_at=moment(row[8]),
        updated_at=moment(row[9]),
        subject=row[10],
        body=row[11],
        language=row[12],
    )
