"""What the OpenAPI promises is what is answered."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jsonschema
import pytest

pytest.importorskip("fastapi", reason="the API needs the extra 'serve'")
pytest.importorskip("httpx", reason="the tests call the API through httpx")

from tamiz.api.auth import NEEDS
from tamiz.domain.records import Role

from .rig import Service, filled, generous, running

CASES = int(os.environ.get("TAMIZ_API_CASES", "400"))
"""Generated requests; a long campaign sets more."""


TAXONOMY_DECIDES = {
    "/tickets/{ticket_id}/feedback",
    "/predict",
    "/predict_batch",
    "/admin/undo",
    "/admin/backfill",
}
"""Where names of fields and labels are sent: the schema cannot know a tenant's."""


@pytest.fixture
def quick(runner: asyncio.Runner) -> Iterator[Service]:
    with running(runner, limits=generous(stream_seconds=0.0, wait_seconds=0.0), docs=True) as service:
        yield service


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_endpoint_has_examples_that_hold(quick: Service) -> None:
    openapi = quick.get("/openapi.json").json()
    for method, path, operation in operations(openapi):
        contents = [(None, operation.get("requestBody", {}).get("content", {}))]
        contents += [(status, answer.get("content", {})) for status, answer in operation["responses"].items()]
        for status, content in contents:
            assert content or status in (None, "204", "304"), (path, status)
            for kind, shape in content.items():
                assert "example" in shape, (method, path, status, kind)
                schema = {**shape["schema"], "components": openapi["components"]}
                jsonschema.Draft202012Validator(schema).validate(shape["example"])
        assert operation["description"], path
        assert operation["x-role"] == (role.value if (role := NEEDS[method, path]) else "public")


def test_the_examples_are_accepted(quick: Service) -> None:
    quick.park()
    for method, path, operation in operations(quick.get("/openapi.json").json()):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        answer = quick.request(method, filled(path, quick.places()), json=body)
        assert answer.status_code < 300, (path, answer.text)


def test_every_problem_is_documented_as_one(quick: Service) -> None:
    for _, path, operation in operations(quick.get("/openapi.json").json()):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
        assert "503" in operation["responses"]
        assert ("401" in operation["responses"]) == (operation["x-role"] != "public")


def test_the_page_of_the_documentation_loads_nothing_from_elsewhere(quick: Service) -> None:
    page = quick.get("/docs", role=None)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for word in ("<script", "http://", "https://", "src="):
        assert word not in page.text
    for _, path, _ in operations(quick.app.openapi()):
        assert path in page.text


def test_generated_requests_are_answered_as_documented(quick: Service) -> None:
    st = pytest.importorskip("schemathesis", reason="generated requests come from schemathesis")
    hypothesis = pytest.importorskip("hypothesis")
    from schemathesis.checks import not_a_server_error
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        positive_data_acceptance,
        response_schema_conformance,
        status_code_conformance,
        unsupported_method,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
        negative_data_rejection,
        positive_data_acceptance,
        unsupported_method,
    ]
    schema = st.openapi.from_dict(quick.app.openapi())
    tickets = [quick.submit() for _ in range(3)]
    quick.work()
    asked: Counter[str] = Counter()
    statuses: Counter[int] = Counter()

    def campaign(strategy: Any, number: int, seed: int) -> None:
        @hypothesis.settings(
            max_examples=number,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.seed(seed)
        @hypothesis.given(case=strategy)
        def ask(case: Any) -> None:
            mended = wrong_path(case) and bool(statuses.total() % 2)
            if "ticket_id" in case.path_parameters and statuses.total() % 2:
                case.path_parameters["ticket_id"] = tickets[statuses.total() % 3]
            elif case.path_parameters and statuses.total() % 2:
                places = {place[1:-1]: name for place, name in quick.places().items()}
                case.path_parameters |= {name: places[name] for name in case.path_parameters}
            own = statuses.total() % 4 and [
                case.headers.pop(name)
                for name in ("Authorization", "X-API-Key")
                if name in (case.headers or {})
            ]
            answer = send(quick, case)
            statuses[answer.status_code] += 1
            asked[case.operation.label] += 1
            free = [positive_data_acceptance] if case.operation.path in TAXONOMY_DECIDES else []
            if (
                answer.status_code == 413 or own or mended
            ):  # refused as well, but not on the checker's list; or made acceptable
                free.append(negative_data_rejection)
            case.validate_response(answer, checks=checks, excluded_checks=free)

        with suppress(hypothesis.errors.Unsatisfiable):  # nothing that is sent there could be wrong
            ask()

    found = [one.ok() for one in schema.get_all_operations()]
    kinds = [(one, mode) for one in found for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    seed = 20260101
    while statuses.total() < CASES and kinds:
        rich = []
        each = max(2, (CASES - statuses.total()) // len(kinds))
        for operation, mode in kinds:
            before, seed = statuses.total(), seed + 1
            campaign(operation.as_strategy(generation_mode=mode), each, seed)
            if statuses.total() - before >= each // 2:  # there is more where that came from
                rich.append((operation, mode))
        kinds = rich
    print(f"\n{statuses.total()} requests to {len(asked)} operations: {dict(sorted(statuses.items()))}")
    assert statuses.total() >= CASES
    assert set(asked) == {one.label for one in found}, "every operation of the OpenAPI, whichever there are"


def wrong_path(case: Any) -> bool:
    """Is it the path that was made to be refused?"""
    return any(part.mode.is_negative for place, part in case.meta.components.items() if place.value == "path")


def send(service: Service, case: Any) -> Any:
    return case.call(app=service.app, headers={"X-API-Key": service.keys["a", Role.ADMIN]})
