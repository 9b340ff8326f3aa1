"""Ends of effects, and what people do with what waits for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tamiz.domain.errors import ConflictError
from tamiz.domain.outbox import Effect, EffectState, Pause
from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Lease
from tamiz.domain.status import TRANSITIONS, Status
from tamiz.domain.storage import Store, Tx
from tamiz.service.accept import Bits
from tamiz.service.push_plan import push_job
from tamiz.service.work import WORKER

ABANDONED = "its job was given up"

_ACTS = {
    EffectState.DONE: "push",
    EffectState.SKIPPED: "push skipped",
    EffectState.PARKED: "push parked",
}


def put_same(tx: Tx, effect: Effect, then: Effect) -> None:
    """Another state of an effect that nobody has taken on meanwhile. ConflictError where somebody has."""
    tx.tickets.get(effect.tenant, effect.ticket_id)  # holds the ticket, and with it its effects
    found = {one.name: one for one in tx.outbox.of_ticket(effect.tenant, effect.ticket_id)}.get(effect.name)
    if found is None or (found.state, found.attempts, found.changed_at) != (
        effect.state,
        effect.attempts,
        effect.changed_at,
    ):
        raise ConflictError(what=f"effect '{effect.name}'", reason="it was taken on")
    tx.outbox.put(then)


def ended(tx: Tx, effect: Effect, at: datetime) -> None:
    """Write the end of an effect into the audit trail; show a parked one's ticket to people."""
    detail = {"effect": effect.name, "fields": ",".join(effect.before)}
    if effect.reason:
        detail["reason"] = effect.reason
    actor = effect.cause.by or WORKER
    tx.audit.add(AuditEntry(effect.tenant, at, actor, _ACTS[effect.state], effect.ticket_id, detail))
    if effect.state is EffectState.PARKED:
        record = tx.tickets.get(effect.tenant, effect.ticket_id)
        if record is not None and Status.NEEDS_HUMAN in TRANSITIONS[record.status] - {record.status}:
            tx.tickets.move(record.tenant, record.id, Status.NEEDS_HUMAN, at)


def given_up(tx: Tx, lease: Lease, clock: Clock) -> None:
    """What a dead push job leaves: its ticket's open effects are parked, so that a person sees them."""
    tenant, ticket_id, now = lease.job.tenant, lease.job.subject, clock.now()
    tx.tickets.get(tenant, ticket_id)
    for effect in tx.outbox.of_ticket(tenant, ticket_id):
        if effect.open:
            parked = replace(effect, state=EffectState.PARKED, reason=ABANDONED, changed_at=now)
            tx.outbox.put(parked)
            ended(tx, parked, now)


def parked(store: Store, tenant: str, after: int = 0, limit: int = 1000) -> list[Effect]:
    """The tenant's effects that wait for a person, with a number above `after`, in order."""
    return store.read(lambda tx: tx.outbox.page(tenant, EffectState.PARKED, None, after, limit))


def paused(store: Store, clock: Clock, tenant: str) -> list[Pause]:
    """The tenant's desks that are left alone now."""
    now = clock.now()
    return [one for one in store.read(lambda tx: tx.outbox.pauses(tenant)) if one.holds(now)]


def push_again(
    store: Store, clock: Clock, bits: Bits, tenant: str, ticket_id: str, name: str, by: str
) -> Effect:
    """A person has a parked effect tried anew. ConflictError where it is not parked."""
    now = clock.now()
    job = push_job(tenant, ticket_id, now, now, bits)

    def work(tx: Tx) -> Effect:
        tx.tickets.get(tenant, ticket_id)
        found = {one.name: one for one in tx.outbox.of_ticket(tenant, ticket_id)}.get(name)
        if found is None or found.state is not EffectState.PARKED:
            raise ConflictError(what=f"effect '{name}'", reason="it is not parked")
        planned = EffectState.PLANNED
        fresh = replace(
            found, state=planned, attempts=0, before={}, leaves="", reason="", due=now, changed_at=now
        )
        tx.outbox.put(fresh)
        tx.jobs.add(job)
        tx.audit.add(AuditEntry(tenant, now, by, "push again", ticket_id, {"effect": name}))
        return fresh

    return store.write(work)


def resume(store: Store, clock: Clock, tenant: str, desk: str, by: str) -> bool:
    """A person says that a desk may be written to again; False where it was not paused. What waits for it looks within
    `PushSettings.look`."""
    now = clock.now()

    def work(tx: Tx) -> bool:
        found = tx.outbox.resume(tenant, desk)
        if found:
            tx.audit.add(AuditEntry(tenant, now, by, "resume desk", desk))
        return found

    return store.write(work)
