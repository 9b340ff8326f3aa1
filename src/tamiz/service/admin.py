"""What an administrator does, as one seam: over a store here, over HTTP where a service has the store.

The command line knows `Admin` and nothing behind it; the API answers with the same values. Every act names who does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Protocol, TypeVar

from tamiz.domain.desk import Value
from tamiz.domain.errors import ArtifactError, ConfigError, UnknownPlanError
from tamiz.domain.outbox import Effect, Pause
from tamiz.domain.ports import Clock
from tamiz.domain.records import Activation, Role
from tamiz.domain.storage import Store
from tamiz.service import accounts, backfill, keys, models, push_end, revert, undo
from tamiz.service.accept import Bits
from tamiz.service.accounts import AccountLook
from tamiz.service.backfill import Chunk, Remembered
from tamiz.service.push_plan import Taxonomies
from tamiz.service.reembed import Ahead, nothing
from tamiz.service.revert import RevertPlan, Wanted
from tamiz.service.ripple import RipplePlan, Rippling
from tamiz.service.undo import UndoPlan

P = TypeVar("P", UndoPlan, RevertPlan)

PLANS = 4
"""Plans of a tenant that are kept at the same time; its oldest goes first."""
_SHORTEST = 7
"""So many digits of a hash name a model."""


@dataclass(frozen=True, slots=True)
class KeyLook:
    """A key, without what it opens."""

    id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedLook:
    """An effect that waits for a person: what was to be written where, and why it was not."""

    ticket_id: str
    effect: str
    desk: str
    external_id: str
    values: dict[str, Value]
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DesksLook:
    """Parked effects, oldest first and at most a thousand, and the desks that are left alone."""

    parked: list[ParkedLook]
    pauses: list[Pause]


class Admin(Protocol):
    """What an administrator does. Errors are those of the use cases behind it."""

    def create_key(self, tenant: str, name: str, role: Role, by: str) -> str:
        """A new key, shown this once."""
        ...

    def keys(self, tenant: str) -> list[KeyLook]:
        """The tenant's keys, oldest first."""
        ...

    def revoke_key(self, tenant: str, key_id: str, by: str) -> None:
        """Close a key for good. UnknownKeyError."""
        ...

    def active(self, tenant: str) -> Activation | None:
        """The model that the tenant has taken into use; None where it has that of the house."""
        ...

    def activate(self, tenant: str, model: str, by: str) -> Activation:
        """Take a model (a name or `name@hash`) into use. ArtifactError, ConfigError."""
        ...

    def rollback(self, tenant: str, by: str) -> Activation | None:
        """Go back to the model of before; None where that is the one of the house. NoEarlierModelError, ArtifactError."""
        ...

    def plan_undo(self, tenant: str, model: str, since: datetime, fields: Sequence[str] = ()) -> UndoPlan:
        """What it would take to put back what a model applied since then; without `fields` all of them. A model is named,
        or told by its hash. ModelNotFoundError; ConfigError for a field that there is not, or a name with several
        versions."""
        ...

    def undo(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says, and count the tickets. UnknownPlanError."""
        ...

    def plan_revert(self, tenant: str, wanted: Wanted) -> RevertPlan:
        """What it would take to take people's corrections back."""
        ...

    def revert(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says, and count the corrections. UnknownPlanError."""
        ...

    def accounts(self, tenant: str) -> list[AccountLook]:
        """Who corrects tickets, and who of them is held back."""
        ...

    def hold(self, tenant: str, account: str, by: str) -> bool:
        """No word of an account influences other tickets from now on. False where that is so already."""
        ...

    def lift(self, tenant: str, account: str, by: str) -> bool:
        """Believe an account again, also what waits of it. False where there is nothing to lift."""
        ...

    def desks(self, tenant: str) -> DesksLook:
        """What waits for a person before it is written to desks."""
        ...

    def retry(self, tenant: str, ticket_id: str, effect: str, by: str) -> None:
        """Have a parked effect tried anew. ConflictError where it is not parked."""
        ...

    def resume(self, tenant: str, desk: str, by: str) -> bool:
        """A desk may be written to again; False where it was not paused."""
        ...

    def backfill(self, tenant: str, chunk: Chunk, by: str) -> Remembered:
        """Keep solved tickets of the past, each once. DataError, ConfigError, BadCorrectionError."""
        ...

    def unread(self, tenant: str) -> int:
        """How many of them no model has read yet."""
        ...

    def ripple(self, tenant: str, ticket_id: str, by: str, *, apply: bool = False) -> RipplePlan:
        """What the words on a ticket (empty: the one corrected last) change elsewhere; with `apply` it is done, too.
        UnknownTicketError, ConflictError."""
        ...


class Models(models.Shelf, Protocol):
    """The shelf, and what is known of a model that may have left it."""

    def hashes_of(self, model: str) -> Sequence[str]:
        """The content hashes of all versions of a model by name or `name@hash-prefix`. ArtifactError for none."""
        ...


@dataclass(frozen=True)
class StoreAdmin:
    """Admin over a store of this process. Thread-safe."""

    store: Store
    clock: Clock
    bits: Bits
    shelf: Models
    taxonomies: Taxonomies
    rippling: Callable[[], Rippling]
    ahead: Ahead = nothing
    _plans: dict[str, UndoPlan] = field(default_factory=dict)
    _reverts: dict[str, RevertPlan] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def create_key(self, tenant: str, name: str, role: Role, by: str) -> str:
        """A new key."""
        return keys.create(self.store, self.clock, self.bits, tenant, name, role, by)[0]

    def keys(self, tenant: str) -> list[KeyLook]:
        """The tenant's keys, oldest first."""
        found = self.store.read(lambda tx: tx.keys.all(tenant))
        return [KeyLook(key.id, key.name, key.role, key.created_at, key.revoked_at) for key in found]

    def revoke_key(self, tenant: str, key_id: str, by: str) -> None:
        """Close a key for good."""
        keys.revoke(self.store, self.clock, tenant, key_id, by)

    def active(self, tenant: str) -> Activation | None:
        """The tenant's own model."""
        return next(iter(self.store.read(lambda tx: tx.models.pile(tenant, 1))), None)

    def activate(self, tenant: str, model: str, by: str) -> Activation:
        """Take a model into use."""
        return models.activate(self.store, self.clock, self.shelf, tenant, model, by, self.ahead)

    def rollback(self, tenant: str, by: str) -> Activation | None:
        """Go back to the model of before."""
        return models.rollback(self.store, self.clock, self.shelf, tenant, by, self.ahead)

    def plan_undo(self, tenant: str, model: str, since: datetime, fields: Sequence[str] = ()) -> UndoPlan:
        """Plan, and keep the plan for `undo`."""
        content, taxonomy = self._content_hash(tenant, model), self.taxonomies(tenant)
        names = [f.name for f in taxonomy.choices]
        for name in fields:
            if name not in names:
                raise ConfigError(key="field", mistake=f"there is no '{name}' among {', '.join(names)}")
        plan = undo.plan_undo(self.store, self.clock, taxonomy, tenant, content, since, tuple(fields))
        with self._lock:
            _remember(self._plans, plan)
        return plan

    def undo(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says."""
        plan = self._plans.get(plan_id)
        if plan is None or plan.tenant != tenant:
            raise UnknownPlanError(plan=plan_id)
        return undo.perform(self.store, self.clock, self.bits, self.taxonomies(tenant), plan, by)

    def plan_revert(self, tenant: str, wanted: Wanted) -> RevertPlan:
        """Plan, and keep the plan for `revert`."""
        plan = revert.plan_revert(self.store, self.clock, self.taxonomies(tenant), tenant, wanted)
        with self._lock:
            _remember(self._reverts, plan)
        return plan

    def revert(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says."""
        plan = self._reverts.get(plan_id)
        if plan is None or plan.tenant != tenant:
            raise UnknownPlanError(plan=plan_id)
        return revert.perform_revert(self.store, self.clock, self.taxonomies(tenant), plan, by)

    def accounts(self, tenant: str) -> list[AccountLook]:
        """Who corrects tickets."""
        return accounts.accounts(self.store, tenant)

    def hold(self, tenant: str, account: str, by: str) -> bool:
        """No word of an account influences other tickets."""
        return accounts.hold(self.store, self.clock, tenant, account, by)

    def lift(self, tenant: str, account: str, by: str) -> bool:
        """Believe an account again."""
        return accounts.lift(self.store, self.clock, tenant, account, by)

    def desks(self, tenant: str) -> DesksLook:
        """What waits for a person."""
        parked = [_parked(effect) for effect in push_end.parked(self.store, tenant)]
        return DesksLook(parked, push_end.paused(self.store, self.clock, tenant))

    def retry(self, tenant: str, ticket_id: str, effect: str, by: str) -> None:
        """Have a parked effect tried anew."""
        push_end.push_again(self.store, self.clock, self.bits, tenant, ticket_id, effect, by)

    def resume(self, tenant: str, desk: str, by: str) -> bool:
        """A desk may be written to again."""
        return push_end.resume(self.store, self.clock, tenant, desk, by)

    def backfill(self, tenant: str, chunk: Chunk, by: str) -> Remembered:
        """Keep solved tickets of the past."""
        taxonomy = self.taxonomies(tenant)
        return backfill.remember(self.store, self.clock, self.bits, taxonomy, tenant, chunk, by)

    def unread(self, tenant: str) -> int:
        """How many of them no model has read yet."""
        return backfill.left(self.store, tenant)

    def ripple(self, tenant: str, ticket_id: str, by: str, *, apply: bool = False) -> RipplePlan:
        """What the words on a ticket change elsewhere."""
        return self.rippling()(tenant, ticket_id, by, apply=apply)

    def _content_hash(self, tenant: str, model: str) -> str:
        """The version that is meant, also where it has left the shelf. ConfigError where it could be one of several: after
        a roll back a name alone would mean the good one."""
        if len(model) == 64 and set(model) <= set("0123456789abcdef"):
            return model
        pile = self.store.read(lambda tx: tx.models.pile(tenant, 100))
        found = [one.content_hash for one in pile if _means(model, one)]
        try:
            found += self.shelf.hashes_of(model)
        except ArtifactError:
            if not found:
                raise
        first, *others = dict.fromkeys(found)
        if others:
            in_use = pile[0].content_hash if pile else ""
            told = [f"{one[:12]}{' (in use)' if one == in_use else ''}" for one in (first, *others)]
            mistake = f"there are several versions of '{model}'; name one by its hash: {', '.join(told)}"
            raise ConfigError(key="model", mistake=mistake)
        return first


def _remember(plans: dict[str, P], plan: P) -> None:
    """Keep a plan, and of its tenant's the newest."""
    plans[plan.id] = plan
    own = [name for name, one in plans.items() if one.tenant == plan.tenant]
    for name in own[:-PLANS]:
        del plans[name]


def _means(model: str, one: Activation) -> bool:
    by_hash = len(model) >= _SHORTEST and one.content_hash.startswith(model)
    return model == one.name or by_hash or ("@" in model and one.model.startswith(model))


def _parked(one: Effect) -> ParkedLook:
    values = dict(one.values)
    return ParkedLook(one.ticket_id, one.name, one.desk, one.external_id, values, one.reason, one.changed_at)
