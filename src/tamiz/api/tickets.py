"""Looking at tickets, waiting for them, listing and correcting them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tamiz.api.auth import Caller
from tamiz.api.context import Context, caller_of, told
from tamiz.api.forms import ETAG, FeedbackForm, Filters
from tamiz.api.problems import Problem
from tamiz.api.waiting import rung
from tamiz.domain.errors import ConflictError, TamizError, UnknownTicketError
from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.service.look import TicketLook, listed, look
from tamiz.service.people import Feedback
from tamiz.service.similar import similar
from tamiz.service.trust import Trust

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_FIRST_LOOK, _LAST_LOOK = 0.1, 1.0
"""Seconds between looks while nobody rings: first and at most."""

Wait = Annotated[
    float, Query(ge=0, le=60, description="Seconds to wait for the ticket to be no longer Pending.")
]
IfNoneMatch = Annotated[str, Header(alias="If-None-Match", max_length=200)]
IfMatch = Annotated[str, Header(alias="If-Match", pattern=ETAG)]
HowMany = Annotated[int, Query(ge=1, le=50, description="Tickets at most.")]
LastEventId = Annotated[str, Header(alias="Last-Event-ID", pattern=r"^[0-9]{0,9}$")]


class Tickets:
    """The endpoints of tickets that are there."""

    def __init__(self, context: Context) -> None:
        self._context, self._parts = context, context.parts
        self._trust = self._parts.trust or Trust(self._parts.store, self._parts.clock, self._parts.memory)

    async def get(
        self, request: Request, ticket_id: str, wait: Wait = 0.0, if_none_match: IfNoneMatch = ""
    ) -> Response:
        """A ticket as it stands. With `wait`, answer when it is no longer Pending, or when the time is over."""
        caller = caller_of(request)
        found = await self._look(caller, ticket_id)
        if wait and found.record.status is Status.PENDING:
            found = await self._settled(request, caller, found, wait)
        tag = _etag(found)
        if tag in (told.strip().removeprefix("W/") for told in if_none_match.split(",")):
            return Response(status_code=304, headers={"ETag": tag})
        return told(found.to_dict(), headers={"ETag": tag})

    async def events(self, request: Request, ticket_id: str, last_event_id: LastEventId = "") -> Response:
        """A ticket's states as server-sent events `ticket`, beginning with the present one. The stream ends after a
        while; a client that comes back with Last-Event-ID misses nothing and hears nothing twice."""
        caller = caller_of(request)
        await self._look(caller, ticket_id)
        if not self._context.seats.take(caller.key_id):
            raise Problem(429, "Too many streams are open already.", kind="too-many")
        stream = self._stream(caller, ticket_id, int(last_event_id or 0))
        return _Seated(stream, lambda: self._context.seats.leave(caller.key_id))

    async def similar(self, request: Request, ticket_id: str, k: HowMany = 5) -> Response:
        """The tickets that resemble one most, nearest first: what they came to, and never their text. `searched` is how
        many were looked at; 0 where this ticket has no embedding."""
        tenant, place, parts = caller_of(request).tenant, known_form(ticket_id), self._parts
        taxonomy = parts.judges(tenant).taxonomy
        found = await self._context.threads.predict(
            lambda: similar(parts.store, parts.memory, taxonomy, tenant, place, k)
        )
        return told(found.to_dict())

    async def page(self, request: Request, filters: Annotated[Filters, Query()]) -> Response:
        """Tickets, newest first, a page at a time."""
        query = TicketQuery(
            frozenset(filters.status),
            filters.desk,
            filters.since,
            filters.until,
            _from_cursor(filters.cursor),
            filters.limit + 1,
        )
        tenant = caller_of(request).tenant
        rows = await self._context.threads.read(self._parts.store, lambda tx: tx.tickets.page(tenant, query))
        shown = rows[: filters.limit]
        cursor = _to_cursor(shown[-1].id) if len(rows) > len(shown) else None
        return told({"tickets": [listed(row) for row in shown], "next_cursor": cursor})

    async def feedback(
        self, request: Request, ticket_id: str, form: FeedbackForm, if_match: IfMatch = ""
    ) -> Response:
        """Correct fields of a ticket. What a person says stands, and what rests on it follows; saying the same again changes
        nothing. With If-Match only if the ticket is still at that version."""
        caller, parts = caller_of(request), self._parts
        version = int(if_match.strip('"')) if if_match and if_match != "*" else 0
        given = Feedback(caller.tenant, known_form(ticket_id), form.fields, caller.key_id, form.note, version)
        taxonomy = parts.judges(caller.tenant).taxonomy
        try:
            done = await self._context.threads.run(lambda: self._trust.correct(taxonomy, given))
        except ConflictError as error:
            raise Problem.of(error, 412 if version else 409) from error
        parts.corrected(done)
        parts.bell.ring(caller.tenant, ticket_id)
        found = await self._look(caller, ticket_id)
        return told(found.to_dict(), headers={"ETag": _etag(found)})

    async def _look(self, caller: Caller, ticket_id: str) -> TicketLook:
        place = known_form(ticket_id)
        taxonomy = self._parts.judges(caller.tenant).taxonomy
        return await self._context.threads.read(
            self._parts.store, lambda tx: look(tx, taxonomy, caller.tenant, place)
        )

    async def _settled(
        self, request: Request, caller: Caller, found: TicketLook, seconds: float
    ) -> TicketLook:
        """The ticket when it is no longer pending; as it is when time, seats or the client's patience are over."""
        seats, bell = self._context.seats, self._parts.bell
        if not seats.take(caller.key_id):
            return found
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + min(seconds, self._parts.limits.wait_seconds), _FIRST_LOOK
        try:
            with bell.listening(caller.tenant, found.record.id) as event:
                while found.record.status is Status.PENDING and loop.time() < end and not bell.closing:
                    found = await self._look(caller, found.record.id)
                    if found.record.status is not Status.PENDING or await request.is_disconnected():
                        break
                    await rung(event, min(pause, max(0.0, end - loop.time())))
                    pause = min(2 * pause, _LAST_LOOK)
        finally:
            seats.leave(caller.key_id)
        return found

    async def _stream(self, caller: Caller, ticket_id: str, seen: int) -> AsyncIterator[str]:
        """Events until the stream's time is over, or the ticket cannot be read any more: a client that comes back is
        told why."""
        limits, bell = self._parts.limits, self._parts.bell
        loop = asyncio.get_running_loop()
        end, beat = loop.time() + limits.stream_seconds, loop.time() + limits.heartbeat_seconds
        with suppress(TamizError), bell.listening(caller.tenant, ticket_id) as event:
            yield "retry: 1000\n\n"
            while True:
                found = await self._look(caller, ticket_id)
                if found.record.version > seen:
                    seen = found.record.version
                    yield f"id: {seen}\nevent: ticket\ndata: {json.dumps(found.to_dict())}\n\n"
                if bell.closing or loop.time() >= end:
                    return
                await rung(event, max(0.0, min(_LAST_LOOK, end - loop.time())))
                if loop.time() >= beat:
                    beat = loop.time() + limits.heartbeat_seconds
                    yield ": still here\n\n"


class _Seated(StreamingResponse):
    """A stream that gives its seat back when it ends, also where it ends before it begins."""

    def __init__(self, stream: AsyncIterator[str], leave: Callable[[], None]) -> None:
        super().__init__(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def _etag(found: TicketLook) -> str:
    return f'"{found.record.version}"'


def known_form(ticket_id: str) -> str:
    """The id, where it has an id's form: nothing else is looked for."""
    if not _ID.match(ticket_id):
        raise UnknownTicketError(ticket=ticket_id[:40])
    return ticket_id


def _to_cursor(ticket_id: str) -> str:
    return base64.urlsafe_b64encode(UUID(ticket_id).bytes).decode().rstrip("=")


def _from_cursor(cursor: str) -> str:
    return str(UUID(bytes=base64.urlsafe_b64decode(f"{cursor}=="))) if cursor else ""
