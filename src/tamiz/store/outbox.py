"""The outbox in SQL: one row per tenant, ticket and effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tamiz.domain.desk import Value
from tamiz.domain.errors import ConflictError, DuplicateError, UnknownTicketError
from tamiz.domain.outbox import Cause, Effect, EffectState, Pause
from tamiz.store.sql import LOCK, Sql, insert_into, micros, moment
from tamiz.store.tables import DESK_PAUSES, OUTBOX

_COLUMNS = (
    "tenant, ticket_id, name, desk, external_id, wanted, model_hash, writer_hash, revision, by, at, due, changed_at, "
    "state, note, attempts, expected, before, leaves, reason, number"
)
_ADD = insert_into(OUTBOX, "ON CONFLICT DO NOTHING")
_KNOWN = "SELECT 1 FROM tickets WHERE tenant = :tenant AND id = :id"
_THERE = "SELECT 1 FROM outbox WHERE tenant = :tenant AND ticket_id = :ticket_id AND name = :name"
_PUT = """
UPDATE outbox SET state = :state, attempts = :attempts, due = :due, changed_at = :changed_at, expected = :expected,
    before = :before, leaves = :leaves, reason = :reason
WHERE tenant = :tenant AND ticket_id = :ticket_id AND name = :name
"""
_OF_TICKET = f"""
SELECT {_COLUMNS} FROM outbox WHERE tenant = :tenant AND ticket_id = :ticket_id ORDER BY number {LOCK}
"""
_PAGE = f"""
SELECT {_COLUMNS} FROM outbox
WHERE tenant = :tenant AND state = :state AND number > :after AND changed_at >= :since ORDER BY number LIMIT :limit
"""
_PAUSE = insert_into(
    DESK_PAUSES,
    "ON CONFLICT (tenant, desk) DO UPDATE SET since = excluded.since, until = excluded.until, reason = excluded.reason",
)
_RESUME = "DELETE FROM desk_pauses WHERE tenant = :tenant AND desk = :desk"
_PAUSES = "SELECT tenant, desk, since, until, reason FROM desk_pauses WHERE tenant = :tenant ORDER BY desk"


class SqlOutbox:
    """The Outbox port."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def add(self, effect: Effect) -> Effect:
        """A new effect, with the tenant's next number. DuplicateError, UnknownTicketError."""
        place = {"tenant": effect.tenant, "ticket_id": effect.ticket_id, "name": effect.name}
        if self._sql.one(_KNOWN, tenant=effect.tenant, id=effect.ticket_id) is None:
            raise UnknownTicketError(ticket=effect.ticket_id)
        # Looked for first: a number that is drawn for nothing would leave a gap.
        if self._sql.one(_THERE, **place) is not None:
            raise DuplicateError(what=f"effect '{effect.name}' of ticket '{effect.ticket_id}'")
        number = self._sql.next_number(effect.tenant, "outbox")
        added = self._sql.run(
            _ADD,
            **place,
            **_state(effect),
            number=number,
            key=effect.key,
            desk=effect.desk,
            external_id=effect.external_id,
            at=micros(effect.at),
            model_hash=effect.cause.model_hash,
            writer_hash=effect.cause.writer_hash,
            revision=effect.cause.revision,
            by=effect.cause.by,
            wanted=_dump(effect.values),
            note=effect.note,
        )
        if not added:
            raise DuplicateError(what=f"effect '{effect.name}' of ticket '{effect.ticket_id}'")
        return replace(effect, number=number)

    def put(self, effect: Effect) -> None:
        """Another state of an effect. ConflictError where it is not there."""
        changed = self._sql.run(
            _PUT, tenant=effect.tenant, ticket_id=effect.ticket_id, name=effect.name, **_state(effect)
        )
        if not changed:
            raise ConflictError(what=f"effect '{effect.name}'", reason="it is not there any more")

    def of_ticket(self, tenant: str, ticket_id: str) -> list[Effect]:
        """All effects of a ticket, in order."""
        return [_effect(row) for row in self._sql.all(_OF_TICKET, tenant=tenant, ticket_id=ticket_id)]

    def page(
        self,
        tenant: str,
        state: EffectState,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Effect]:
        """Effects in a state that reached it at or after `since`, with a number above `after`, in order."""
        earliest = micros(since) if since is not None else 0
        rows = self._sql.all(
            _PAGE, tenant=tenant, state=state.value, since=earliest, after=after, limit=limit
        )
        return [_effect(row) for row in rows]

    def pause(self, pause: Pause) -> None:
        """Leave a desk alone; takes the place of an earlier pause."""
        until = None if pause.until is None else micros(pause.until)
        self._sql.run(
            _PAUSE,
            tenant=pause.tenant,
            desk=pause.desk,
            since=micros(pause.since),
            until=until,
            reason=pause.reason,
        )

    def resume(self, tenant: str, desk: str) -> bool:
        """End a pause; False where there is none."""
        return self._sql.run(_RESUME, tenant=tenant, desk=desk) > 0

    def pauses(self, tenant: str) -> list[Pause]:
        """The pauses that nobody has ended, by desk."""
        rows = self._sql.all(_PAUSES, tenant=tenant)
        return [Pause(r[0], r[1], moment(r[2]), None if r[3] is None else moment(r[3]), r[4]) for r in rows]


def _state(effect: Effect) -> dict[str, Any]:
    """What changes in the life of an effect."""
    return {
        "state": effect.state.value,
        "attempts": effect.attempts,
        "due": micros(effect.due),
        "changed_at": micros(effect.changed_at),
        "expected": effect.expected,
        "before": _dump(effect.before),
        "leaves": effect.leaves,
        "reason": effect.reason,
    }


def _dump(values: Mapping[str, Value]) -> str:
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"))


def _effect(row: Any) -> Effect:
    return Effect(
        tenant=row[0],
        ticket_id=row[1],
        name=row[2],
        desk=row[3],
        external_id=row[4],
        values=json.loads(row[5]),
        cause=Cause(model_hash=row[6], writer_hash=row[7], revision=row[8], by=row[9]),
        at=moment(row[10]),
        due=moment(row[11]),
        changed_at=moment(row[12]),
        state=EffectState(row[13]),
        note=row[14],
        attempts=row[15],
        expected=row[16],
        before=json.loads(row[17]),
        leaves=row[18],
        reason=row[19],
        number=row[20],
    )
