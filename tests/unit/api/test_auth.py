"""Who may call what: every endpoint, role and tenant, made from the OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.api.app import Endpoint, add, check_guarded, create_app
from tamiz.api.auth import NEEDS, digest_of
from tamiz.api.describe import Answers
from tamiz.api.limits import SECURITY_HEADERS
from tamiz.domain.errors import ConfigError
from tamiz.domain.records import ApiKey, Role

from .rig import TEXT, UNKNOWN, Service, filled, generous, made, running

RANK = list(Role)
WRONG = [
    "tz_" + "x" * 32,
    "tz_",
    "tz_short",
    "sk_" + "x" * 32,
    "x",
    "tz_" + "é" * 20,
    "tz_" + "x" * 500,
    "tz_a b" + "c" * 20,
]


def operations(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in service.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def call(service: Service, method: str, path: str, operation: dict[str, Any], **more: Any) -> Any:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    places = {"{ticket_id}": UNKNOWN, "{key_id}": UNKNOWN, "{plan_id}": UNKNOWN, **more.pop("places", {})}
    return service.request(method, filled(path, places), json=body, **more)


@pytest.fixture
def quick(runner: asyncio.Runner) -> Iterator[Service]:
    with running(runner, limits=generous(stream_seconds=0.01)) as service:
        yield service


def test_every_endpoint_lets_in_who_may_and_nobody_else(quick: Service) -> None:
    ticket, checked = quick.submit(), 0
    for tenant in ("a", "b"):
        quick.park(tenant)
    for method, path, operation in operations(quick):
        needed = NEEDS[method, path]
        good = {int(code) for code in operation["responses"] if code.startswith("2")}
        for tenant in ("a", "b"):
            for role in (None, *Role):
                places = {**quick.places(tenant), "{ticket_id}": ticket}
                answer = call(quick, method, path, operation, role=role, tenant=tenant, places=places)
                checked += 1
                if needed is None or (role is not None and RANK.index(role) >= RANK.index(needed)):
                    hidden = tenant == "b" and "{ticket_id}" in path
                    expected = {404} if hidden else good
                else:
                    expected = {401} if role is None else {403}
                assert answer.status_code in expected, (method, path, role, tenant, answer.text)
                for name, value in SECURITY_HEADERS.items():
                    assert answer.headers[name.decode()] == value.decode()
    assert (
        checked == 10 * len(NEEDS) - 20
    )  # but /docs and /openapi.json, which describe and are not described


@pytest.mark.parametrize("key", WRONG)
def test_a_key_that_is_none_is_refused_everywhere(quick: Service, key: str) -> None:
    for method, path, operation in operations(quick):
        for header in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            encoded = {name: value.encode("latin-1") for name, value in header.items()}
            answer = call(quick, method, path, operation, role=None, headers=encoded)
            if NEEDS[method, path] is None:
                assert answer.status_code == 200
            else:
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["type"] == "urn:tamiz:problem:no-key"


def test_a_key_may_come_in_either_header_but_not_two_keys(service: Service) -> None:
    own, other = service.keys["a", Role.READ], service.keys["b", Role.READ]
    given = [
        ([("X-API-Key", own)], 200),
        ([("Authorization", f"bearer {own}")], 200),
        ([("Authorization", f"Bearer {own}"), ("X-API-Key", own)], 200),
        ([("Authorization", f"Bearer {own}"), ("X-API-Key", other)], 401),
        ([("X-API-Key", own), ("X-API-Key", other)], 401),
        ([("Authorization", f"Basic {own}")], 401),
        ([("Authorization", own)], 401),
        ([("X-API-Key", "")], 401),
    ]
    for headers, status in given:
        answer = service.runner.run(service.client.get("/labels", headers=headers))
        assert answer.status_code == status, headers


def test_a_revoked_key_ends_within_two_seconds(service: Service) -> None:
    ask = {"role": Role.READ}
    assert service.get("/labels", **ask).status_code == 200
    service.parts.store.write(lambda tx: tx.keys.revoke("a", "a-read", service.clock.now()))
    service.clock.pause(2.1)
    assert service.get("/labels", **ask).status_code == 401


def test_a_new_key_that_was_tried_before_it_was_made_works_within_two_seconds(service: Service) -> None:
    secret = "tz_" + "n" * 32
    headers = {"X-API-Key": secret}
    assert service.get("/labels", role=None, headers=headers).status_code == 401
    key = ApiKey("new", "a", "new", Role.READ, digest_of(secret), service.clock.now())
    service.parts.store.write(lambda tx: tx.keys.add(key))
    service.clock.pause(2.1)
    assert service.get("/labels", role=None, headers=headers).status_code == 200


def test_guessing_keys_is_slowed_down_and_nobody_else_is(service: Service) -> None:
    statuses = [
        service.get("/labels", role=None, headers={"X-API-Key": f"tz_{i:032x}"}).status_code
        for i in range(60)
    ]
    assert statuses == [401] * 50 + [429] * 10
    assert service.get("/labels").status_code == 200


def test_an_open_service_serves_this_machine_by_its_own_name_only(runner: asyncio.Runner) -> None:
    with running(runner, open_to=("a", Role.REVIEW)) as service:
        for host, status in (
            ("localhost", 200),
            ("localhost:8000", 200),
            ("127.0.0.1:8000", 200),
            ("[::1]:8000", 200),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.nip.io", 403),
        ):
            assert service.get("/tickets", role=None, headers={"Host": host}).status_code == status, host
        assert service.get("/tickets", role=None, headers={"X-API-Key": "tz_" + "x" * 32}).status_code == 401
        plain = {"Content-Type": "text/plain"}
        body = service.request("POST", "/classify", role=None, content=b'{"body": "x"}', headers=plain)
        assert body.status_code == 415, "a page in a browser can send plain text anywhere without being asked"


def test_an_app_with_an_endpoint_without_a_role_does_not_start(runner: asyncio.Runner) -> None:
    service = made(runner)

    async def secret() -> None:
        """Never called."""

    with pytest.raises(ConfigError, match="no role"):
        add(service.app, Endpoint("GET", "/secret", secret, "about", Answers({200: None})))
    service.app.add_api_route("/secret", secret)
    with pytest.raises(ConfigError, match="outside the guard"):
        check_guarded(service.app)
    assert create_app(service.parts)


def test_every_role_of_the_table_is_used(runner: asyncio.Runner) -> None:
    service = made(runner, docs=True)
    answered = {(method, route.path) for route in service.app.routes for method in route.methods}
    assert answered == set(NEEDS)


def test_a_key_is_shown_nowhere(service: Service) -> None:
    secret = service.keys["a", Role.ADMIN]
    service.post("/classify", TEXT)
    shown = [repr(service.app.state.context), service.get("/metrics").text, service.get("/openapi.json").text]
    assert not any(secret in text for text in shown)
