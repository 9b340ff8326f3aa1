"""The OpenAPI: every endpoint with its role, its answers and examples of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from tamiz.api.auth import NEEDS
from tamiz.api.examples import Example, examples
from tamiz.api.forms import ProblemView
from tamiz.api.problems import MEDIA_TYPE, Problem
from tamiz.domain.taxonomy import Taxonomy

PUBLIC_PROBLEMS = (503,)
GUARDED_PROBLEMS = (401, 403, 429, 503)
BODY_PROBLEMS = (400, 408, 413, 415, 422)

_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "text/plain": {"type": "string"},
    "text/event-stream": {
        "description": "One event; `data` is the ticket as GET /tickets/{ticket_id} shows it.",
        "type": "object",
        "required": ["data"],
        "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")},
    },
}
_TAGS = ("tickets", "predictions", "about", "health", "admin")


@dataclass(frozen=True, slots=True)
class Answers:
    """What an endpoint may answer: a model or a media type by status, and problems beside those of its kind."""

    good: Mapping[int, type[BaseModel] | str | None]
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()


def responses(method: str, path: str, answers: Answers) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route."""
    found: dict[int | str, dict[str, Any]] = {}
    for status, model in answers.good.items():
        found[status] = {"description": HTTPStatus(status).phrase}
        if isinstance(model, str):
            found[status]["content"] = {model: {"schema": dict(_SHAPES[model])}}
        elif model is not None:
            found[status]["model"] = model
        if answers.headers:
            found[status]["headers"] = {name: {"schema": {"type": "string"}} for name in answers.headers}
    kinds = GUARDED_PROBLEMS if NEEDS[method, path] is not None else PUBLIC_PROBLEMS
    body = BODY_PROBLEMS if method == "POST" else ()
    for status in sorted({*kinds, *body, *answers.problems}):
        found[status] = _problem(status)
    return found


def describe(app: FastAPI, taxonomy: Taxonomy, version: str) -> dict[str, Any]:
    """The OpenAPI document, with examples in the words of this taxonomy."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    about = "Raw tickets in, strict tickets out. Errors are application/problem+json (RFC 9457)."
    tags = [{"name": name} for name in _TAGS]
    found = get_openapi(title="Tamiz", version=version, description=about, routes=routes, tags=tags)
    components = found.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = ProblemView.model_json_schema()
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    shown = examples(taxonomy)
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, (method.upper(), path), shown[method.upper(), path])
    return found


def _complete(operation: dict[str, Any], place: tuple[str, str], example: Example) -> None:
    role = NEEDS[place]
    operation["x-role"] = role.value if role else "public"
    operation["security"] = [{"bearer": []}, {"key": []}] if role else []
    if example.sent is not None:
        for content in operation["requestBody"]["content"].values():
            content["example"] = example.sent
    for status, answer in example.answers.items():
        for content in operation["responses"][str(status)]["content"].values():
            content["example"] = answer


def _problem(status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    example = Problem(status, f"{phrase}.").to_dict()
    found: dict[str, Any] = {
        "description": phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found
