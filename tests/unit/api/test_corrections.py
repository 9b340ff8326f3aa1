"""Corrections through the API: whose ticket, how often, and on what; accounts and reverts are the same over a store and
through a running service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

for package in ("fastapi", "uvicorn", "httpx"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

import asyncio

from tamiz.api.auth import digest_of
from tamiz.api.parts import Host
from tamiz.bootstrap.admin_http import RemoteAdmin
from tamiz.domain.errors import UnknownPlanError
from tamiz.domain.records import Role, WordQuery
from tamiz.service.admin import Admin
from tamiz.service.revert import Wanted
from tamiz.service.trust import Caps, Trust
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore

from .rig import PRIMARY, UNKNOWN, Service, running, served

TOKEN = "th_" + "t" * 43
ONE, TWO, THREE = PRIMARY.keys[:3]


def say(
    service: Service, ticket: str, value: str, role: Role = Role.REVIEW, tenant: str = "a", **more: object
):
    service.clock.pause(0.5)
    body = {"fields": {PRIMARY.name: value}}
    return service.post(f"/tickets/{ticket}/feedback", body, role=role, tenant=tenant, **more)


def said(service: Service, tenant: str = "a") -> list[tuple[str, str | None]]:
    found = service.parts.store.read(lambda tx: tx.words.find(tenant, WordQuery()))
    return [(one.by, one.value) for one in found]


def shown(service: Service, ticket: str, tenant: str = "a") -> dict:
    found = service.get(f"/tickets/{ticket}", tenant=tenant).json()
    return {name: found[name] for name in ("status", "version", "triage", "corrected")}


def test_another_tenants_ticket_is_not_there(service: Service) -> None:
    ticket = service.submit()
    service.work()
    before = shown(service, ticket)
    for name, tenant in ((ticket, "b"), (UNKNOWN, "a"), ("x" * 36, "a")):
        answer = say(service, name, TWO, tenant=tenant)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:tamiz:problem:unknown-ticket")
    assert (shown(service, ticket), said(service), said(service, "b")) == (before, [], [])


def test_a_request_that_is_repeated_changes_nothing(service: Service) -> None:
    ticket = service.submit()
    service.work()
    first = say(service, ticket, TWO)
    again = say(service, ticket, TWO)
    assert (first.status_code, again.status_code) == (200, 200)
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    assert said(service) == [("a-review", TWO)]
    assert [one.act for one in service.parts.store.read(lambda tx: tx.audit.after("a"))].count("correct") == 1
    assert say(service, ticket, TWO, headers={"If-Match": '"1"'}).status_code == 412


def test_of_contradicting_accounts_the_last_word_stands_and_both_are_kept(service: Service) -> None:
    ticket = service.submit()
    service.work()
    for role, value in ((Role.REVIEW, TWO), (Role.ADMIN, THREE), (Role.REVIEW, TWO)):
        assert say(service, ticket, value, role).status_code == 200
    assert shown(service, ticket)["corrected"] == {PRIMARY.name: TWO}
    assert said(service) == [("a-review", TWO), ("a-admin", THREE), ("a-review", TWO)]
    acts = [(one.act, one.actor) for one in service.parts.store.read(lambda tx: tx.audit.after("a"))]
    assert [by for act, by in acts if act == "correct"] == ["a-review", "a-admin", "a-review"]


def test_no_ticket_is_closed_to_a_persons_word(service: Service) -> None:
    """Before its triage, after it, and after it was corrected: the word stands, and a later triage does not move it."""
    ticket = service.submit()
    assert say(service, ticket, TWO).json()["status"] == "Human_Corrected"
    service.work()
    assert shown(service, ticket)["triage"]["fields"][PRIMARY.name]["value"] == TWO
    assert say(service, ticket, THREE).json()["corrected"] == {PRIMARY.name: THREE}


@pytest.fixture(params=["local", "remote"])
def house(request) -> Iterator[tuple[Service, Admin]]:
    with asyncio.Runner() as runner, running(runner, host=Host(digest_of(TOKEN), "host:test")) as service:
        if request.param == "local":
            yield service, service.parts.admin
        else:
            with served(service.app) as (name, port):
                yield service, RemoteAdmin(f"http://{name}:{port}", TOKEN)


def test_an_accounts_words_are_taken_back(house) -> None:
    service, admin = house
    tickets = [service.submit(body=f"It drops, office {n}.") for n in range(3)]
    service.work()
    before = [shown(service, one) for one in tickets]
    since = service.clock.now()
    for one in tickets:
        say(service, one, TWO)
    say(service, tickets[2], THREE, Role.ADMIN)
    plan = admin.plan_revert("a", Wanted("a-review", since))
    assert (plan.words, plan.wanted) == (3, Wanted("a-review", since))
    assert plan.returns[0].away[PRIMARY.name] == TWO
    assert plan.returns[0].back[PRIMARY.name] == before[0]["triage"]["fields"][PRIMARY.name]["value"]
    assert shown(service, tickets[0])["corrected"] == {PRIMARY.name: TWO}
    assert admin.revert("a", plan.id, "ana") == 3
    for one, then in zip(tickets[:2], before[:2], strict=True):
        assert shown(service, one) == {**then, "version": then["version"] + 2}
    last = shown(service, tickets[2])
    assert (last["status"], last["corrected"]) == ("Human_Corrected", {PRIMARY.name: THREE})
    assert admin.revert("a", plan.id, "ana") == 0
    for tenant, name in (("b", plan.id), ("a", "0123456789ab")):
        with pytest.raises(UnknownPlanError):
            admin.revert(tenant, name, "ana")
    assert admin.plan_revert("a", Wanted()).returns == ()


def test_an_account_is_held_and_lifted(house) -> None:
    service, admin = house
    assert admin.accounts("a") == []
    ticket = service.submit()
    service.work()
    say(service, ticket, TWO)
    assert (admin.hold("a", "a-review", "ana"), admin.hold("a", "a-review", "ana")) == (True, False)
    (one,) = admin.accounts("a")
    assert (one.account, one.role, one.words, one.held) == ("a-review", "review", 1, True)
    assert (one.holds[0].reason, one.holds[0].lifted_at) == ("by hand", None)
    assert (admin.lift("a", "a-review", "ana"), admin.lift("a", "a-review", "ana")) == (True, False)
    assert admin.accounts("a")[0].held is False
    assert admin.accounts("b") == []


def test_what_is_too_much_is_stored_and_told(runner: asyncio.Runner) -> None:
    alarms: list = []
    store = MemoryStore()
    trust = Trust(store, ManualClock(), None, Caps(2, 2), alarms.append)
    with running(runner, store=store, trust=trust) as service:
        for number in range(4):
            ticket = service.submit(body=f"It drops, office {number}.")
            assert say(service, ticket, ONE).status_code == 200
            assert shown(service, ticket)["corrected"] == {PRIMARY.name: ONE}
    found = store.read(lambda tx: tx.words.find("a", WordQuery()))
    assert [one.waits for one in found] == [False, False, True, True]
    assert [(alarm.kind.value, alarm.accounts) for alarm in alarms] == [("rate", ("a-review",))]
