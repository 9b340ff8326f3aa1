"""The connector to a fake desk that is a process of its own (`tamiz.testing.desk_server`), over the standard library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import TypeAdapter, ValidationError

from tamiz.domain.desk import Change, DeskError, DeskTicket, Discovery, Draft, Hint, Outcome, Page
from tamiz.domain.ports import Clock
from tamiz.testing.desk_wire import (
    CHANGE,
    DISCOVERY,
    NOTE,
    OPENING,
    PAGE,
    REFUSAL,
    SECRET,
    TICKET,
    Note,
    Opening,
    Refusal,
    read_error,
    read_webhook,
)

T = TypeVar("T")

MOST = 8_000_000
"""Bytes of an answer that are read."""
PIECE = 65_536

Connect = Callable[[str, float], HTTPConnection]
"""Address and seconds to wait for each step → a connection that is not open yet."""


def connection(url: str, seconds: float) -> HTTPConnection:
    """A connection by http or https, without any proxy."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.netloc, timeout=seconds)


class HttpDesk:
    """The Desk port. A call takes `seconds` at most, and a connection of its own: an idle one that the desk has closed
    would leave open what became of a write."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        name: str = "fake",
        key: str = "",
        seconds: float = 20.0,
        connect: Connect = connection,
    ) -> None:
        self.name = name
        self._url, self._clock, self._key, self._seconds = url.rstrip("/"), clock, key, seconds
        self._connect = connect

    def list_changed(self, since: datetime, cursor: str = "") -> Page:
        """Tickets that changed at or after a moment and that the desk's index has by now."""
        asked = urlencode({"since": since.isoformat(), "cursor": cursor})
        return self._told(PAGE, "GET", f"/tickets?{asked}")

    def get(self, ticket_id: str) -> DeskTicket:
        """One ticket as it is now."""
        return self._told(TICKET, "GET", _path(ticket_id))

    def update(self, ticket_id: str, change: Change) -> DeskTicket:
        """Set values, all or none."""
        return self._told(TICKET, "PATCH", _path(ticket_id), CHANGE.dump_json(change))

    def add_internal_note(self, ticket_id: str, text: str, key: str) -> None:
        """Add a note."""
        self._ask("POST", f"{_path(ticket_id)}/notes", NOTE.dump_json(Note(text, key)))

    def create(self, draft: Draft, key: str) -> DeskTicket:
        """Open a ticket."""
        return self._told(TICKET, "POST", "/tickets", OPENING.dump_json(Opening(draft, key)))

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """What a webhook is about, once its HMAC-SHA256 holds."""
        return read_webhook(headers, body, SECRET, self.name)

    def discover(self) -> Discovery:
        """What the desk has."""
        return self._told(DISCOVERY, "GET", "/discovery")

    def classify_error(self, error: DeskError) -> Outcome:
        """By status and Retry-After; no status is a lost connection."""
        return read_error(error, self._clock.now())

    def _told(self, shape: TypeAdapter[T], method: str, path: str, body: bytes | None = None) -> T:
        told = self._ask(method, path, body)
        try:
            return shape.validate_json(told)
        except ValidationError:  # whatever was asked has been done, or not: nobody can tell
            raise self._error("its answer cannot be read") from None

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The body of a good answer; DeskError for every other one, and for none."""
        ends = self._clock.monotonic() + self._seconds
        line = self._connect(self._url, self._seconds)
        try:
            try:
                line.connect()
            except OSError as error:
                raise self._error("it cannot be reached", sent=False) from error
            try:
                line.request(method, urlsplit(self._url).path + path, body, self._headers())
                with line.getresponse() as answer:
                    told = self._read(answer, ends)
            except (OSError, HTTPException) as error:
                raise self._error("the connection was lost") from error
        finally:
            line.close()
        if answer.status >= 300:
            raise self._refused(answer, told)
        return told

    def _read(self, answer: HTTPResponse, ends: float) -> bytes:
        """The whole body, as far as it comes in time and is no longer than it may be."""
        found = b""
        while piece := answer.read1(PIECE):
            found += piece
            if len(found) > MOST or self._clock.monotonic() > ends:
                raise self._error("its answer is too long, or too slow")
        if answer.length:
            raise HTTPException("the answer ends too early")
        return found

    def _refused(self, answer: HTTPResponse, told: bytes) -> DeskError:
        try:
            refusal = REFUSAL.validate_json(told)
        except ValidationError:
            refusal = Refusal(f"status {answer.status}")
        after = answer.getheader("Retry-After", "")
        return self._error(
            refusal.reason[:200], status=answer.status, retry_after=after, fields=refusal.fields
        )

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return {"Content-Type": "application/json", "Connection": "close", **key}

    def _error(self, reason: str, **facts: object) -> DeskError:
        return DeskError(desk=self.name, reason=reason, **facts)


def _path(ticket_id: str) -> str:
    return f"/tickets/{quote(ticket_id, safe='')}"
