"""What endpoints share, and the route that lets only those in who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from tamiz.api.auth import Caller, Guard, role_for
from tamiz.api.parts import Limits, Parts
from tamiz.api.problems import Problem
from tamiz.api.strict_json import parse
from tamiz.api.threads import Threads
from tamiz.api.waiting import Seats

_CALLER, _CONTEXT = "tamiz.caller", "context"


@dataclass(frozen=True)
class Context:
    """One app's parts and what it made of them."""

    parts: Parts
    threads: Threads
    guard: Guard
    seats: Seats

    @classmethod
    def of(cls, parts: Parts) -> Context:
        """For one app."""
        threads = Threads(parts.limits.predicting)
        seats = Seats(parts.limits.waiting, parts.limits.waiting_per_key)
        return cls(parts, threads, Guard(parts, threads), seats)


class StrictRequest(Request):
    """A request whose JSON is held to the letter and to the limits."""

    async def json(self) -> Any:
        """The body's value. Problem where it is not acceptable."""
        limits = _context(self).parts.limits
        return parse(await self.body(), limits.json_depth, limits.json_members)


class GuardedRoute(APIRoute):
    """A route behind its role. ConfigError while the app is built where the table of roles does not know it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint behind the guard: first who asks, then what."""
        answer = self.answering()
        method = next(iter(self.methods or ()))
        needed = role_for(method, self.path)
        with_body = self.body_field is not None

        async def handler(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if needed is not None:
                request.scope[_CALLER] = await _context(request).guard.admit(strict, needed)
            if with_body:
                check_media_type(strict)
            else:
                await strict.body()  # so that later only a hang-up can be received
            return await answer(strict)

        return handler

    def answering(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What reads a request and calls the endpoint."""
        return super().get_route_handler()


def check_media_type(request: Request) -> None:
    """Problem (415) for anything but plain JSON in UTF-8."""
    name, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if name.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Problem(415, "The body must be application/json in UTF-8.", kind="media-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "The body must not be compressed.", kind="media-type")


def caller_of(request: Request) -> Caller:
    """Who asks; only behind a role."""
    caller = request.scope[_CALLER]
    assert isinstance(caller, Caller)
    return caller


def limits_of(request: Request) -> Limits:
    """The app's limits."""
    return _context(request).parts.limits


def told(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, in ASCII: whatever was stored comes back as a string and as nothing else."""
    return Response(json.dumps(value), status, dict(headers) if headers else None, "application/json")


def _context(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
