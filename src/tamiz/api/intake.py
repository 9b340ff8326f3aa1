"""`POST /classify` and `POST /tickets/batch`: tickets come in. The answer waits for a durable commit, for nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from tamiz.api.auth import Caller
from tamiz.api.context import Context, GuardedRoute, caller_of, told
from tamiz.api.forms import KEY, BatchForm, KeyedTicketForm, TicketForm
from tamiz.api.problems import Problem
from tamiz.domain.errors import TamizError
from tamiz.domain.ticket import RawMessage, Source
from tamiz.service.accept import Accepted, Submission, accept

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="The same key with the same body gets the same ticket again, with another body 409.",
    ),
]


_KEY = re.compile(KEY.replace("$", r"\Z"))


class DirectRoute(GuardedRoute):
    """The route of `/classify`: the same checks as any other, by hand, at less than half of the cost."""

    def answering(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read form and header and call the endpoint."""
        endpoint = self.endpoint

        async def answer(request: Request) -> Response:
            form = held(await request.json())
            return await endpoint(request, form, _header_key(request))  # type: ignore[no-any-return]

        return answer


def held(value: Any) -> TicketForm:
    """The form of a parsed body. RequestValidationError where it is none."""
    try:
        return TicketForm.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None


def _header_key(request: Request) -> str:
    key = request.headers.get("idempotency-key")
    if key is None:
        return ""
    if not _KEY.match(key):
        wrong = {"loc": ("header", "Idempotency-Key"), "msg": f"String should match pattern '{KEY}'"}
        raise RequestValidationError([wrong])
    return key


class Intake:
    """The endpoints that accept tickets."""

    def __init__(self, context: Context) -> None:
        self._context, self._parts = context, context.parts

    async def classify(
        self, request: Request, form: TicketForm, idempotency_key: IdempotencyKey = ""
    ) -> Response:
        """Accept a ticket and answer with its id at once; it is triaged in the background."""
        submission = _submission(form, caller_of(request), idempotency_key)
        accepted = await self._accept(submission)
        self._parts.wake()
        place = _place(request, accepted)
        return told(place, 202, {"Location": place["location"]})

    async def batch(
        self, request: Request, form: BatchForm, idempotency_key: IdempotencyKey = ""
    ) -> Response:
        """Accept several tickets, each for itself. An Idempotency-Key of the batch counts for every ticket that has
        none of its own, with its position: `key/0`, `key/1`, …"""
        caller = caller_of(request)
        self._context.guard.spend(caller, len(form.tickets) - 1)
        submissions = [
            _submission(one, caller, _key_of(one, idempotency_key, position))
            for position, one in enumerate(form.tickets)
        ]
        results = await asyncio.gather(*map(self._accept, submissions), return_exceptions=True)
        items = [_item(request, result) for result in results]
        self._parts.wake()
        return told({"results": items}, 202 if all(item["status"] == 202 for item in items) else 207)

    async def _accept(self, submission: Submission) -> Accepted:
        parts = self._parts
        found = await asyncio.wrap_future(accept(parts.store, parts.clock, parts.bits, submission))
        parts.accepted(found)
        return found


def _submission(form: TicketForm, caller: Caller, key: str) -> Submission:
    message = RawMessage(form.subject, form.body, form.media_type, form.requester)
    source = Source(form.desk or "api", form.external_id, form.external_version)
    return Submission(message, caller.tenant, source, key, caller.key_id)


def _key_of(form: KeyedTicketForm, batch_key: str, position: int) -> str:
    return form.idempotency_key or (f"{batch_key}/{position}" if batch_key else "")


def _place(request: Request, accepted: Accepted) -> dict[str, str]:
    location = f"{request.scope.get('root_path', '')}/tickets/{accepted.ticket_id}"
    return {"ticket_id": accepted.ticket_id, "location": location}


def _item(request: Request, result: Accepted | BaseException) -> dict[str, Any]:
    if isinstance(result, Accepted):
        return {"status": 202, **_place(request, result)}
    if not isinstance(result, TamizError):
        raise result
    problem = Problem.of(result).to_dict()
    return {"status": problem["status"], "problem": problem}
