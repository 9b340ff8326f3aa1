"""Looking at tickets, waiting for them, listing and correcting them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import jsonschema
import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
httpx = pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.domain.records import Role
from tamiz.domain.schema import wire_schema
from tamiz.domain.status import Status
from tamiz.domain.taxonomy import ABSTAIN

from .rig import PRIMARY, TAXONOMY, TEXT, UNKNOWN, Service, generous, running

WIRE = jsonschema.Draft202012Validator(wire_schema(TAXONOMY))
CHILD = next(f for f in TAXONOMY.choices if f.parent)
DERIVED = TAXONOMY.derived[0]
ROWS, COLUMNS = (TAXONOMY.field(name) for name in (DERIVED.matrix.rows, DERIVED.matrix.columns))


def test_a_triaged_ticket_is_shown_without_its_raw_text(service: Service) -> None:
    ticket = service.submit(body="The VPN drops. My password is hunter2horse, call 555-0100.")
    pending = service.get(f"/tickets/{ticket}")
    assert pending.json()["triage"] is None
    assert pending.headers["etag"] == '"1"'
    service.work()
    answer = service.get(f"/tickets/{ticket}")
    found = answer.json()
    assert (found["status"], found["version"], found["revision"]) == (Status.BY_AI.value, 2, 1)
    assert answer.headers["etag"] == '"2"'
    WIRE.validate(found["triage"])
    assert found["compact"][PRIMARY.name] == found["triage"]["fields"][PRIMARY.name]["value"]
    assert found["received_at"].endswith("Z")
    assert not {"body", "subject", "message", "raw"} & found.keys()


def test_an_unchanged_ticket_is_not_sent_again(service: Service) -> None:
    ticket = service.submit()
    for tag in ('"1"', 'W/"1"', '"7", "1"'):
        answer = service.get(f"/tickets/{ticket}", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
    assert service.get(f"/tickets/{ticket}", headers={"If-None-Match": '"2"'}).status_code == 200


@pytest.mark.parametrize("tail", ["", "/events"])
def test_anothers_ticket_is_as_good_as_none(service: Service, tail: str) -> None:
    own = service.submit(tenant="b")
    answers = [service.get(f"/tickets/{ticket}{tail}") for ticket in (own, UNKNOWN, "1", "x" * 500, "%00")]
    assert {answer.status_code for answer in answers} == {404}
    first, second = (answer.text.replace(t, "") for answer, t in zip(answers, (own, UNKNOWN), strict=False))
    assert first == second
    other = service.post(f"/tickets/{own}/feedback", {"fields": {PRIMARY.name: PRIMARY.keys[0]}})
    assert other.status_code == 404


def test_waiting_ends_when_the_ticket_is_triaged(service: Service) -> None:
    ticket = service.submit()

    async def both() -> Any:
        waiting = asyncio.create_task(service.asked("GET", f"/tickets/{ticket}?wait=20"))
        await asyncio.sleep(0.15)
        await asyncio.to_thread(service.work)
        return await waiting

    started = time.monotonic()
    answer = service.runner.run(both())
    assert answer.json()["status"] == Status.BY_AI.value
    assert time.monotonic() - started < 5


def test_waiting_ends_when_its_time_is_over(service: Service) -> None:
    answer = service.get(f"/tickets/{service.submit()}?wait=0.2")
    assert (answer.status_code, answer.json()["status"]) == (200, "Pending")
    for wrong in ("-1", "61", "nan", "inf", "soon"):
        assert service.get(f"/tickets/{UNKNOWN}?wait={wrong}").status_code == 422


def test_who_finds_no_seat_is_answered_at_once(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous(waiting_per_key=1, stream_seconds=1.0)) as service:
        ticket = service.submit()

        async def both() -> tuple[Any, Any, float]:
            stream = asyncio.create_task(service.asked("GET", f"/tickets/{ticket}/events"))
            await asyncio.sleep(0.1)
            started = time.monotonic()
            poll = await service.asked("GET", f"/tickets/{ticket}?wait=30")
            took = time.monotonic() - started
            refused = await service.asked("GET", f"/tickets/{ticket}/events")
            other = await service.asked("GET", f"/tickets/{ticket}?wait=0.1", Role.READ)
            assert (await stream).status_code == other.status_code == 200
            return poll, refused, took

        poll, refused, took = service.runner.run(both())
        assert poll.status_code == 200
        assert took < 5
        assert refused.status_code == 429
        assert service.get(f"/tickets/{ticket}/events").status_code == 200, "the seat was given back"


def test_events_tell_every_state_and_nothing_twice(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous(stream_seconds=0.6, heartbeat_seconds=0.2)) as service:
        ticket = service.submit()

        async def both() -> Any:
            stream = asyncio.create_task(service.asked("GET", f"/tickets/{ticket}/events"))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(service.work)
            return await stream

        answer = service.runner.run(both())
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [block for block in answer.text.split("\n\n") if "event: ticket" in block]
        shown = [json.loads(block.split("data: ")[1]) for block in events]
        assert [one["status"] for one in shown] == ["Pending", Status.BY_AI.value]
        assert ": still here" in answer.text
        again = service.get(f"/tickets/{ticket}/events", headers={"Last-Event-ID": "2"})
        assert "event: ticket" not in again.text


def test_a_service_on_its_way_down_lets_go_of_those_who_wait(service: Service) -> None:
    ticket = service.submit()

    async def both() -> Any:
        waiting = asyncio.create_task(service.asked("GET", f"/tickets/{ticket}?wait=20"))
        stream = asyncio.create_task(service.asked("GET", f"/tickets/{ticket}/events"))
        await asyncio.sleep(0.1)
        service.parts.bell.close()
        return await asyncio.wait_for(asyncio.gather(waiting, stream), 5)

    assert [answer.status_code for answer in service.runner.run(both())] == [200, 200]


def test_tickets_are_listed_page_by_page(service: Service) -> None:
    made = []
    for number in range(7):
        made.append(service.submit(desk="jira" if number % 2 else "mail"))
        service.clock.pause(1)
    service.submit(tenant="b")
    seen, cursor, pages = [], "", 0
    while True:
        page = service.get("/tickets", params={"limit": 3, "cursor": cursor}).json()
        seen += [one["ticket_id"] for one in page["tickets"]]
        cursor, pages = page["next_cursor"], pages + 1
        if cursor is None:
            break
    assert seen == made[::-1]
    assert pages == 3
    ask = [
        ({"desk": "jira"}, made[1::2]),
        ({"status": "Failed"}, []),
        ({"status": ["Failed", "Pending"]}, made),
        ({"since": "2026-01-01T00:00:02Z"}, made[2:]),
        ({"until": "2026-01-01T01:00:02+01:00"}, made[:2]),
        ({"since": "0001-01-01T00:00:00+10:00", "until": "9999-12-31T23:59:59-10:00"}, made),
    ]
    for params, expected in ask:
        found = service.get("/tickets", params=params).json()["tickets"]
        assert [one["ticket_id"] for one in found] == expected[::-1], params


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "status=Nix",
        "cursor=%00",
        "cursor=abc",
        "cursor=ñ",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "since=5",
        "desk=A%00",
        "tenant=b",
        "statuss=Pending",
    ],
)
def test_a_filter_that_says_nothing_is_refused(service: Service, query: str) -> None:
    assert service.get(f"/tickets?{query}").status_code == 422


def test_a_correction_stands_and_what_rested_on_it_follows(service: Service) -> None:
    ticket = service.submit()
    service.work()
    parent = next(key for key in PRIMARY.keys if CHILD.keys[0] not in CHILD.allowed(key))
    service.post(
        f"/tickets/{ticket}/feedback",
        {"fields": {PRIMARY.name: PRIMARY.keys[0], CHILD.name: CHILD.allowed(PRIMARY.keys[0])[0]}},
    )
    low = {ROWS.name: ROWS.keys[-1], COLUMNS.name: COLUMNS.keys[-1]}
    answer = service.post(f"/tickets/{ticket}/feedback", {"fields": low, "note": "No hurry."})
    found = answer.json()
    assert found["status"] == Status.CORRECTED.value
    WIRE.validate(found["triage"])
    fields = found["triage"]["fields"]
    assert fields[ROWS.name]["value"] == ROWS.keys[-1]
    assert (fields[ROWS.name]["decision"], fields[ROWS.name]["confidence"]) == ("apply", 1.0)
    assert fields[DERIVED.name]["value"] == DERIVED.matrix.at(ROWS.keys[-1], COLUMNS.keys[-1])
    assert fields[DERIVED.name]["decision"] == "apply"
    barred = [key for key in PRIMARY.keys if fields[CHILD.name]["value"] not in CHILD.allowed(key)]
    for parent in barred:
        moved = service.post(f"/tickets/{ticket}/feedback", {"fields": {PRIMARY.name: parent}}).json()
        WIRE.validate(moved["triage"])
        assert moved["compact"][CHILD.name] == ABSTAIN
    assert found["corrected"][ROWS.name] == ROWS.keys[-1]


def test_a_person_may_decide_before_any_model_does(service: Service) -> None:
    ticket = service.submit()
    found = service.post(f"/tickets/{ticket}/feedback", {"fields": {PRIMARY.name: PRIMARY.keys[1]}}).json()
    WIRE.validate(found["triage"])
    assert found["compact"][PRIMARY.name] == PRIMARY.keys[1]
    assert found["compact"][CHILD.name] == ABSTAIN
    service.work()
    found = service.get(f"/tickets/{ticket}").json()
    assert (found["status"], found["revision"]) == (Status.CORRECTED.value, 1)
    assert found["compact"][PRIMARY.name] == PRIMARY.keys[1]
    WIRE.validate(found["triage"])


def test_if_match_lets_only_the_first_of_two_through(service: Service) -> None:
    path = f"/tickets/{service.submit()}/feedback"
    body = {"fields": {PRIMARY.name: PRIMARY.keys[0]}}
    first = service.post(path, body, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    second = service.post(path, body, headers={"If-Match": '"1"'})
    assert second.status_code == 412
    assert service.post(path, body, headers={"If-Match": first.headers["etag"]}).status_code == 200
    assert service.post(path, body, headers={"If-Match": "*"}).status_code == 200
    assert service.post(path, body, headers={"If-Match": "2"}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"fields": {}},
        {"fields": {"nix": "a"}},
        {"fields": {PRIMARY.name: "nix"}},
        {"fields": {PRIMARY.name: None}},
        {"fields": {PRIMARY.name: ABSTAIN}},
        {"fields": {PRIMARY.name: 1}},
        {"fields": {"summary": "text"}},
        {"fields": [PRIMARY.name]},
        {"fields": {PRIMARY.name: PRIMARY.keys[0]}, "status": "Failed"},
        {"correct_category": PRIMARY.keys[0]},
        {"fields": {PRIMARY.name: PRIMARY.keys[0]}, "by": "somebody else"},
    ],
)
def test_what_is_no_correction_is_refused(service: Service, body: Any) -> None:
    ticket = service.submit()
    assert service.post(f"/tickets/{ticket}/feedback", body).status_code == 422
    assert service.get(f"/tickets/{ticket}").json()["version"] == 1


HOSTILE = [
    "<script>alert(1)</script>",
    "</pre><img src=x onerror=alert(1)>",
    "'; DROP TABLE tickets; --",
    "a\r\nSet-Cookie: x=1",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe \u2028 \u2029",
    "{{7*7}} ${7*7} %s %n",
    '"}],"x":[{"',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_as_a_string_and_as_nothing_else(service: Service, text: str) -> None:
    ticket = service.submit(body=text, subject=text)
    service.work()
    answer = service.get(f"/tickets/{ticket}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert answer.content.isascii()
    assert "\x1b" not in answer.text
    WIRE.validate(answer.json()["triage"])
    note = service.post(
        f"/tickets/{ticket}/feedback", {"fields": {PRIMARY.name: PRIMARY.keys[0]}, "note": text}
    )
    assert note.status_code == 200
    (said,) = service.parts.store.read(lambda tx: tx.tickets.corrections("a"))
    assert said.note == text


def test_a_ticket_text_is_nowhere_in_a_list(service: Service) -> None:
    service.submit()
    service.work()
    assert TEXT["body"] not in service.get("/tickets").text
