"""What goes wrong is told, and nothing beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http import HTTPStatus
from string import Formatter

import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.api.parts import Failure, Health, Served, log_failure
from tamiz.api.problems import STATUS, Problem
from tamiz.domain.errors import TamizError

from .rig import TEXT, Service, generous, running

CANARY = "canary-7f3a"


def tree(root: type[TamizError] = TamizError) -> Iterator[type[TamizError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def example(kind: type[TamizError]) -> TamizError:
    templates = f"{kind.__doc__} {kind.hint}"
    return kind(**{name: "x" for _, name, _, _ in Formatter().parse(templates) if name})


@pytest.mark.parametrize("kind", sorted(set(tree()), key=lambda kind: kind.__name__))
def test_every_error_of_the_tree_is_a_problem(kind: type[TamizError]) -> None:
    error = example(kind)
    told = Problem.of(error)
    parent = next((one for one in kind.__mro__ if one in STATUS), None)
    assert told.status_code == (STATUS[parent] if parent else 500)
    body = json.loads(told.response().body)
    assert body["title"] == HTTPStatus(told.status_code).phrase
    if told.status_code != 500:
        assert body["detail"] == error.one_line()
        assert body["hint"] == error.advice
    assert body["retryable"] == (kind.retryable or told.status_code == 503)


def test_what_nobody_foresaw_is_told_by_its_number_only(runner: asyncio.Runner) -> None:
    heard: list[Failure] = []
    with running(runner, failed=heard.append) as service:
        model = service.parts.judges("a").model

        def broken(text: str) -> dict[str, tuple[str, float]]:
            raise ValueError(f"cannot read {text}")

        model.script = broken
        answer = service.post("/predict", {"body": f"my {CANARY}"})
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        (failure,) = heard
        assert failure.incident in answer.text
        assert failure.kind == "ValueError"
        assert any("broken" in frame for frame in failure.where)
        for text in (answer.text, repr(failure)):
            assert CANARY not in text
            assert "Traceback" not in answer.text
        assert service.post("/classify", TEXT).status_code == 202


def test_a_failure_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log_failure(Failure("1", "ValueError", ("a:1 in b.py", "c:2 in d.py")))
    (record,) = caplog.records
    assert record.getMessage() == "incident 1: ValueError at a:1 in b.py < c:2 in d.py"


def test_no_ticket_text_in_any_refusal(service: Service) -> None:
    bodies = [
        {"body": CANARY, "subject": 7},
        {"body": [CANARY]},
        {"body": CANARY, "media_type": CANARY},
        {"body": CANARY, "desk": CANARY.upper()},
    ]
    for body in bodies:
        answer = service.post("/classify", body)
        assert answer.status_code == 422
        assert CANARY not in answer.text.lower()
    headers = {"Content-Type": "application/json"}
    broken = service.request("POST", "/classify", content=f'{{"body": "{CANARY}', headers=headers)
    assert broken.status_code == 400
    assert CANARY not in broken.text


def test_a_service_that_is_not_fit_says_so(runner: asyncio.Runner) -> None:
    health = Health(False, {"store": "the disk is full", "model": "ok"})
    with running(runner, health=lambda: health) as service:
        ready = service.get("/health/ready", role=None)
        assert ready.status_code == 503
        assert ready.headers["retry-after"]
        assert ready.json()["errors"] == [{"where": "store", "problem": "the disk is full"}]
        assert service.get("/health/live", role=None).status_code == 200
        whole = service.get("/health", role=None)
        assert (whole.status_code, whole.json()["status"]) == (200, "degraded")


def test_every_answer_is_counted_by_its_route(runner: asyncio.Runner) -> None:
    seen: list[Served] = []
    with running(runner, served=seen.append, limits=generous()) as service:
        ticket = service.submit()
        service.get(f"/tickets/{ticket}")
        service.get("/nix/secret")
        assert [(one.method, one.route, one.status) for one in seen] == [
            ("POST", "/classify", 202),
            ("GET", "/tickets/{ticket_id}", 200),
            ("GET", "", 404),
        ]
