"""Asking the model directly, and asking about the service."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema
import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.domain.ports import ModelInfo
from tamiz.domain.records import TicketQuery
from tamiz.domain.taxonomy import NONE
from tamiz.testing.strange import strange_messages

from .rig import PRIMARY, TAXONOMY, TEXT, Service, generous, running


def test_a_prediction_has_the_shape_that_was_promised(service: Service) -> None:
    said = service.post("/predict", {**TEXT, "top_k": 3}).json()
    assert list(said) == ["predicted_label", "confidence", "top_k", "inference_ms"]
    assert said["predicted_label"] == PRIMARY.keys[0] == said["top_k"][0]["label"]
    assert len(said["top_k"]) == 3
    assert said["confidence"] == said["top_k"][0]["score"] == 0.9
    kept = service.parts.store.read(lambda tx: tx.tickets.page("a", TicketQuery()))
    assert kept == [], "nothing is stored"


@pytest.mark.parametrize("field", [f.name for f in TAXONOMY.choices])
def test_every_field_can_be_asked_for(service: Service, field: str) -> None:
    said = service.post("/predict", {**TEXT, "field": field, "top_k": 50}).json()
    f = TAXONOMY.field(field)
    assert said["predicted_label"] in (*f.keys, None)
    assert {one["label"] for one in said["top_k"]} == set(f.keys)
    assert NONE not in str(said["top_k"])


def test_a_batch_is_the_same_as_one_by_one(service: Service) -> None:
    forms = [{**TEXT, "top_k": k} for k in (1, 2, 3)]
    many = service.post("/predict_batch", forms).json()
    single = [service.post("/predict", form).json() for form in forms]
    for one in (*many, *single):
        del one["inference_ms"]
    assert many == single
    assert len(service.parts.judges("a").model.calls[0]) == 1, (
        "the model was asked once for three equal texts"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"top_k": 0},
        {"top_k": 51},
        {"top_k": 1.5},
        {"top_k": "3"},
        {"top_k": True},
        {"top_k": 10**400},
        {"field": "nix"},
        {"field": "summary"},
        {"tenant": "b"},
        {"body": None},
    ],
)
def test_what_cannot_be_asked_is_refused(service: Service, change: dict[str, Any]) -> None:
    assert service.post("/predict", {**TEXT, **change}).status_code == 422
    assert service.post("/predict_batch", [{**TEXT, **change}]).status_code == 422


def test_a_batch_is_neither_empty_nor_endless(service: Service) -> None:
    for forms in ([], [TEXT] * 101, {"tickets": [TEXT]}):
        assert service.post("/predict_batch", forms).status_code == 422


def test_any_text_gets_a_prediction(runner: asyncio.Runner) -> None:
    with running(runner, limits=generous()) as service:
        for name, message in strange_messages(70, seed=3):
            text = message.body.encode("utf-8", "replace").decode().replace("\0", " ")[:100_000]
            answer = service.post("/predict", {"body": text})
            assert answer.status_code == 200, name


def test_labels_and_schemas_are_the_taxonomys(service: Service) -> None:
    labels = service.get("/labels").json()
    assert (labels["primary"], labels["labels"]) == (PRIMARY.name, list(PRIMARY.keys))
    assert {name: [la["key"] for la in shown] for name, shown in labels["fields"].items()} == {
        f.name: list(f.keys) for f in TAXONOMY.choices
    }
    service.submit()
    service.work()
    ticket = service.get("/tickets").json()["tickets"][0]["ticket_id"]
    found = service.get(f"/tickets/{ticket}").json()
    for form, value in (("wire", found["triage"]), ("compact", found["compact"])):
        jsonschema.Draft202012Validator(service.get(f"/schema?form={form}").json()).validate(value)
    assert service.get("/schema?form=other").status_code == 422


def test_models_and_metrics_come_from_the_parts(runner: asyncio.Runner) -> None:
    info = ModelInfo("starter", "encoder", "1", "2", "3")
    with running(runner, models=lambda tenant: [info], metrics=lambda: "up 1\n") as service:
        found = service.get("/models").json()
        assert found["active"]["name"] == "scripted"
        assert [one["name"] for one in found["known"]] == ["starter"]
        metrics = service.get("/metrics")
        assert metrics.text == "up 1\n"
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
