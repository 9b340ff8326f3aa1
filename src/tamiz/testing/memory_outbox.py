"""The outbox of the store in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tamiz.domain.errors import ConflictError, DuplicateError, UnknownTicketError
from tamiz.domain.outbox import Effect, EffectState, Pause
from tamiz.testing.memory_table import Journal, Table
from tamiz.testing.memory_tickets import MemoryTickets


class MemoryOutbox:
    """The Outbox port."""

    def __init__(self, journal: Journal, tickets: MemoryTickets) -> None:
        self._tickets = tickets
        self._effects: Table[tuple[str, str, str], Effect] = Table(journal)
        self._of_ticket: Table[tuple[str, str], tuple[str, ...]] = Table(journal)
        self._sequences: Table[str, int] = Table(journal)
        self._pauses: Table[tuple[str, str], Pause] = Table(journal)

    def add(self, effect: Effect) -> Effect:
        ticket = (effect.tenant, effect.ticket_id)
        if self._tickets.get(*ticket) is None:
            raise UnknownTicketError(ticket=effect.ticket_id)
        if self._effects.get(_place(effect)):
            raise DuplicateError(what=f"Effect '{effect.name}' of ticket '{effect.ticket_id}'")
        stored = replace(effect, number=(self._sequences.get(effect.tenant) or 0) + 1)
        self._sequences.put(effect.tenant, stored.number)
        self._effects.put(_place(effect), stored)
        self._of_ticket.put(ticket, (*(self._of_ticket.get(ticket) or ()), effect.name))
        return stored

    def put(self, effect: Effect) -> None:
        old = self._effects.get(_place(effect))
        if old is None:
            raise ConflictError(what=f"effect '{effect.name}'", reason="it is not there any more")
        kept = replace(
            old,
            state=effect.state,
            attempts=effect.attempts,
            due=effect.due,
            changed_at=effect.changed_at,
            expected=effect.expected,
            before=dict(effect.before),
            leaves=effect.leaves,
            reason=effect.reason,
        )
        self._effects.put(_place(effect), kept)

    def of_ticket(self, tenant: str, ticket_id: str) -> list[Effect]:
        names = self._of_ticket.get((tenant, ticket_id)) or ()
        return [self._effects.rows[tenant, ticket_id, name] for name in names]

    def page(
        self,
        tenant: str,
        state: EffectState,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Effect]:
        found = (
            one
            for one in self._effects.rows.values()
            if (one.tenant, one.state) == (tenant, state)
            and one.number > after
            and (since is None or one.changed_at >= since)
        )
        return sorted(found, key=lambda one: one.number)[:limit]

    def pause(self, pause: Pause) -> None:
        self._pauses.put((pause.tenant, pause.desk), pause)

    def resume(self, tenant: str, desk: str) -> bool:
        if self._pauses.get((tenant, desk)) is None:
            return False
        self._pauses.drop((tenant, desk))
        return True

    def pauses(self, tenant: str) -> list[Pause]:
        own = (pause for pause in self._pauses.rows.values() if pause.tenant == tenant)
        return sorted(own, key=lambda pause: pause.desk)


def _place(effect: Effect) -> tuple[str, str, str]:
    return effect.tenant, effect.ticket_id, effect.name
