"""A whole service in one process: MemoryStore, a scripted model, a clock that stands still, and the real app."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from tamiz.api.app import create_app
from tamiz.api.auth import digest_of
from tamiz.api.examples import TICKET
from tamiz.api.parts import Limits, Parts
from tamiz.domain.gate import Policy
from tamiz.domain.outbox import Cause, Effect, EffectState, Pause
from tamiz.domain.records import ApiKey, Role
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import CanonicalText, RawMessage, Source, Ticket
from tamiz.service.accept import ENRICH, TRIAGE
from tamiz.service.admin import StoreAdmin
from tamiz.service.judge import Judge
from tamiz.service.revert import Wanted
from tamiz.service.ripple import Rippling
from tamiz.service.work import Triaging
from tamiz.testing import ScriptedModel
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore
from tamiz.testing.scripted_shelf import ScriptedShelf

TAXONOMY = default_taxonomy()
PRIMARY = TAXONOMY.field(TAXONOMY.primary)
TEXT = {"subject": "VPN", "body": "The VPN drops since this morning."}
KEEP = 1000
"""Embeddings that are kept, where the model makes any."""
UNKNOWN = "019b76da-a800-7000-8000-00000000ffff"


def filled(path: str, places: dict[str, str]) -> str:
    """A path with something in its places."""
    for place, name in places.items():
        path = path.replace(place, name)
    return path


def plain(message: RawMessage) -> CanonicalText:
    text = f"{message.subject}\n{message.body}".strip()
    return CanonicalText(text, message.subject, message.body, language="en")


def scripted(taxonomy: Taxonomy = TAXONOMY) -> ScriptedModel:
    child = next(f for f in taxonomy.choices if f.parent)
    answer = {
        taxonomy.primary: (PRIMARY.keys[0], 0.9),
        child.name: (child.allowed(PRIMARY.keys[0])[0], 0.9),
        **{f.name: (f.classes[0], 0.9) for f in taxonomy.predicted if f not in (PRIMARY, child)},
    }
    return ScriptedModel(taxonomy, lambda text: answer)


@dataclass
class Service:
    """The parts, keys by (tenant, role), and an HTTP client that runs on one event loop."""

    parts: Parts
    clock: ManualClock
    keys: dict[tuple[str, Role], str]
    runner: asyncio.Runner
    told: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = create_app(self.parts)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True), base_url="http://localhost"
        )

    def request(
        self, method: str, path: str, role: Role | None = Role.ADMIN, tenant: str = "a", **more: Any
    ) -> httpx.Response:
        return self.runner.run(self.asked(method, path, role, tenant, **more))

    async def asked(
        self, method: str, path: str, role: Role | None = Role.ADMIN, tenant: str = "a", **more: Any
    ) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.keys[tenant, role]}"
        return await self.client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.request("POST", path, json=body, **more)

    def submit(self, tenant: str = "a", **changed: Any) -> str:
        """The id of a new ticket."""
        answer = self.post("/classify", {**TEXT, **changed}, tenant=tenant)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["ticket_id"])

    def places(self, tenant: str = "a") -> dict[str, str]:
        """What may stand in a path, made anew: a ticket, a key and a plan of the tenant."""
        admin, since = self.parts.admin, self.clock.now()
        admin.create_key(tenant, "made for a path", Role.SUBMIT, "test")
        return {
            "{ticket_id}": self.submit(tenant),
            "{key_id}": admin.keys(tenant)[-1].id,
            "{plan_id}": admin.plan_undo(tenant, "starter", since).id,
            "{revert_id}": admin.plan_revert(tenant, Wanted("nobody")).id,
        }

    def park(self, tenant: str = "a") -> Effect:
        """The parked effect of the examples."""
        now, number = self.clock.now(), TICKET
        ticket = Ticket(number, RawMessage("VPN", "drops"), now, tenant, Source("it", "IT-1"))
        cause = Cause("0" * 16, revision=1)
        values = {TAXONOMY.primary: PRIMARY.keys[0]}
        effect = Effect(tenant, number, "triage:1", "it", "IT-1", values, cause, now, now, now)
        parked = replace(effect, state=EffectState.PARKED, reason="refused")

        def work(tx: Any) -> None:
            tx.tickets.add(ticket)
            tx.outbox.add(parked)
            tx.outbox.pause(Pause(tenant, "it", now, None, "the key is wrong"))

        self.parts.store.write(work)
        return parked

    def work(self) -> None:
        """Triage what waits."""
        parts, now = self.parts, self.clock.now()
        kinds = (TRIAGE, ENRICH)
        leases = parts.store.write(lambda tx: tx.jobs.lease(kinds, "w", 100, now, now))
        Triaging(parts.store, parts.judges, parts.clock, parts.bits, self._told, keep=KEEP)(leases)

    def _told(self, done: Any) -> None:
        self.told.append(done)
        self.parts.bell.ring(done.record.tenant, done.record.id)


def made(runner: asyncio.Runner, **changed: Any) -> Service:
    """A service for the tenants a and b, a key per role in each."""
    store, clock, model = changed.get("store") or MemoryStore(), ManualClock(), scripted()
    bits = random.Random(7).getrandbits
    judge = Judge(model, Policy(), plain)
    shelf = changed.pop("shelf", None) or ScriptedShelf({"starter": model})
    judges = changed.get("judges") or (lambda tenant: judge)
    ripples = Rippling(store, clock, judges, changed.get("memory"))
    admin = StoreAdmin(store, clock, bits, shelf, lambda tenant: TAXONOMY, lambda: ripples)
    plain_parts = Parts(store, lambda tenant: judge, clock, bits, version="0.1.0", admin=admin)
    parts = replace(plain_parts, **changed)
    keys = {}
    for tenant in ("a", "b"):
        for role in Role:
            secret = f"tz_{tenant}_{role.value}_{bits(128):032x}"
            keys[tenant, role] = secret
            name = f"{tenant}-{role.value}"
            key = ApiKey(name, tenant, name, role, digest_of(secret), clock.now())
            parts.store.write(lambda tx, key=key: tx.keys.add(key))
    return Service(parts, clock, keys, runner)


@contextmanager
def running(runner: asyncio.Runner, **changed: Any) -> Iterator[Service]:
    """A service that has started, and ends afterwards."""
    one = made(runner, **changed)
    life = one.app.router.lifespan_context(one.app)
    runner.run(life.__aenter__())
    try:
        yield one
    finally:
        runner.run(one.client.aclose())
        runner.run(life.__aexit__(None, None, None))


def generous(**changed: Any) -> Limits:
    """Limits that no test of something else runs into."""
    return Limits(**{"rate": 1e6, "burst": 1e6, "refused_rate": 1e6, "refused_burst": 1e6, **changed})


@contextmanager
def served(app: Any, **config: Any) -> Iterator[tuple[str, int]]:
    """An app on a real socket, in a thread."""
    uvicorn = pytest.importorskip("uvicorn", reason="a real server is needed")
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, **config))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield ("127.0.0.1", listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


async def raw(service: Service, scope: dict[str, Any], messages: list[dict[str, Any]]) -> tuple[int, Any]:
    """Status and JSON of an answer to a request that no HTTP client would send."""
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        for message in waiting:
            return message
        await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    key = service.keys["a", Role.ADMIN].encode()
    base = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/classify",
        "raw_path": b"/classify",
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"transfer-encoding", b"chunked"),
            (b"x-api-key", key),
            (b"host", b"localhost"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
    }
    await service.app({**base, **scope}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)
