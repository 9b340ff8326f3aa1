"""What an administrator does is the same over a store and through a running service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

for package in ("fastapi", "uvicorn", "httpx"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

import asyncio
import socket
import threading

from tamiz.api.auth import digest_of
from tamiz.api.parts import Host
from tamiz.bootstrap.admin_http import RemoteAdmin
from tamiz.domain.errors import (
    ConfigError,
    ConflictError,
    DataError,
    InputError,
    ModelNotFoundError,
    NoEarlierModelError,
    StoreError,
    StoreUnavailableError,
    TamizError,
    UnknownKeyError,
    UnknownPlanError,
)
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.records import Correction, Role
from tamiz.domain.status import Status
from tamiz.domain.triage import Decision
from tamiz.service.admin import PLANS, Admin
from tamiz.service.backfill import MOST_TEXT, Chunk, Past, Remembered, cut
from tamiz.service.judge import Judge
from tamiz.service.replay import replay
from tamiz.testing.memory_store import MemoryStore
from tamiz.testing.scripted_shelf import ScriptedShelf

from .rig import PRIMARY, TAXONOMY, Service, plain, running, scripted, served

TOKEN = "th_" + "t" * 43
APPLIES = Policy({f.name: FieldPolicy(Decision.APPLY, apply_at=0.5) for f in TAXONOMY.choices})


@dataclass
class House:
    """A service, its store, and an administrator who works through one or the other."""

    service: Service
    admin: Admin
    shelf: ScriptedShelf
    remote: bool

    @property
    def store(self) -> Any:
        return self.service.parts.store

    def acts(self, tenant: str = "a") -> list[tuple[str, str]]:
        return [(one.act, one.actor) for one in self.store.read(lambda tx: tx.audit.after(tenant))]

    def by(self) -> str:
        return "host:test" if self.remote else "ana"

    def triaged(self, number: int = 1, tenant: str = "a") -> list[str]:
        ids = [self.service.submit(tenant, body=f"It drops, office {n}.") for n in range(number)]
        self.service.work()
        return ids

    def shown(self, ticket_id: str, tenant: str = "a") -> Any:
        return self.service.get(f"/tickets/{ticket_id}", tenant=tenant).json()


def _store(kind: str, tmp_path: Any) -> Any:
    if kind == "memory":
        return MemoryStore()
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.sqlite import SqliteStore

    return SqliteStore(tmp_path / "store")


@pytest.fixture(params=["local memory", "local sqlite", "remote memory"])
def house(request, tmp_path) -> Iterator[House]:
    way, kind = request.param.split()
    model = scripted()
    shelf = ScriptedShelf({"starter": model, "other": replace(model)})
    judge = Judge(model, APPLIES, plain)
    store = _store(kind, tmp_path)
    with asyncio.Runner() as runner:
        host = Host(digest_of(TOKEN), "host:test")
        changes = {"store": store, "judges": lambda tenant: judge, "host": host, "shelf": shelf}
        with running(runner, **changes) as service:
            if way == "local":
                yield House(service, service.parts.admin, shelf, remote=False)
            else:
                with served(service.app) as (name, port):
                    yield House(service, RemoteAdmin(f"http://{name}:{port}", TOKEN), shelf, remote=True)
    store.close()


def test_keys_are_made_listed_and_closed(house: House) -> None:
    key = house.admin.create_key("new", "desk", Role.READ, "ana")
    assert key.startswith("tz_")
    [shown] = house.admin.keys("new")
    assert (shown.name, shown.role, shown.revoked_at) == ("desk", Role.READ, None)
    assert shown.created_at == house.service.clock.now()
    house.admin.revoke_key("new", shown.id, "ana")
    assert house.admin.keys("new")[0].revoked_at is not None
    assert house.acts("new") == [("create key", house.by()), ("revoke key", house.by())]
    with pytest.raises(UnknownKeyError, match=f"no living key '{shown.id}'") as error:
        house.admin.revoke_key("new", shown.id, "ana")
    assert error.value.one_line().endswith("`tamiz keys list` shows them.")
    with pytest.raises(UnknownKeyError):
        house.admin.revoke_key("new", "a b?c=d#e%2e", "ana")


def test_a_model_is_taken_into_use_and_back(house: House) -> None:
    assert house.admin.active("a") is None
    for name in ("starter", "other", "other"):
        active = house.admin.activate("a", name, "ana")
    assert (active.name, active.number, active.by) == ("other", 2, house.by())
    assert house.admin.active("a") == active
    assert house.admin.active("b") is None
    back = house.admin.rollback("a", "ana")
    assert back is not None
    assert back.name == "starter"
    assert house.admin.rollback("a", "ana") is None
    with pytest.raises(NoEarlierModelError, match="Tenant 'a'"):
        house.admin.rollback("a", "ana")
    with pytest.raises(ModelNotFoundError, match="known are: starter, other"):
        house.admin.activate("a", "nope", "ana")
    assert [act for act, _ in house.acts()] == ["activate model"] * 2 + ["roll back model"] * 2
    assert [tenant for tenant, _ in house.shelf.moves] == ["a"] * 5


def test_applied_values_ask_a_person_once_they_are_taken_back(house: House) -> None:
    first, second, touched = house.triaged(3)
    assert house.shown(first)["status"] == Status.BY_AI.value
    since = house.service.clock.now()
    word = Correction("a", touched, PRIMARY.name, PRIMARY.keys[1], None, "ana", since)
    house.store.write(lambda tx: tx.tickets.correct(word))
    plan = house.admin.plan_undo("a", "starter", since)
    assert [one.ticket_id for one in plan.reversals] == sorted([first, second, touched])
    assert all(one.back == {} and one.cancelled == () for one in plan.reversals)
    by_id = {one.ticket_id: one for one in plan.reversals}
    assert by_id[first].review[PRIMARY.name] == PRIMARY.keys[0]
    assert PRIMARY.name in by_id[touched].kept
    assert house.shown(first)["triage"]["fields"][PRIMARY.name]["decision"] == "apply"
    house.service.clock.pause(5.0)
    assert house.admin.undo("a", plan.id, "ana") == 3
    for ticket in (first, second):
        shown = house.shown(ticket)
        assert shown["status"] == Status.NEEDS_HUMAN.value
        assert shown["triage"]["fields"][PRIMARY.name]["decision"] == "review"
    assert house.shown(touched)["status"] == Status.CORRECTED.value
    assert house.shown(touched)["triage"]["fields"][PRIMARY.name]["value"] == PRIMARY.keys[1]
    judge = house.service.parts.judges("a")
    assert replay(house.store, judge, "a", first).same
    assert house.admin.undo("a", plan.id, "ana") == 0
    assert not any(one.does for one in house.admin.plan_undo("a", "starter", since).reversals)
    assert house.acts().count(("undo", house.by())) == 3


def test_only_the_fields_that_are_meant_and_only_since_then(house: House) -> None:
    (ticket,) = house.triaged()
    since = house.service.clock.now()
    other = next(f.name for f in TAXONOMY.choices if not f.parent and f.name != PRIMARY.name)
    plan = house.admin.plan_undo("a", "starter", since, [other])
    assert [list(one.review) for one in plan.reversals] == [[other]]
    assert house.admin.undo("a", plan.id, "ana") == 1
    fields = house.shown(ticket)["triage"]["fields"]
    assert (fields[other]["decision"], fields[PRIMARY.name]["decision"]) == ("review", "apply")
    assert house.admin.plan_undo("a", "starter", since + timedelta(seconds=1)).reversals == ()


def test_a_plan_is_the_tenants_own_and_is_remembered(house: House) -> None:
    house.triaged()
    plan = house.admin.plan_undo("a", "starter", house.service.clock.now())
    for tenant, name in (("b", plan.id), ("a", "0123456789ab"), ("a", "a b?c")):
        with pytest.raises(UnknownPlanError, match="Nobody remembers"):
            house.admin.undo(tenant, name, "ana")
    with pytest.raises(ModelNotFoundError, match="'nope'; known are: starter, other"):
        house.admin.plan_undo("a", "nope", house.service.clock.now())
    with pytest.raises(ConfigError, match="there is no 'colour' among"):
        house.admin.plan_undo("a", "starter", house.service.clock.now(), ["colour"])
    assert house.admin.plan_undo("a", "f" * 64, house.service.clock.now()).reversals == ()


def test_of_a_name_with_several_versions_nothing_is_guessed(house: House) -> None:
    since, bad = house.service.clock.now(), "b" * 64
    good = house.admin.activate("a", "starter", "ana").content_hash
    house.shelf.versions = {"starter": [bad]}
    house.triaged()
    with pytest.raises(ConfigError, match=f"several versions.*{good[:12]} .in use., {bad[:12]}"):
        house.admin.plan_undo("a", "starter", since)
    assert house.admin.plan_undo("a", good[:12], since).model_hash == good
    assert house.admin.plan_undo("a", bad, since).reversals == ()


def test_a_version_that_has_left_the_shelf_is_named_by_the_beginning_of_its_hash(house: House) -> None:
    since = house.service.clock.now()
    found = house.admin.activate("a", "starter", "ana").content_hash
    house.shelf.models = {}
    for name in ("starter", f"starter@{found[:8]}", found[:8]):
        assert house.admin.plan_undo("a", name, since).model_hash == found
    with pytest.raises(ModelNotFoundError):
        house.admin.plan_undo("a", "starter@0123", since)


def test_nobody_pushes_another_tenants_plan_out(house: House) -> None:
    plan = house.admin.plan_undo("a", "starter", house.service.clock.now())
    for _ in range(3 * PLANS):
        house.service.clock.pause(1.0)
        last = house.admin.plan_undo("b", "starter", house.service.clock.now())
    assert house.admin.undo("b", last.id, "ana") == house.admin.undo("a", plan.id, "ana") == 0
    first = plan
    for _ in range(PLANS):
        house.service.clock.pause(1.0)
        plan = house.admin.plan_undo("a", "starter", house.service.clock.now())
    assert house.admin.undo("a", plan.id, "ana") == 0
    with pytest.raises(UnknownPlanError):
        house.admin.undo("a", first.id, "ana")


def test_what_waits_for_a_person_is_shown_tried_again_and_let_go(house: House) -> None:
    effect = house.service.park()
    found = house.admin.desks("a")
    assert [(one.effect, one.reason, one.values) for one in found.parked] == [
        ("triage:1", "refused", dict(effect.values))
    ]
    assert [(one.desk, one.until) for one in found.pauses] == [("it", None)]
    house.admin.retry("a", effect.ticket_id, "triage:1", "ana")
    with pytest.raises(ConflictError, match="not parked"):
        house.admin.retry("a", effect.ticket_id, "triage:1", "ana")
    assert [house.admin.resume("a", "it", "ana") for _ in range(2)] == [True, False]
    assert house.admin.desks("a").parked == house.admin.desks("a").pauses == []
    assert house.admin.desks("b") == house.admin.desks("a")
    assert house.acts() == [("push again", house.by()), ("resume desk", house.by())]


def test_solved_tickets_are_kept_once_and_read_later(house: House) -> None:
    label, at = PRIMARY.keys[0], house.service.clock.now() - timedelta(days=9, microseconds=1)
    tickets = [
        Past(f"INC{n}", "VPN \u00e9\U0001f600", "It drops.", {PRIMARY.name: label}, at) for n in range(3)
    ]
    chunk = Chunk(tickets, "itsm", "history", "backfill of a.csv")
    assert house.admin.backfill("a", chunk, "ana") == Remembered(3, 0)
    other = replace(chunk, tickets=[replace(tickets[0], body="Other."), *tickets[1:]])
    assert house.admin.backfill("a", other, "ana") == Remembered(0, 2, ("INC0",))
    assert (house.admin.unread("a"), house.admin.unread("b")) == (3, 0)
    found = house.store.read(lambda tx: tx.tickets.by_source("a", "itsm", "INC2"))
    assert (found.status, found.received_at) == (Status.CORRECTED, at)
    house.service.work()
    assert house.admin.unread("a") == 0
    assert house.shown(found.id)["compact"][PRIMARY.name] == label
    assert house.acts()[0] == ("backfill", house.by())
    wrong = replace(chunk, tickets=[Past("INC9", "", "x", {PRIMARY.name: "red"})])
    with pytest.raises(DataError, match=r"'INC9'.*'red' is no value"):
        house.admin.backfill("a", wrong, "ana")
    with pytest.raises((ConfigError, InputError)):
        house.admin.backfill("a", replace(chunk, desk="No Desk"), "ana")


def test_the_largest_chunk_that_is_cut_fits_into_a_request(house: House) -> None:
    names = [f.name for f in TAXONOMY.choices if not f.parent and f.matrix is None]
    values = {name: TAXONOMY.field(name).keys[0] for name in names}
    texts = ['"\U0001f600' * 1_500] * 200 + [
        "\x01" * (MOST_TEXT // 6),
        "x" * MOST_TEXT,
        "\u20ac" * (MOST_TEXT // 3),
    ]
    tickets = [Past(f"INC{n}", "", text, values) for n, text in enumerate(texts)]
    done = [house.admin.backfill("a", Chunk(part), "ana").added for part in cut(tickets)]
    assert sum(done) == len(tickets)


def test_what_does_not_answer_as_a_service_is_told(house: House) -> None:
    if not house.remote:
        return
    gone = RemoteAdmin("http://127.0.0.1:9", TOKEN)
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        gone.keys("a")
    with served(house.service.app) as (name, port):
        wrong = RemoteAdmin(f"http://{name}:{port}", "th_" + "x" * 43)
        with pytest.raises(TamizError, match="valid API key"):
            wrong.keys("a")
        right = RemoteAdmin(f"http://{name}:{port}", TOKEN)
        with pytest.raises(InputError, match="String should match"):
            right.create_key("a", "two\nlines", Role.READ, "ana")
        assert TOKEN not in repr(right)


def test_an_answer_that_is_lost_is_not_said_to_be_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            one, _ = listener.accept()
            with one:
                one.recv(65_536)

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        admin = RemoteAdmin(f"http://127.0.0.1:{listener.getsockname()[1]}", TOKEN)
        with pytest.raises(StoreError, match="was asked and did not answer") as error:
            admin.undo("a", "0123456789ab", "ana")
        thread.join(10)
    told = error.value.one_line()
    assert ("Nothing was accepted" in told, "look whether it was done" in told) == (False, True)
