"""Which model triages a tenant's tickets: taken into use and taken back by moving a pointer in the store."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from tamiz.domain.errors import ConflictError, NoEarlierModelError
from tamiz.domain.ports import Clock, Model
from tamiz.domain.records import Activation, AuditEntry
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.reembed import Ahead, nothing


class Shelf(Protocol):
    """The models within reach of this process."""

    def sound(self, model: str) -> Model:
        """A model by name or `name@hash`, opened: every file is as it was made, and what stands around the model fits
        to it. ArtifactError, ConfigError."""
        ...

    def moved(self, tenant: str, active: Activation | None) -> None:
        """A tenant's pointer has moved (None: it has no model of its own): whoever triages here follows at once."""
        ...

    def step_back(self, before: Activation | None) -> None:
        """The store will name no model for the default tenant any more (None: it named none before): put the pointer
        of this machine one step back, from that model. NoEarlierModelError, ArtifactError."""
        ...


def activate(
    store: Store, clock: Clock, shelf: Shelf, tenant: str, model: str, by: str, ahead: Ahead = nothing
) -> Activation:
    """Take a sound model into use for a tenant, on top of the one before, once `ahead` has prepared what is remembered and
    nobody has said a word since. What is active already stays as it is."""
    found, at = shelf.sound(model), clock.now()
    info, prose = found.info, found.taxonomy.prose_hash
    name = model.partition("@")[0]
    wanted = Activation(tenant, name, info.content_hash, info.classes_hash, prose, at, by)

    def work(tx: Tx, prepared: int) -> Activation | None:
        tx.models.hold(tenant)
        if tx.tickets.corrections(tenant, prepared, 1):
            return None
        before = next(iter(tx.models.pile(tenant, 1)), None)
        if before is not None and before.model == wanted.model:
            return before
        tx.audit.add(AuditEntry(tenant, at, by, "activate model", name, _hashes(before, wanted)))
        return tx.models.push(wanted)

    active = None
    while active is None:
        active = store.write(partial(work, prepared=ahead(tenant, found)))
    shelf.moved(tenant, active)
    return active


def rollback(
    store: Store, clock: Clock, shelf: Shelf, tenant: str, by: str, ahead: Ahead = nothing
) -> Activation | None:
    """Go back to the tenant's model of before, which must be sound; None where the tenant has no model of its own then.

    Where the store names none for the default tenant, the pointer of this machine counts. What was said meanwhile is
    remembered by `ahead` afterwards: going back waits for nothing. NoEarlierModelError where there is none to go back to;
    ConflictError where somebody else was quicker.
    """
    pile = store.read(lambda tx: tx.models.pile(tenant, 2))
    if not pile and tenant != DEFAULT_TENANT:
        raise NoEarlierModelError(tenant=tenant)
    before, after = (*pile, None, None)[:2]
    found: Model | None = None
    if after is not None:
        found = shelf.sound(after.model)
    elif tenant == DEFAULT_TENANT:
        shelf.step_back(before)
    at = clock.now()

    def work(tx: Tx) -> None:
        tx.models.hold(tenant)
        if tx.models.pile(tenant, 2) != pile:
            raise ConflictError(what=f"The model of tenant '{tenant}'", reason="it is another one by now")
        tx.models.pop(tenant)
        name = after.name if after else ""
        tx.audit.add(AuditEntry(tenant, at, by, "roll back model", name, _hashes(before, after)))

    if pile:
        store.write(work)
    shelf.moved(tenant, after)
    if found is not None:
        ahead(tenant, found)
    return after


def _hashes(before: Activation | None, after: Activation | None) -> dict[str, str]:
    told = {"model_hash": after, "before": before}
    return {name: one.content_hash for name, one in told.items() if one is not None}
