"""A fake desk as a process of its own, to try Tamiz against and to test it with: the FakeDesk behind HTTP on loopback.

    python -m tamiz.testing.desk_server --port 9000 --ledger ledger.jsonl
    curl -d '{"ticket_id": "IT-1", "subject": "VPN"}' localhost:9000/control/put
    curl -d '{"rates": {"applied, then reset": 0.05}}' localhost:9000/control/faults
    curl localhost:9000/control/ledger

The port's calls are below `/tickets`, what people and tests do below `/control`. With TAMIZ_FAKE_DESK_KEY in its environment
it asks for that key. The ledger is appended to a file as well, an entry a line, and so outlives the process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import TypeAdapter, ValidationError

from tamiz.domain.desk import DeskError, Value
from tamiz.testing.desk_faults import Fault, FaultPlan
from tamiz.testing.desk_wire import (
    CHANGE,
    DISCOVERY,
    ENTRY,
    LEDGER,
    NOTE,
    OPENING,
    PAGE,
    REFUSAL,
    TICKET,
    Applied,
    Refusal,
)
from tamiz.testing.fake_desk import FakeDesk

KEY = "TAMIZ_FAKE_DESK_KEY"
MOST = 8_000_000
"""Bytes of a request."""


class Wall:
    """The clock of a process that nobody hands one."""

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does to a ticket. Only `put` and `edit` set `fields`; `body` is for `put` and `say`."""

    ticket_id: str
    subject: str = ""
    body: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    actor: str = "person"


@dataclass(frozen=True, slots=True)
class Faults:
    """Which faults calls meet from now on; see `FaultPlan`."""

    rates: Mapping[Fault, float] = field(default_factory=dict)
    seed: int = 0
    late: float = 60.0
    lag: float = 0.0
    retry_after: float = 120.0


ACT, FAULTS = TypeAdapter(Act), TypeAdapter(Faults)


def answer(desk: FakeDesk, method: str, target: str, body: bytes) -> bytes:
    """The JSON that answers a request. DeskError as the desk has it, ValidationError for a body of another shape."""
    parts = urlsplit(target)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for (known, pattern), act in _ROUTES.items():
        found = re.fullmatch(pattern, parts.path)
        if found and known == method:
            return act(desk, unquote(found["id"]) if "id" in found.groupdict() else "", asked, body)
    raise DeskError(desk=desk.name, reason="there is nothing at this address", status=404)


def _changed(desk: FakeDesk, ticket: str, asked: Mapping[str, str], body: bytes) -> bytes:
    since = datetime.fromisoformat(asked["since"])
    return PAGE.dump_json(desk.list_changed(since, asked.get("cursor", "")))


def _opened(desk: FakeDesk, ticket: str, asked: Mapping[str, str], body: bytes) -> bytes:
    opening = OPENING.validate_json(body)
    return TICKET.dump_json(desk.create(opening.draft, opening.key))


def _noted(desk: FakeDesk, ticket: str, asked: Mapping[str, str], body: bytes) -> bytes:
    note = NOTE.validate_json(body)
    desk.add_internal_note(ticket, note.text, note.key)
    return b"{}"


def _person(act: Callable[[FakeDesk, Act], object]) -> Route:
    def answered(desk: FakeDesk, ticket: str, asked: Mapping[str, str], body: bytes) -> bytes:
        act(desk, ACT.validate_json(body))
        return b"{}"

    return answered


def _set_faults(desk: FakeDesk, ticket: str, asked: Mapping[str, str], body: bytes) -> bytes:
    told = FAULTS.validate_json(body)
    desk.faults = FaultPlan(Random(told.seed), told.rates, told.late, told.lag, told.retry_after)
    desk.revoked = False
    return b"{}"


Route = Callable[[FakeDesk, str, Mapping[str, str], bytes], bytes]

_ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/tickets"): _changed,
    ("POST", "/tickets"): _opened,
    ("GET", "/tickets/(?P<id>[^/]+)"): lambda desk, ticket, asked, body: TICKET.dump_json(desk.get(ticket)),
    ("PATCH", "/tickets/(?P<id>[^/]+)"): lambda desk, ticket, asked, body: TICKET.dump_json(
        desk.update(ticket, CHANGE.validate_json(body))
    ),
    ("POST", "/tickets/(?P<id>[^/]+)/notes"): _noted,
    ("GET", "/discovery"): lambda desk, ticket, asked, body: DISCOVERY.dump_json(desk.discover()),
    ("GET", "/control/ledger"): lambda desk, ticket, asked, body: LEDGER.dump_json(desk.ledger),
    ("GET", "/control/tickets/(?P<id>[^/]+)"): lambda desk, ticket, asked, body: TICKET.dump_json(
        desk.shown(ticket)
    ),
    ("POST", "/control/put"): _person(lambda desk, a: desk.put(a.ticket_id, a.subject, a.body, a.fields)),
    ("POST", "/control/edit"): _person(lambda desk, a: desk.edit(a.ticket_id, a.fields, a.actor)),
    ("POST", "/control/say"): _person(lambda desk, a: desk.say(a.ticket_id, a.body)),
    ("POST", "/control/close"): _person(lambda desk, a: desk.close(a.ticket_id, a.actor)),
    ("POST", "/control/delete"): _person(lambda desk, a: desk.delete(a.ticket_id, a.actor)),
    ("POST", "/control/faults"): _set_faults,
}


class _Requests(BaseHTTPRequestHandler):
    """One request a connection. What has no status loses its connection instead of getting an answer."""

    server: DeskServer
    timeout = 30.0
    disable_nagle_algorithm = True  # else the body waits for the client to confirm the headers, some 40 ms

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the ledger tells it all."""

    def _serve(self) -> None:
        with suppress(ConnectionError):  # a client that is gone; what it had asked for stays done
            try:
                told = self._answered()
            except DeskError as error:
                if error.facts.get("status"):
                    self._refuse(error)
                return
            except (ValidationError, ValueError, KeyError):
                self._send(400, REFUSAL.dump_json(Refusal("the request cannot be read")))
                return
            self._send(200, told)

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names that the base class looks for

    def _answered(self) -> bytes:
        desk, key = self.server.desk, self.server.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            raise DeskError(desk=desk.name, reason="the credential does not hold", status=401)
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MOST:
            raise ValueError("too long")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ValueError("cut off")
        return answer(desk, self.command, self.path, body)

    def _refuse(self, error: DeskError) -> None:
        fields = error.facts.get("fields")
        refusal = Refusal(str(error.facts["reason"]), fields if isinstance(fields, tuple) else ())
        self._send(
            int(str(error.facts["status"])), REFUSAL.dump_json(refusal), error.facts.get("retry_after")
        )

    def _send(self, status: int, body: bytes, retry_after: object = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)


class DeskServer(ThreadingTCPServer):
    """A fake desk on a loopback port, 0 for any free one; a context in which it is served. With a `key` it serves only
    those who bring it."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, desk: FakeDesk, port: int = 0, key: str = "") -> None:
        super().__init__(("127.0.0.1", port), _Requests)
        self.desk, self.key = desk, key
        self._thread = Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> DeskServer:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


def keeper(path: Path) -> Callable[[Applied], None]:
    """Appends entries to a file; each has left the process before the desk answers."""
    file = path.open("ab", buffering=0)

    def keep(one: Applied) -> None:
        file.write(ENTRY.dump_json(one) + b"\n")

    return keep


def read_ledger(path: Path) -> tuple[Applied, ...]:
    """The entries of a file, in order."""
    return tuple(ENTRY.validate_json(line) for line in path.read_bytes().splitlines())


def main() -> None:
    """Serve until the process is ended."""
    told = argparse.ArgumentParser(description="A ticket system that keeps a ledger and fails as planned.")
    told.add_argument("--port", type=int, default=0, help="0: any free one")
    told.add_argument("--ledger", type=Path, help="file to which every applied effect is appended")
    told.add_argument("--name", default="fake")
    told.add_argument(
        "--compares-once",
        action="store_true",
        help="look at no version again where a request is applied late",
    )
    told.add_argument("--with-input", action="store_true", help="end when standard input does")
    chosen = told.parse_args()
    keep = keeper(chosen.ledger) if chosen.ledger else lambda one: None
    desk = FakeDesk(Wall(), chosen.name, compares=not chosen.compares_once, wrote=keep)
    server = DeskServer(desk, chosen.port, os.environ.get(KEY, ""))
    print(json.dumps({"listening": server.url}), flush=True)
    if chosen.with_input:
        with server:
            sys.stdin.read()
    else:
        server.serve_forever()


if __name__ == "__main__":
    main()
