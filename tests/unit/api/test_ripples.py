"""What a correction changes elsewhere, over HTTP: shown to reviewers, done when they ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.domain.gate import Policy
from tamiz.domain.records import Role
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.service.judge import Judge
from tamiz.testing.memory_store import MemoryStore

from .rig import KEEP, PRIMARY, UNKNOWN, Service, plain, running, scripted

BEFORE, AFTER = PRIMARY.keys[0], PRIMARY.keys[-1]


@pytest.fixture
def near(runner: asyncio.Runner) -> Iterator[Service]:
    """Every text lies where every other does."""
    store, model = MemoryStore(), scripted()
    model.embedding = lambda text: (0.6, 0.8)
    judge, memory = Judge(model, Policy(), plain), Spaces(store, KEEP, ExactIndex)
    with running(runner, store=store, memory=memory, judges=lambda tenant: judge) as service:
        yield service


def corrected(service: Service, tickets: int = 3) -> list[str]:
    """Triaged tickets, of which the first has been corrected."""
    names = [service.submit(body=f"The VPN drops since this morning, says {who}") for who in "abc"[:tickets]]
    service.work()
    answer = service.post(f"/tickets/{names[0]}/feedback", {"fields": {PRIMARY.name: AFTER}})
    assert answer.status_code == 200, answer.text
    return names


def ripple(service: Service, ticket: str, **sent: bool) -> dict:
    answer = service.post(f"/tickets/{ticket}/ripple", sent, role=Role.REVIEW)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_reviewer_sees_what_would_change_and_does_it_once(near: Service) -> None:
    first, *others = corrected(near)
    shown = ripple(near, first)
    assert (shown["ticket_id"], shown["looked"], shown["applied"]) == (first, 2, None)
    assert sorted(one["ticket_id"] for one in shown["affected"]) == sorted(others)
    for one in shown["affected"]:
        assert (one["cause"], one["source_id"], one["similarity"]) == ("near", first, 1.0)
        both = one["fields"][PRIMARY.name]
        assert (both["before"]["value"], both["after"]["value"]) == (BEFORE, AFTER)
        assert near.get(f"/tickets/{one['ticket_id']}").json()["compact"][PRIMARY.name] == BEFORE
    assert ripple(near, first, apply=True)["applied"] == 2
    for name in others:
        found = near.get(f"/tickets/{name}").json()
        assert (found["compact"][PRIMARY.name], found["revision"], found["corrected"]) == (AFTER, 2, {})
    assert ripple(near, first, apply=True)["applied"] == 0


def test_the_audit_trail_names_who_did_it_and_nothing_is_said_of_a_plan(near: Service) -> None:
    first, other = corrected(near, 2)
    for apply in (False, True):
        ripple(near, first, apply=apply)
    trail = near.parts.store.read(lambda tx: tx.audit.after("a"))
    [act] = [one for one in trail if one.act == "ripple"]
    assert (act.actor, act.subject, act.detail["source"]) == ("a-review", other, first)


def test_another_tenants_correction_is_as_good_as_none(near: Service) -> None:
    first, _ = corrected(near, 2)
    for place in (first, UNKNOWN, "1", "%00"):
        answer = near.post(f"/tickets/{place}/ripple", {"apply": True}, tenant="b")
        assert answer.status_code == 404, place
    assert near.post("/admin/corrections/ripple", {"ticket_id": first}, tenant="b").status_code == 404


def test_who_may_not_correct_may_not_do_this(near: Service) -> None:
    first, _ = corrected(near, 2)
    for role in (Role.SUBMIT, Role.READ):
        assert near.post(f"/tickets/{first}/ripple", {}, role=role).status_code == 403


@pytest.mark.parametrize("sent", [{"apply": "yes"}, {"apply": 1}, {"all": True}, []])
def test_what_is_sent_is_held_to_the_letter(near: Service, sent: object) -> None:
    assert near.post(f"/tickets/{UNKNOWN}/ripple", sent).status_code == 422


def test_an_administrator_needs_not_know_which_ticket_it_was(near: Service) -> None:
    assert near.post("/admin/corrections/ripple", {}).json()["ticket_id"] == ""
    first, _ = corrected(near, 2)
    shown = near.post("/admin/corrections/ripple", {}).json()
    assert (shown["ticket_id"], len(shown["affected"])) == (first, 1)
    assert near.post("/admin/corrections/ripple", {"apply": True}).json()["applied"] == 1


def test_without_a_memory_nothing_is_found(service: Service) -> None:
    ticket = service.submit()
    service.work()
    answer = service.post(f"/tickets/{ticket}/ripple", {"apply": True}).json()
    assert answer == {"ticket_id": ticket, "looked": 0, "affected": [], "applied": 0}
