"""A ticket system in memory that keeps a ledger of everything that was ever applied to it, and that fails as planned.

    desk = FakeDesk(clock, faults=FaultPlan(Random(7), {Fault.RESET_AFTER: 0.03, Fault.LATE: 0.03}))
    desk.put("IT-1", subject="VPN", fields={"priority": None})
    desk.edit("IT-1", {"priority": "Low"}, actor="ana")

`python -m tamiz.testing.desk_server` is one as a process of its own, `tamiz.testing.http_desk` the connector to it. It helps nobody to write once: an effect that is sent twice is applied twice, and both stand in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import count
from threading import RLock
from typing import TypeVar

from tamiz.domain.desk import (
    Change,
    DeskError,
    DeskTicket,
    Discovery,
    Draft,
    Hint,
    Outcome,
    Page,
    Value,
)
from tamiz.domain.ports import Clock
from tamiz.testing.desk_faults import Fault, FaultPlan
from tamiz.testing.desk_wire import SECRET, SIGNATURE, Applied, read_error, read_webhook, signature

T = TypeVar("T")

US = "tamiz"
"""The actor of what came through the port."""


@dataclass(frozen=True, slots=True)
class Called:
    """A call that reached the desk, and what it met."""

    at: datetime
    name: str
    fault: Fault | None


class FakeDesk:
    """The Desk port. `ledger` has all that was applied, `calls` all that arrived, `webhooks` all that was sent out. With
    `compares` False a version is looked at when a request arrives and not once more when it is applied, as with desks
    that cannot do both in one step. `wrote` hears of every entry of the ledger. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        name: str = "fake",
        faults: FaultPlan | None = None,
        discovery: Discovery | None = None,
        page: int = 50,
        compares: bool = True,
        wrote: Callable[[Applied], None] = lambda one: None,
    ) -> None:
        self.name = name
        self.faults = faults or FaultPlan()
        self.calls: list[Called] = []
        self.webhooks: list[tuple[dict[str, str], bytes]] = []
        self.revoked = False
        self._clock, self._page, self._compares, self._wrote = clock, page, compares, wrote
        self._discovery = discovery or Discovery({}, compares=compares)
        self._tickets: dict[str, DeskTicket] = {}
        self._marks: dict[str, list[tuple[datetime, str]]] = {}
        self._ledger: list[Applied] = []
        self._late: list[tuple[datetime, int, Callable[[], object]]] = []
        self._past: datetime | None = None
        self._numbers, self._lock = count(1), RLock()

    # The port

    def list_changed(self, since: datetime, cursor: str = "") -> Page:
        """Tickets that changed at or after a moment and that the index has by now."""
        with self._lock:
            self._meet("list_changed")
            indexed = self._now() - timedelta(seconds=self.faults.lag)
            own = (one for one in self._tickets.values() if since <= one.updated_at <= indexed)
            rows = sorted(((one.updated_at.isoformat(), one.id), one) for one in own)
            left = [row for row in rows if not cursor or row[0] > tuple(cursor.split(" ", 1))]
            shown = left[: self._page]
            after = " ".join(shown[-1][0]) if len(left) > len(shown) else ""
            return Page(tuple(self._shown(one.id) for _, one in shown), after)

    def get(self, ticket_id: str) -> DeskTicket:
        """One ticket as it is now; its markers are as old as the index."""
        with self._lock:
            self._meet("get")
            self._known(ticket_id)
            return self._shown(ticket_id)

    def update(self, ticket_id: str, change: Change) -> DeskTicket:
        """Set values, all or none."""

        def arrives() -> None:
            old = self._known(ticket_id)
            if change.expected and change.expected != old.version:
                raise self._error("it is at another version", status=409)

        def apply() -> DeskTicket:
            if self._compares:
                arrives()
            self._set(ticket_id, change.values, US, change.marker)
            return self._shown(ticket_id)

        return self._write("update", arrives, apply)

    def add_internal_note(self, ticket_id: str, text: str, key: str) -> None:
        """Add a note."""

        def apply() -> None:
            self._changed(replace(self._known(ticket_id), updated_at=self._now()), "noted")
            self._apply(US, "note", ticket_id, marker=key)

        self._write("add_internal_note", lambda: self._known(ticket_id), apply)

    def create(self, draft: Draft, key: str) -> DeskTicket:
        """Open a ticket."""

        def apply() -> DeskTicket:
            name = f"{self.name.upper()}-{len(self._tickets) + 1}"
            self.put(name, subject=draft.subject, body=draft.body, fields=draft.fields)
            self._apply(US, "create", name, draft.fields, key)
            return self._shown(name)

        return self._write("create", lambda: None, apply)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What a webhook is about, once its HMAC-SHA256 holds."""
        return read_webhook(headers, body, SECRET, self.name)

    def discover(self) -> Discovery:
        """What it was made with."""
        with self._lock:
            self._meet("discover")
            return self._discovery

    def classify_error(self, error: DeskError) -> Outcome:
        """By status and Retry-After; no status is a lost connection."""
        return read_error(error, self._clock.now())

    # What people and tests do

    @property
    def ledger(self) -> tuple[Applied, ...]:
        """Everything that was applied up to now, in order."""
        with self._lock:
            self._settle()
            return tuple(self._ledger)

    def count(self, marker: str) -> int:
        """How often the effect with this key was applied."""
        return sum(one.marker == marker for one in self.ledger)

    def put(
        self, ticket_id: str, subject: str = "", body: str = "", fields: Mapping[str, Value] | None = None
    ) -> DeskTicket:
        """A new ticket from a requester."""
        with self._lock:
            made = DeskTicket(ticket_id, "", self._now(), subject, body, fields=dict(fields or {}))
            self._changed(made, "created")
            return self._shown(ticket_id)

    def edit(self, ticket_id: str, values: Mapping[str, Value], actor: str = "person") -> DeskTicket:
        """A person sets fields."""
        with self._lock:
            self._settle()
            self._set(ticket_id, values, actor)
            return self._shown(ticket_id)

    def say(self, ticket_id: str, body: str) -> None:
        """The requester's text becomes another."""
        with self._lock:
            self._settle()
            self._changed(replace(self._known(ticket_id), body=body), "updated")

    def close(self, ticket_id: str, actor: str = "person") -> None:
        """A person closes a ticket."""
        with self._lock:
            self._settle()
            self._changed(replace(self._known(ticket_id), closed=True), "closed")
            self._apply(actor, "close", ticket_id)

    def delete(self, ticket_id: str, actor: str = "person") -> None:
        """A person deletes a ticket."""
        with self._lock:
            self._settle()
            del self._tickets[self._known(ticket_id).id]
            self._apply(actor, "delete", ticket_id)

    def shown(self, ticket_id: str) -> DeskTicket:
        """The ticket as it is, past every fault."""
        with self._lock:
            self._settle()
            return self._shown(ticket_id)

    # Inside

    def _write(self, name: str, arrives: Callable[[], object], apply: Callable[[], T]) -> T:
        with self._lock:
            fault = self._meet(name, writes=True)
            arrives()
            if fault is Fault.LATE:
                due = self._now() + timedelta(seconds=self.faults.delay())
                self._late.append((due, next(self._numbers), apply))
                raise self._error("the connection was lost")
            result = apply()
            if fault is Fault.RESET_AFTER:
                raise self._error("the connection was lost")
            return result

    def _meet(self, name: str, *, writes: bool = False) -> Fault | None:
        """Note the call; raise what it meets before anything is done."""
        self._settle()
        fault = Fault.REVOKED if self.revoked else self.faults.draw(name, writes=writes)
        self.calls.append(Called(self._now(), name, fault))
        match fault:
            case Fault.RESET_BEFORE:
                raise self._error("the connection was lost")
            case Fault.THROTTLED:
                raise self._error("too many requests", status=429, retry_after=self._told())
            case Fault.UNAVAILABLE:
                raise self._error("it is overloaded", status=503)
            case Fault.CONFLICT:
                raise self._error("it was changed meanwhile", status=409)
            case Fault.GONE:
                raise self._error("there is no such ticket", status=404)
            case Fault.INVALID:
                raise self._error("it does not take a value", status=422)
            case Fault.REVOKED:
                self.revoked = True
                raise self._error("the credential does not hold", status=401)
        return fault

    def _settle(self) -> None:
        """Let happen what is due. A late request that finds another version, or no ticket, comes to nothing."""
        due = sorted(one for one in self._late if one[0] <= self._now())
        self._late = [one for one in self._late if one[0] > self._now()]
        for moment, _, apply in due:
            self._past = moment
            try:
                apply()
            except DeskError as refused:
                self.calls.append(Called(moment, f"late: {refused.facts['reason']}", Fault.LATE))
            finally:
                self._past = None

    def _set(self, ticket_id: str, values: Mapping[str, Value], actor: str, marker: str = "") -> None:
        old = self._known(ticket_id)
        self._changed(replace(old, fields={**old.fields, **values}), "updated")
        self._apply(actor, "update", ticket_id, values, marker)

    def _apply(
        self,
        actor: str,
        act: str,
        ticket_id: str,
        values: Mapping[str, Value] | None = None,
        marker: str = "",
    ) -> None:
        self._ledger.append(Applied(self._now(), actor, act, ticket_id, dict(values or {}), marker))
        self._wrote(self._ledger[-1])
        if marker and act != "update":
            self._marks.setdefault(ticket_id, []).append((self._now(), marker))

    def _changed(self, ticket: DeskTicket, event: str) -> None:
        number = next(self._numbers)
        self._tickets[ticket.id] = replace(ticket, version=f"v{number}", updated_at=self._now())
        body = json.dumps({"ticket": ticket.id, "event": event, "delivery": f"d{number}"}).encode()
        self.webhooks.append(({SIGNATURE: signature(SECRET, body)}, body))

    def _shown(self, ticket_id: str) -> DeskTicket:
        indexed = self._now() - timedelta(seconds=self.faults.lag)
        marks = frozenset(mark for at, mark in self._marks.get(ticket_id, []) if at <= indexed)
        return replace(self._tickets[ticket_id], markers=marks)

    def _known(self, ticket_id: str) -> DeskTicket:
        if ticket_id not in self._tickets:
            raise self._error("there is no such ticket", status=404)
        return self._tickets[ticket_id]

    def _told(self) -> str:
        moment = self._now() + timedelta(seconds=self.faults.retry_after)
        return format_datetime(moment, usegmt=True) if self.faults.as_date else str(self.faults.retry_after)

    def _error(self, reason: str, **facts: object) -> DeskError:
        return DeskError(desk=self.name, reason=reason, **facts)

    def _now(self) -> datetime:
        """The present, or the moment at which a late request was applied."""
        return self._past or self._clock.now()
