"""Who is let in below /admin: keys of the role for their own tenant, and the token of the lock file from this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

import httpx

from tamiz.api.auth import NEEDS, digest_of
from tamiz.api.parts import Host
from tamiz.api.threads import ADMINISTERED
from tamiz.domain.records import Role

from .rig import Service, filled, generous, running

TOKEN = "th_" + "t" * 43


@pytest.fixture
def hosted(runner: asyncio.Runner) -> Iterator[Service]:
    with running(runner, host=Host(digest_of(TOKEN), "host:test"), limits=generous()) as service:
        yield service


def with_token(service: Service, path: str = "/admin/keys", token: str = TOKEN, **more: object) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return service.get(path, role=None, headers=headers, **more).status_code


def test_a_key_is_for_its_own_tenant_alone(hosted: Service) -> None:
    for tenant, status in (("", 200), ("a", 200), ("b", 403), ("new", 403)):
        answer = hosted.get("/admin/keys", params={"tenant": tenant})
        assert answer.status_code == status
    made = hosted.post("/admin/keys", {"name": "x", "role": "read"}, params={"tenant": "b"})
    assert (made.status_code, made.json()["type"]) == (403, "urn:tamiz:problem:forbidden")
    key = hosted.get("/admin/keys", tenant="b").json()["keys"][0]["id"]
    assert hosted.request("DELETE", f"/admin/keys/{key}").status_code == 404
    assert len(hosted.get("/admin/keys", tenant="b").json()["keys"]) == len(Role)


def test_the_token_opens_every_tenant_below_admin_and_nothing_else(hosted: Service) -> None:
    for tenant in ("", "a", "b", "new"):
        assert with_token(hosted, params={"tenant": tenant}) == 200
    for (method, path), needed in NEEDS.items():
        if needed in (Role.SUBMIT, Role.READ, Role.REVIEW):
            place = filled(path, {"{ticket_id}": "x"})
            headers = {"X-API-Key": TOKEN}
            assert hosted.request(method, place, role=None, headers=headers, json={}).status_code == 401
    for wrong in ("th_" + "x" * 43, "th_", TOKEN[:-1], TOKEN + "t", digest_of(TOKEN), ""):
        assert with_token(hosted, token=wrong) == 401


def test_the_token_is_taken_from_this_machine_alone(hosted: Service) -> None:
    async def asked(client: str) -> int:
        transport = httpx.ASGITransport(hosted.app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.5") as other:
            answer = await other.get("/admin/keys", headers={"X-API-Key": TOKEN})
            return answer.status_code

    told = {who: hosted.runner.run(asked(who)) for who in ("127.0.0.1", "::1", "10.0.0.5", "10.0.0.6")}
    assert told == {"127.0.0.1": 200, "::1": 200, "10.0.0.5": 200, "10.0.0.6": 401}


def test_a_service_without_keys_has_no_administrator_for_everybody(runner: asyncio.Runner) -> None:
    """A page in a browser can send a POST without a body to this machine without being asked."""
    host = Host(digest_of(TOKEN), "host:test")
    with running(runner, open_to=("a", Role.ADMIN), host=host) as service:
        assert service.get("/tickets", role=None).status_code == 200
        assert service.request("POST", "/admin/model/rollback", role=None).status_code == 401
        assert with_token(service, "/admin/model") == 200


def test_without_an_administrator_there_is_nothing(runner: asyncio.Runner) -> None:
    with running(runner, admin=None) as service:
        assert service.get("/admin/keys").status_code == 404
        assert not [path for path in service.get("/openapi.json").json()["paths"] if "admin" in path]


def test_the_token_is_shown_nowhere(hosted: Service) -> None:
    with_token(hosted)
    shown = [repr(hosted.app.state.context), hosted.get("/metrics").text, hosted.get("/openapi.json").text]
    assert not any(TOKEN in text for text in shown)


class Busy:
    """An administration in which listing keys takes until it is told to go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()

    def keys(self, tenant: str) -> list[object]:
        self.begun.release()
        assert self.go_on.wait(20)
        return []


async def _beside(service: Service, busy: Busy, acts: int) -> tuple[int, list[int]]:
    """How somebody else's request goes while so many acts are in hand, and how those end."""
    asked = [asyncio.create_task(service.asked("GET", "/admin/keys")) for _ in range(acts)]
    try:
        assert await asyncio.to_thread(busy.begun.acquire, timeout=10)
        async with asyncio.timeout(5):
            other = await service.asked("GET", "/tickets", tenant="b")
    finally:
        busy.go_on.set()
    return other.status_code, [(await one).status_code for one in asked]


@pytest.mark.parametrize("acts", [8, 40])
def test_acts_that_take_long_keep_nobody_else_waiting(runner: asyncio.Runner, acts: int) -> None:
    busy = Busy()
    with running(runner, admin=busy, limits=generous()) as service:
        other, ends = runner.run(_beside(service, busy, acts))
    assert other == 200
    assert ends.count(200) == min(acts, ADMINISTERED)
    assert ends.count(503) == acts - ends.count(200)


def test_names_in_a_path_are_names(hosted: Service) -> None:
    for place in ("/admin/keys/a%00b", "/admin/keys/" + "a" * 201):
        assert hosted.request("DELETE", place).status_code == 422
    assert hosted.post("/admin/undo/a%00b", {}).status_code == 422
