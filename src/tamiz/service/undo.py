"""Take back what a model applied: a plan that can be shown, and its execution.

At a desk, only what still stands there is put back, through the outbox: a value that a person touched since, here or at the
desk, stays; so does one that another model has written over. What people did at the desk is seen when the reversal is
pushed, and wins then. Here, the ticket gets a triage more, decided from the same receipt, in which the model's values ask
a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from tamiz.domain.desk import Value
from tamiz.domain.outbox import OPEN, UNDO, Cause, Effect, EffectState
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.service.accept import Bits
from tamiz.service.push_plan import queue
from tamiz.service.undo_values import (
    CORRECTED,
    OVERWRITTEN,
    RULED,
    TOGETHER,
    UNDONE,
    cancel,
    in_review,
    values,
)

__all__ = [
    "CORRECTED",
    "OVERWRITTEN",
    "RULED",
    "TOGETHER",
    "UNDONE",
    "Reversal",
    "UndoPlan",
    "perform",
    "plan_undo",
]

_PAGE, _TOGETHER = 1000, 200


@dataclass(frozen=True, slots=True)
class Reversal:
    """What one ticket gets back: field → the value that stood there before, and the model's value that goes. `cancelled`
    are effects that were planned and never left this house, `review` applied values that ask a person from now on, `kept`
    fields that stay, with the reason. `desk` is empty for a ticket of which no desk was told."""

    ticket_id: str
    desk: str
    external_id: str
    back: Mapping[str, Value]
    away: Mapping[str, Value]
    kept: Mapping[str, str]
    cancelled: tuple[str, ...] = ()
    review: Mapping[str, Value] = field(default_factory=dict)

    @property
    def does(self) -> bool:
        """Is there anything to do?"""
        return bool(self.back or self.cancelled or self.review)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What will be done, ticket by ticket; `fields` are the only ones that are looked at (none: all). Its id follows from
    the rest: a plan that is performed twice is done once."""

    tenant: str
    model_hash: str
    since: datetime
    made_at: datetime
    reversals: tuple[Reversal, ...]
    fields: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """12 hexadecimal digits."""
        parts = [self.tenant, self.model_hash, self.since.isoformat(), self.made_at.isoformat(), *self.fields]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]

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
                    "review": dict(one.review),
                }
                for one in self.reversals
            ],
        }


def plan_undo(
    store: Store,
    clock: Clock,
    taxonomy: Taxonomy,
    tenant: str,
    model_hash: str,
    since: datetime,
    fields: tuple[str, ...] = (),
) -> UndoPlan:
    """What it would take to take back every value that this model (or language model) applied at or after a moment; of
    these `fields` only, where there are any. `taxonomy` is the tenant's."""
    empty = UndoPlan(tenant, model_hash, since, clock.now(), (), fields)

    def work(tx: Tx) -> tuple[Reversal, ...]:
        found = [_reversal(tx, empty, taxonomy, one) for one in _tickets(tx, tenant, model_hash, since)]
        return tuple(one for one in found if one.does or one.kept)

    return replace(empty, reversals=store.read(work))


def perform(store: Store, clock: Clock, bits: Bits, taxonomy: Taxonomy, plan: UndoPlan, by: str) -> int:
    """Do what the plan says, each ticket in a transaction of its own, and count the tickets. What has changed since the
    plan was made is left as it is; what an earlier call has done is not done again."""
    planned, done = iter([one for one in plan.reversals if one.does]), 0
    while some := list(islice(planned, _TOGETHER)):  # a store may commit them in one go
        futures = [store.submit(_performed(clock, bits, taxonomy, plan, one, by)) for one in some]
        done += sum(future.result() for future in futures)
    return done


def _performed(
    clock: Clock, bits: Bits, taxonomy: Taxonomy, plan: UndoPlan, planned: Reversal, by: str
) -> Callable[[Tx], int]:
    now, name = clock.now(), f"{UNDO}{plan.id}"

    def work(tx: Tx) -> int:
        if tx.tickets.get(plan.tenant, planned.ticket_id) is None:  # erased meanwhile
            return 0
        effects = tx.outbox.of_ticket(plan.tenant, planned.ticket_id)
        if any(effect.name == name for effect in effects):
            return 0
        present = _reversal(tx, plan, taxonomy, planned.ticket_id)
        cancelled = cancel(tx, effects, set(planned.cancelled) & set(present.cancelled), now)
        same = {
            field: value
            for field, value in sorted(planned.back.items())
            if (present.back.get(field, ...), present.away.get(field)) == (value, planned.away[field])
        }
        asked = [one for one, value in planned.review.items() if present.review.get(one, ...) == value]
        if not (same or cancelled or asked):
            return 0
        touched = ",".join(sorted({*same, *asked}))
        detail = {"effect": name, "fields": touched, "model_hash": plan.model_hash}
        tx.audit.add(AuditEntry(plan.tenant, now, by, "undo", planned.ticket_id, detail))
        if asked:
            in_review(tx, taxonomy, plan.tenant, planned.ticket_id, asked, now)
        if same:
            cause = Cause(model_hash=plan.model_hash, by=by)
            place = (plan.tenant, planned.ticket_id, name, present.desk, present.external_id)
            queue(tx, Effect(*place, same, cause, now, now, now), bits)
        return 1

    return work


def _tickets(tx: Tx, tenant: str, model_hash: str, since: datetime) -> list[str]:
    """The tickets for which this model caused an effect that is open or done, in the order of their first one, and those
    that it triaged last. Effects by state and number, so that the moment of a late end hides none."""
    found: dict[str, int] = {}
    for state in (EffectState.DONE, EffectState.INTENT, EffectState.PLANNED):
        after = 0
        while page := tx.outbox.page(tenant, state, None, after, _PAGE):
            for effect in page:
                if not effect.undoes and effect.cause.is_model(model_hash):
                    found.setdefault(effect.ticket_id, effect.number)
            after = page[-1].number
    triaged, last = dict.fromkeys(sorted(found, key=found.__getitem__)), ""
    while ids := tx.tickets.triaged_by(tenant, model_hash, since, last, _PAGE):
        triaged.update(dict.fromkeys(ids))
        last = ids[-1]
    return list(triaged)


def _reversal(tx: Tx, plan: UndoPlan, taxonomy: Taxonomy, ticket_id: str) -> Reversal:
    """What this plan means for a ticket as it is now."""
    effects = tx.outbox.of_ticket(plan.tenant, ticket_id)
    own = [
        one
        for one in effects
        if one.cause.is_model(plan.model_hash)
        and not one.undoes
        and one.changed_at >= plan.since
        and one.state in {*OPEN, EffectState.DONE}
    ]
    found = values(tx, taxonomy, plan, ticket_id, effects, own)
    desk, external_id = (own[0].desk, own[0].external_id) if own else ("", "")
    return Reversal(
        ticket_id, desk, external_id, found.back, found.away, found.kept, found.cancelled, found.review
    )
