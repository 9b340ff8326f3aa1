"""The endpoints for administrators: `service.admin.Admin` over HTTP, each act for one tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Path, Query, Request, Response
from pydantic import TypeAdapter

from tamiz.api.admin_forms import (
    BackfillForm,
    DeskForm,
    EffectForm,
    KeyForm,
    ModelForm,
    RippleActForm,
    UndoForm,
)
from tamiz.api.context import Context, caller_of, told
from tamiz.api.correction_forms import AccountForm, RevertForm
from tamiz.api.forms import NO_CONTROLS
from tamiz.api.problems import Problem
from tamiz.domain import errors as e
from tamiz.domain.records import Activation
from tamiz.service.accounts import AccountLook
from tamiz.service.admin import Admin, DesksLook, KeyLook
from tamiz.service.backfill import Chunk, Past, Remembered
from tamiz.service.revert import RevertPlan, Wanted
from tamiz.service.undo import UndoPlan

T = TypeVar("T")

Tenant = Annotated[
    str,
    Query(max_length=200, pattern=NO_CONTROLS, description="For whom; empty: the tenant of the key."),
]
Named = Annotated[str, Path(max_length=200, pattern=NO_CONTROLS)]

STATUS: Mapping[type[e.TamizError], int] = {
    e.ModelNotFoundError: 404,
    e.NoEarlierModelError: 409,
    e.ArtifactError: 422,
    e.ConfigError: 422,
    e.MissingExtraError: 422,
}
"""What an administrator is told in full, who asked for it; elsewhere it is the service's own fault."""


