"""Tickets that resemble one: as they stand now, of the own tenant alone, and never their text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.domain.gate import Policy
from tamiz.domain.records import Role
from tamiz.domain.status import Status
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.service.backfill import Chunk, Past
from tamiz.service.judge import Judge
from tamiz.testing.memory_store import MemoryStore

from .rig import KEEP, PRIMARY, UNKNOWN, Service, plain, running, scripted

WORDS = ("vpn", "printer", "password", "canary")


def embedding(text: str) -> tuple[float, ...]:
    """How often each of the words stands in a text."""
    return (0.1, *(float(text.lower().count(word)) for word in WORDS))


@pytest.fixture
def remembering(runner: asyncio.Runner) -> Iterator[Service]:
    store, model = MemoryStore(), scripted()
    model.embedding = embedding
    judge, memory = Judge(model, Policy(), plain), Spaces(store, KEEP, ExactIndex)
    with running(runner, store=store, memory=memory, judges=lambda tenant: judge) as service:
        yield service


def similar(service: Service, ticket: str, more: str = "", **asked: object) -> dict:
    answer = service.get(f"/tickets/{ticket}/similar{more}", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_nearest_come_first_with_their_labels(remembering: Service) -> None:
    texts = ("The printer is jammed", "VPN down", "The VPN again", "VPN and password", "My password")
    names = [remembering.submit(subject="", body=text) for text in texts]
    remembering.work()
    found = similar(remembering, names[1], "?k=2")
    assert (found["ticket_id"], found["searched"]) == (names[1], 4)
    assert [one["ticket_id"] for one in found["similar"]] == [names[2], names[3]]
    first = found["similar"][0]
    assert (first["similarity"], first["status"], first["resolved_by"]) == (1.0, Status.BY_AI.value, "model")
    shown = remembering.get(f"/tickets/{names[2]}").json()["compact"]
    shown.pop("summary")
    assert first["labels"] == shown
    assert len(similar(remembering, names[1])["similar"]) == 4


def test_a_persons_word_is_shown_as_soon_as_it_is_said(remembering: Service) -> None:
    one, two = (remembering.submit() for _ in range(2))
    remembering.work()
    label = PRIMARY.keys[-1]
    assert remembering.post(f"/tickets/{two}/feedback", {"fields": {PRIMARY.name: label}}).status_code == 200
    (found,) = similar(remembering, one)["similar"]
    assert (found["labels"][PRIMARY.name], found["resolved_by"]) == (label, "person")
    assert found["status"] == Status.CORRECTED.value


def test_no_text_goes_out(remembering: Service) -> None:
    one, _ = (remembering.submit(subject="canary", body="canary drops") for _ in range(2))
    remembering.work()
    assert "canary" not in json.dumps(similar(remembering, one))


def test_an_exact_copy_of_another_tenants_ticket_finds_nothing(remembering: Service) -> None:
    own, other = remembering.submit(), remembering.submit(tenant="b")
    remembering.work()
    assert similar(remembering, own) == {"ticket_id": own, "searched": 0, "similar": []}
    assert similar(remembering, other, tenant="b")["similar"] == []
    answers = [remembering.get(f"/tickets/{name}/similar") for name in (other, UNKNOWN, "1", "%00")]
    assert {answer.status_code for answer in answers} == {404}


def test_a_ticket_that_waits_has_nothing_to_compare(remembering: Service) -> None:
    remembering.submit()
    remembering.work()
    pending = remembering.submit()
    assert similar(remembering, pending) == {"ticket_id": pending, "searched": 0, "similar": []}


@pytest.mark.parametrize("k", ["0", "51", "x"])
def test_how_many_is_bounded(remembering: Service, k: str) -> None:
    assert remembering.get(f"/tickets/{remembering.submit()}/similar?k={k}").status_code == 422


def test_who_only_hands_tickets_in_sees_no_others(remembering: Service) -> None:
    ticket = remembering.submit()
    assert remembering.get(f"/tickets/{ticket}/similar", role=Role.SUBMIT).status_code == 403
    assert remembering.get(f"/tickets/{ticket}/similar", role=Role.READ).status_code == 200


def test_without_a_memory_nothing_is_similar(service: Service) -> None:
    one, _ = (service.submit() for _ in range(2))
    service.work()
    assert similar(service, one) == {"ticket_id": one, "searched": 0, "similar": []}


def test_a_correction_is_felt_by_the_next_prediction_of_its_tenant_alone(remembering: Service) -> None:
    text = {"subject": "", "body": "The printer is jammed"}
    before = remembering.post("/predict", text).json()
    ticket = remembering.submit(**text)
    remembering.work()
    other = PRIMARY.keys[1]
    answer = remembering.post(f"/tickets/{ticket}/feedback", {"fields": {PRIMARY.name: other}})
    assert answer.status_code == 200, answer.text
    after = remembering.post("/predict", {"subject": "", "body": "printer is jammed the"}).json()
    assert (before["predicted_label"], after["predicted_label"]) == (PRIMARY.keys[0], other)
    elsewhere = remembering.post("/predict", text, tenant="b").json()
    assert elsewhere["top_k"] == before["top_k"]


def test_a_ticket_of_the_past_is_found_once_a_model_has_read_it(remembering: Service) -> None:
    name = remembering.submit(subject="", body="VPN down")
    label = PRIMARY.keys[-1]
    chunk = Chunk([Past("INC1", "", "The VPN was down", {PRIMARY.name: label})])
    assert remembering.parts.admin.backfill("a", chunk, "ana").added == 1
    remembering.work()
    [found] = similar(remembering, name)["similar"]
    assert (found["status"], found["resolved_by"]) == (Status.CORRECTED.value, "person")
    assert found["labels"][PRIMARY.name] == label
