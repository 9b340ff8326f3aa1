"""Everything that goes wrong is told as application/problem+json (RFC 9457): never a traceback, never a ticket's text."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tamiz.api.parts import Failure
from tamiz.domain import errors as e
from tamiz.domain.ticket import uuid7

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[e.TamizError], int] = {
    e.UnknownTicketError: 404,
    e.UnknownKeyError: 404,
    e.UnknownPlanError: 404,
    e.ConflictError: 409,
    e.DuplicateError: 409,
    e.TransitionError: 409,
    e.LeaseLostError: 409,
    e.BadCorrectionError: 422,
    e.DataError: 422,
    e.StoreUnavailableError: 503,
    e.ProviderUnavailableError: 503,
    e.CircuitOpenError: 503,
    e.SpentError: 503,
    e.ProviderError: 502,
}
"""Error → status; a subclass has its parent's. What is not here is our own fault and told as nothing but that."""

RETRY_SECONDS = 5
"""What a client is told to wait where nothing better is known."""

_ERRORS_SHOWN, _PLACE_SHOWN = 20, 80


class Problem(HTTPException):
    """What a client is told: status, one sentence, and what to do about it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        hint: str = "",
        retryable: bool = False,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.kind, self.hint, self.retryable, self.errors = kind, hint, retryable, errors

    @classmethod
    def of(cls, error: e.TamizError, status: int = 0) -> Problem:
        """The problem of an error of the tree; another `status` than the table's where the request asked for it."""
        found = status or next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
        if found == 500:
            return cls(500, "The service is not set up to do this.", kind="misconfigured")
        return cls(
            found, error.one_line(), kind=type(error).kind(), hint=error.advice, retryable=error.retryable
        )

    def to_dict(self) -> dict[str, Any]:
        """The members of the problem."""
        return {
            "type": f"urn:tamiz:problem:{self.kind}" if self.kind else "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "hint": self.hint,
            "retryable": self.retryable or self.status_code in (429, 503),
            **({"errors": list(self.errors)} if self.errors else {}),
        }

    def response(self) -> Response:
        """The answer. Where the client may come back, Retry-After says when."""
        headers = dict(self.headers or {})
        if self.status_code in (429, 503):
            headers.setdefault("Retry-After", str(RETRY_SECONDS))
        return Response(json.dumps(self.to_dict()), self.status_code, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have every error that is foreseen told as a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(e.TamizError, _tamiz)


async def _http(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    assert isinstance(error, HTTPException)
    told = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    detail = told.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return Problem(error.status_code, detail, headers=error.headers).response()


async def _tamiz(request: Request, error: Exception) -> Response:
    assert isinstance(error, e.TamizError)
    return Problem.of(error).response()


async def _invalid(request: Request, error: Exception) -> Response:
    """Where it is wrong and what is expected there; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {"where": ".".join(str(part) for part in one["loc"])[:_PLACE_SHOWN], "problem": str(one["msg"])}
        for one in error.errors()[:_ERRORS_SHOWN]
    ]
    return Problem(
        422, "The request is not what this address takes.", kind="invalid", errors=errors
    ).response()


class Boundary:
    """The API's error handler: what nobody foresaw becomes a 500 with a number, and `failed` hears where it happened."""

    def __init__(self, app: ASGIApp, failed: Callable[[Failure], None], incident: Callable[[], str]) -> None:
        self._app, self._failed, self._incident = app, failed, incident

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the API's error handler, one of the named boundaries
            failure = Failure(self._incident(), type(error).__name__, _frames(error))
            self._failed(failure)
            if not started:
                detail = f"Something went wrong here; it is known as incident {failure.incident}."
                await Problem(500, detail, kind="incident").response()(scope, receive, send)


def incident_ids(clock: Any, bits: Callable[[int], int]) -> Callable[[], str]:
    """Numbers of incidents, from the injected clock and randomness."""
    return lambda: uuid7(clock.now(), bits(74))


def _frames(error: BaseException) -> tuple[str, ...]:
    frames = traceback.extract_tb(error.__traceback__)
    return tuple(f"{f.name}:{f.lineno} in {f.filename.rsplit('/', 1)[-1]}" for f in reversed(frames[-8:]))
