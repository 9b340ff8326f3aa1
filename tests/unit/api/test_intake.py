"""Handing tickets in."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
httpx = pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.domain.records import Role, TicketQuery

from .rig import TEXT, Service, generous, running, served


def count(service: Service, tenant: str = "a") -> int:
    return len(service.parts.store.read(lambda tx: tx.tickets.page(tenant, TicketQuery(limit=1000))))


def test_a_ticket_is_accepted_with_an_id_and_a_place_to_look(runner: asyncio.Runner) -> None:
    woken: list[int] = []
    with running(runner, wake=lambda: woken.append(1)) as service:
        answer = service.post("/classify", TEXT, role=Role.SUBMIT)
        assert answer.status_code == 202
        body = answer.json()
        assert answer.headers["location"] == body["location"] == f"/tickets/{body['ticket_id']}"
        assert service.get(body["location"], role=Role.SUBMIT).json()["status"] == "Pending"
        assert woken == [1]
        (stored,) = service.parts.store.read(lambda tx: tx.tickets.raw([("a", body["ticket_id"])]))
        assert (stored.message.subject, stored.message.body) == (TEXT["subject"], TEXT["body"])
        (entry,) = service.parts.store.read(lambda tx: tx.audit.after("a"))
        assert (entry.actor, entry.act) == ("a-submit", "accept")


def test_the_same_key_gets_the_same_ticket_and_another_body_a_conflict(service: Service) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = (service.post("/classify", TEXT, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    for changed in (
        {"body": "Another text."},
        {"subject": ""},
        {"desk": "jira"},
        {"media_type": "text/html"},
        {"requester": "eva@example.org"},
    ):
        refused = service.post("/classify", {**TEXT, **changed}, headers=key)
        assert refused.status_code == 409
        assert "another ticket" in refused.json()["detail"]
    assert count(service) == 1
    other = service.post("/classify", {**TEXT, "body": "Another."}, headers=key, tenant="b")
    assert other.status_code == 202, "keys belong to a tenant"


def test_fifty_threads_with_one_key_get_fifty_equal_answers(runner: asyncio.Runner) -> None:
    with (
        running(runner, limits=generous()) as service,
        served(service.app, timeout_graceful_shutdown=2) as (host, port),
    ):
        headers = {"Authorization": f"Bearer {service.keys['a', Role.SUBMIT]}", "Idempotency-Key": "k"}

        def call(_: int) -> tuple[int, str]:
            with httpx.Client(base_url=f"http://{host}:{port}", timeout=20) as client:
                answer = client.post("/classify", json=TEXT, headers=headers)
                return answer.status_code, answer.text

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(call, range(50)))
        assert len(set(answers)) == 1
        assert answers[0][0] == 202
        assert count(service) == 1


def test_a_desks_ticket_is_taken_once(service: Service) -> None:
    body = {**TEXT, "desk": "jira", "external_id": "OPS-1"}
    assert service.post("/classify", body).status_code == 202
    assert service.post("/classify", body).status_code == 409
    assert service.post("/classify", {**body, "desk": "zoho"}).status_code == 202


def test_a_batch_answers_ticket_by_ticket(service: Service) -> None:
    tickets: list[Any] = [
        TEXT,
        {**TEXT, "idempotency_key": "x"},
        {**TEXT, "idempotency_key": "x"},
        {**TEXT, "body": "Else.", "idempotency_key": "x"},
    ]
    answer = service.post("/tickets/batch", {"tickets": tickets})
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [202, 202, 202, 409]
    assert results[1] == results[2]
    assert results[3]["problem"]["type"] == "urn:tamiz:problem:key-reused"
    assert count(service) == 2


def test_a_batch_with_a_key_can_be_sent_again(service: Service) -> None:
    body = {"tickets": [TEXT, {**TEXT, "body": "Second."}]}
    first, again = (
        service.post("/tickets/batch", body, headers={"Idempotency-Key": "night"}) for _ in range(2)
    )
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert count(service) == 2


@pytest.mark.parametrize(
    "body",
    [
        {**TEXT, "tenant": "b"},
        {**TEXT, "tenant_id": "b"},
        {**TEXT, "role": "admin"},
        {**TEXT, "status": "Human_Corrected"},
        {**TEXT, "confidence": 1.0},
        {**TEXT, "id": "1"},
        {"subject": "no body"},
        {**TEXT, "body": ""},
        {**TEXT, "body": 7},
        {**TEXT, "body": None},
        {**TEXT, "body": ["a"]},
        {**TEXT, "media_type": "application/pdf"},
        {**TEXT, "desk": "Jira Cloud"},
        {**TEXT, "external_id": "a\r\nb"},
        {**TEXT, "subject": "x" * 2001},
        [],
        "text",
        7,
    ],
)
def test_what_is_no_ticket_is_refused(service: Service, body: Any) -> None:
    answer = service.post("/classify", body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["errors"]
    assert TEXT["body"] not in answer.text, "what was sent is not repeated"
    batch = service.post("/tickets/batch", {"tickets": [TEXT, body]})
    assert batch.status_code == 422
    assert count(service) == 0


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ñ", "a\tb"])
@pytest.mark.parametrize("path,body", [("/classify", TEXT), ("/tickets/batch", {"tickets": [TEXT]})])
def test_a_key_that_cannot_be_kept_is_refused(service: Service, path: str, body: Any, key: str) -> None:
    answer = service.post(path, body, headers=[("Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "header.Idempotency-Key"


def test_nothing_is_accepted_that_cannot_be_kept(service: Service) -> None:
    service.parts.store.close()
    service.runner.run(asyncio.sleep(0))
    answer = service.post("/classify", TEXT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["retryable"] is True


def test_who_asks_is_kept_with_the_raw_text_and_never_shown(service: Service) -> None:
    sent = {**TEXT, "requester": "eva@example.org"}
    body = service.post("/classify", sent, role=Role.SUBMIT).json()
    (stored,) = service.parts.store.read(lambda tx: tx.tickets.raw([("a", body["ticket_id"])]))
    assert stored.message.requester == "eva@example.org"
    assert "eva" not in service.get(body["location"], role=Role.SUBMIT).text
    assert service.post("/classify", {**TEXT, "requester": "a\nb"}).status_code == 422