class Administration:
    """The endpoints below /admin."""

    def __init__(self, context: Context, admin: Admin) -> None:
        self._context, self._admin = context, admin

    async def create_key(self, request: Request, form: KeyForm, tenant: Tenant = "") -> Response:
        """Make a key; it is shown this once."""
        owner, by = _who(request, tenant)
        key = await self._done(lambda: self._admin.create_key(owner, form.name, form.role, by))
        return told({"key": key}, 201)

    async def keys(self, request: Request, tenant: Tenant = "") -> Response:
        """The tenant's keys; what they open is kept nowhere."""
        owner, _ = _who(request, tenant)
        return told({"keys": _plain(list[KeyLook], await self._done(lambda: self._admin.keys(owner)))})

    async def revoke_key(self, request: Request, key_id: Named, tenant: Tenant = "") -> Response:
        """Close a key for good; it opens nothing after two seconds."""
        owner, by = _who(request, tenant)
        await self._done(lambda: self._admin.revoke_key(owner, key_id, by))
        return Response(status_code=204)

    async def active(self, request: Request, tenant: Tenant = "") -> Response:
        """The model that the tenant has taken into use; null where it has the one of the house."""
        owner, _ = _who(request, tenant)
        return _model(await self._done(lambda: self._admin.active(owner)))

    async def activate(self, request: Request, form: ModelForm, tenant: Tenant = "") -> Response:
        """Take a model into use. It is looked through and opened first: one that is not sound is refused, and the one
        before goes on. Work in hand is ended with the old one, the next batch begins with the new one."""
        owner, by = _who(request, tenant)
        return _model(await self._done(lambda: self._admin.activate(owner, form.model, by)))

    async def rollback(self, request: Request, tenant: Tenant = "") -> Response:
        """Go back to the model of before."""
        owner, by = _who(request, tenant)
        return _model(await self._done(lambda: self._admin.rollback(owner, by)))

    async def plan_undo(self, request: Request, form: UndoForm, tenant: Tenant = "") -> Response:
        """Plan to take back what a model applied; nothing is changed. The service remembers the last plans."""
        owner, _ = _who(request, tenant)
        plan = await self._done(
            lambda: self._admin.plan_undo(owner, form.model, form.since, tuple(form.fields))
        )
        return told({"id": plan.id, **_plain(UndoPlan, plan)})

    async def undo(self, request: Request, plan_id: Named, tenant: Tenant = "") -> Response:
        """Do what a plan says. What a person or another model has touched since stays as it is."""
        owner, by = _who(request, tenant)
        return told({"tickets": await self._done(lambda: self._admin.undo(owner, plan_id, by))})

    async def plan_revert(self, request: Request, form: RevertForm, tenant: Tenant = "") -> Response:
        """Plan to take people's corrections back; nothing is changed. The service remembers the last plans."""
        owner, _ = _who(request, tenant)
        wanted = Wanted(form.account, form.since, form.ticket_id, form.sequence)
        plan = await self._done(lambda: self._admin.plan_revert(owner, wanted))
        return told({"id": plan.id, **_plain(RevertPlan, plan)})

    async def revert(self, request: Request, revert_id: Named, tenant: Tenant = "") -> Response:
        """Do what a plan says. What others said of these tickets stays."""
        owner, by = _who(request, tenant)
        return told({"words": await self._done(lambda: self._admin.revert(owner, revert_id, by))})

    async def accounts(self, request: Request, tenant: Tenant = "") -> Response:
        """Who corrects tickets, how much of it was surprising, and who is held back."""
        owner, _ = _who(request, tenant)
        found = await self._done(lambda: self._admin.accounts(owner))
        return told({"accounts": _plain(list[AccountLook], found)})

    async def hold(self, request: Request, form: AccountForm, tenant: Tenant = "") -> Response:
        """Let no word of an account influence other tickets, earlier ones included."""
        owner, by = _who(request, tenant)
        return told({"changed": await self._done(lambda: self._admin.hold(owner, form.account, by))})

    async def lift(self, request: Request, form: AccountForm, tenant: Tenant = "") -> Response:
        """Believe an account again, also those of its words that wait."""
        owner, by = _who(request, tenant)
        return told({"changed": await self._done(lambda: self._admin.lift(owner, form.account, by))})

    async def desks(self, request: Request, tenant: Tenant = "") -> Response:
        """What was not written to desks and waits for a person, and the desks that are left alone."""
        owner, _ = _who(request, tenant)
        return told(_plain(DesksLook, await self._done(lambda: self._admin.desks(owner))))

    async def retry(self, request: Request, form: EffectForm, tenant: Tenant = "") -> Response:
        """Have a parked effect tried anew."""
        owner, by = _who(request, tenant)
        await self._done(lambda: self._admin.retry(owner, form.ticket_id, form.effect, by))
        return Response(status_code=204)

    async def resume(self, request: Request, form: DeskForm, tenant: Tenant = "") -> Response:
        """Say that a desk may be written to again."""
        owner, by = _who(request, tenant)
        return told({"resumed": await self._done(lambda: self._admin.resume(owner, form.desk, by))})

    async def backfill(self, request: Request, form: BackfillForm, tenant: Tenant = "") -> Response:
        """Keep solved tickets of the past, each once however often it is sent: what people said of them stands at once, a
        model reads them behind all live tickets, and nothing of them is written to a desk."""
        owner, by = _who(request, tenant)
        chunk = Chunk(
            [Past(one.id, one.subject, one.body, one.values, one.at) for one in form.tickets],
            form.desk,
            form.account,
            form.note,
        )
        return told(_plain(Remembered, await self._done(lambda: self._admin.backfill(owner, chunk, by))))

    async def unread(self, request: Request, tenant: Tenant = "") -> Response:
        """How many imported tickets no model has read yet."""
        owner, _ = _who(request, tenant)
        return told({"unread": await self._done(lambda: self._admin.unread(owner))})

    async def ripple(self, request: Request, form: RippleActForm, tenant: Tenant = "") -> Response:
        """As POST /tickets/{ticket_id}/ripple; without a ticket, what the correction that came last changes."""
        owner, by = _who(request, tenant)
        found = await self._done(lambda: self._admin.ripple(owner, form.ticket_id, by, apply=form.apply))
        return told(found.to_dict())

    async def _done(self, work: Callable[[], T]) -> T:
        try:
            return await self._context.threads.administer(work)
        except e.TamizError as error:
            status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 0)
            raise Problem.of(error, status) from error


def _who(request: Request, tenant: str) -> tuple[str, str]:
    """The tenant that is meant, and who acts."""
    caller = caller_of(request)
    return caller.acting_for(tenant), caller.key_id


def _model(active: Activation | None) -> Response:
    return told({"model": None if active is None else _plain(Activation, active)})


def _plain(shape: Any, value: Any) -> Any:
    return TypeAdapter(shape).dump_python(value, mode="json")
