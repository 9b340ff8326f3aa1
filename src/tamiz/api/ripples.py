"""What a correction changes elsewhere: shown, and done."""

from __future__ import annotations

from fastapi import Request, Response

from tamiz.api.context import Context, caller_of, told
from tamiz.api.forms import RippleForm
from tamiz.api.tickets import known_form
from tamiz.service.ripple import Rippling


class Ripples:
    """The endpoint of ripples."""

    def __init__(self, context: Context) -> None:
        self._context, parts = context, context.parts
        self._ripples = parts.ripples or Rippling(
            parts.store,
            parts.clock,
            parts.judges,
            parts.memory,
            told=lambda record: parts.bell.ring(record.tenant, record.id),
        )

    async def ripple(self, request: Request, ticket_id: str, form: RippleForm) -> Response:
        """The tickets without a person's word that had this one's answer or resemble it and would be decided otherwise with
        what people say now. With `apply` they are, each unless it has changed meanwhile; no model is asked."""
        caller, place = caller_of(request), known_form(ticket_id)
        found = await self._context.threads.administer(
            lambda: self._ripples(caller.tenant, place, caller.key_id, apply=form.apply)
        )
        return told(found.to_dict())
