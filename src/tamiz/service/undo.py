"""Take back what a model wrote to desks: a plan that can be shown, and its execution through the outbox.

Only what still stands there is put back: a value that a person touched since, here or at the desk, stays; so does one that
another model has written over. What people did at the desk is seen when the reversal is pushed, and wins then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tamiz.domain.desk import Value
from tamiz.domain.outbox import OPEN, UNDO, Cause, Effect, EffectState, last_writers
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry
from tamiz.domain.storage import Store, Tx
from tamiz.service.accept import Bits
from tamiz.service.push_plan import queue

UNDONE = "the model was taken back"
CORRECTED = "a person corrected it"
OVERWRITTEN = "something else has been written since"

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Reversal:
    """What one ticket gets back: field → the value that stood there before, and the model's value that goes. `cancelled`
    are effects that were planned and never left this house, `kept` fields that stay, with the reason."""

    ticket_id: str
    desk: str
    external_id: str
    back: Mapping[str, Value]
    away: Mapping[str, Value]
    kept: Mapping[str, str]
    cancelled: tuple[str, ...] = ()

    @property
    def does(self) -> bool:
        """Is there anything to do?"""
        return bool(self.back or self.cancelled)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What will be done, ticket by ticket. Its id follows from the rest: a plan that is performed twice is done once."""

    tenant: str
    model_hash: str
    since: datetime
    made_at: datetime
    reversals: tuple[Reversal, ...]

    @property
    def id(self) -> str:
        """12 hexadecimal digits."""
        text = f"{self.tenant}\n{self.model_hash}\n{self.since.isoformat()}\n{self.made_at.isoformat()}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Plain data to show."""
        return {
            "id": self.id,
            "model_hash": self.model_hash,
            "since": self.since.isoformat(),
            "tickets": [
                {
                    "ticket_id": one.ticket_id,
                    "desk": one.desk,
                    "external_id": one.external_id,
                    "fields": {
                        name: {"from": one.away[name], "to": value} for name, value in one.back.items()
                    },
                    "kept": dict(one.kept),
                    "cancelled": list(one.cancelled),
                }
                for one in self.reversals
            ],
        }


def plan_undo(store: Store, clock: Clock, tenant: str, model_hash: str, since: datetime) -> UndoPlan:
    """What it would take to put back every value that this model (or language model) applied at or after a moment."""

    def work(tx: Tx) -> tuple[Reversal, ...]:
        found = [_reversal(tx, tenant, one, model_hash, since) for one in _tickets(tx, tenant, model_hash)]
        return tuple(one for one in found if one is not None and (one.does or one.kept))

    return UndoPlan(tenant, model_hash, since, clock.now(), store.read(work))


def perform(store: Store, clock: Clock, bits: Bits, plan: UndoPlan, by: str) -> int:
    """Do what the plan says, each ticket in a transaction of its own, and count the tickets. What has changed since the
    plan was made is left as it is; what an earlier call has done is not done again."""
    return sum(store.write(_performed(clock, bits, plan, one, by)) for one in plan.reversals if one.does)


def _performed(clock: Clock, bits: Bits, plan: UndoPlan, planned: Reversal, by: str) -> Callable[[Tx], int]:
    now, name = clock.now(), f"{UNDO}{plan.id}"
    cause = Cause(model_hash=plan.model_hash, by=by)

    def work(tx: Tx) -> int:
        tx.tickets.get(plan.tenant, planned.ticket_id)
        effects = tx.outbox.of_ticket(plan.tenant, planned.ticket_id)
        present = _reversal(tx, plan.tenant, planned.ticket_id, plan.model_hash, plan.since)
        if present is None or any(effect.name == name for effect in effects):
            return 0
        cancelled = _cancel(tx, effects, set(planned.cancelled) & set(present.cancelled), now)
        same = {
            field
            for field, value in planned.back.items()
            if (present.back.get(field, ...), present.away.get(field)) == (value, planned.away[field])
        }
        if not same and not cancelled:
            return 0
        detail = {"effect": name, "fields": ",".join(sorted(same)), "model_hash": plan.model_hash}
        tx.audit.add(AuditEntry(plan.tenant, now, by, "undo", planned.ticket_id, detail))
        if same:
            back = {field: planned.back[field] for field in sorted(same)}
            effect = Effect(
                plan.tenant,
                planned.ticket_id,
                name,
                planned.desk,
                planned.external_id,
                back,
                cause,
                now,
                now,
                now,
            )
            queue(tx, effect, bits)
        return 1

    return work


def _tickets(tx: Tx, tenant: str, model_hash: str) -> list[str]:
    """The tickets for which this model caused an effect that is open or done, in the order of their first one. By state
    and number, so that the moment of a late end hides none."""
    found: dict[str, int] = {}
    for state in (EffectState.DONE, EffectState.INTENT, EffectState.PLANNED):
        after = 0
        while page := tx.outbox.page(tenant, state, None, after, _PAGE):
            for effect in page:
                if not effect.undoes and effect.cause.is_model(model_hash):
                    found.setdefault(effect.ticket_id, effect.number)
            after = page[-1].number
    return sorted(found, key=found.__getitem__)


def _reversal(tx: Tx, tenant: str, ticket_id: str, model_hash: str, since: datetime) -> Reversal | None:
    effects = tx.outbox.of_ticket(tenant, ticket_id)
    own = [
        one
        for one in effects
        if one.cause.is_model(model_hash)
        and not one.undoes
        and one.changed_at >= since
        and one.state in {*OPEN, EffectState.DONE}
    ]
    if not own:
        return None
    planned = tuple(one.name for one in own if one.state is EffectState.PLANNED)
    back, away, kept = _values(effects, own, tx.tickets.corrected(tenant, ticket_id))
    return Reversal(ticket_id, own[0].desk, own[0].external_id, back, away, kept, planned)


def _values(
    effects: Sequence[Effect], own: Sequence[Effect], corrected: Collection[str]
) -> tuple[dict[str, Value], dict[str, Value], dict[str, str]]:
    """Values to put back, the values that go, and what is kept and why."""
    last = last_writers(effects, {EffectState.INTENT, EffectState.DONE})
    names = {one.name for one in own}
    back: dict[str, Value] = {}
    away: dict[str, Value] = {}
    kept: dict[str, str] = {}
    for field in {field: None for one in own for field in one.before}:
        writer = last[field]
        if field in corrected:
            kept[field] = CORRECTED
        elif writer.name not in names:
            if not writer.undoes:
                kept[field] = OVERWRITTEN
        else:
            before, then = _first_before(effects, field, names), writer.values[field]
            if before != then:
                back[field], away[field] = before, then
    return back, away, kept


def _first_before(effects: Sequence[Effect], field: str, names: Collection[str]) -> Value:
    """What stood there before the model's unbroken run of writes that ends with the last one."""
    found: Value = None
    wrote = [
        one for one in effects if field in one.before and one.state in (EffectState.INTENT, EffectState.DONE)
    ]
    for one in reversed(wrote):
        if one.name not in names:
            break
        found = one.before[field]
    return found


def _cancel(tx: Tx, effects: Sequence[Effect], names: Collection[str], now: datetime) -> bool:
    """Skip what is planned and has not left this house."""
    cancelled = [one for one in effects if one.name in names and one.state is EffectState.PLANNED]
    for effect in cancelled:
        tx.outbox.put(replace(effect, state=EffectState.SKIPPED, reason=UNDONE, changed_at=now))
    return bool(cancelled)
