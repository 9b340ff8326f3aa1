"""How a command gets to what it administers: through the service that has the data folder, else by opening the store."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tamiz.bootstrap.admin_http import RemoteAdmin
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.desks import planner
from tamiz.bootstrap.memory import ahead, cache_policy, open_memory
from tamiz.bootstrap.server import open_store
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.shelf import FolderShelf
from tamiz.bootstrap.tenants import TenantJudges
from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.errors import StoreLockedError
from tamiz.domain.storage import Store
from tamiz.domain.taxonomy import Taxonomy
from tamiz.service.admin import Admin, StoreAdmin
from tamiz.service.ripple import Rippling
from tamiz.store.lock import holder

ADDRESS, TOKEN = "address", "token"
"""What a service says of itself in the lock file, which its owner alone can read."""
PATIENCE, LOOK = 3.0, 0.1
"""Seconds that a command waits for the folder, and between two looks."""


@contextmanager
def open_admin(settings: Settings, patience: float = PATIENCE) -> Iterator[Admin]:
    """Opens the store first and asks questions where it is taken: between a question and the opening it could be taken.

    StoreLockedError where something other than a service has it for longer than `patience` seconds.
    """
    store = _store_or_service(settings, SystemClock().monotonic() + patience)
    if isinstance(store, RemoteAdmin):
        yield store
        return
    try:
        yield local_admin(settings, store)
    finally:
        store.close()


def _store_or_service(settings: Settings, until: float) -> Store | RemoteAdmin:
    """Another command lets the folder go soon, and a service that begins says soon where it is."""
    while True:
        try:
            return open_store(settings)
        except StoreLockedError:
            facts = holder(settings.home / STORE_FOLDER)
            if ADDRESS in facts and TOKEN in facts:
                return RemoteAdmin(facts[ADDRESS], facts[TOKEN])
            if SystemClock().monotonic() >= until:
                raise
        time.sleep(LOOK)


def taxonomy_of(settings: Settings, admin: Admin, tenant: str) -> Taxonomy:
    """The taxonomy of the model that triages a tenant's tickets. ArtifactError."""
    return FolderShelf(settings, SystemClock()).taxonomy_of(admin.active(tenant))


def local_admin(settings: Settings, store: Store) -> StoreAdmin:
    """Over a store of this process. Models are opened only where a command means one."""
    clock = SystemClock()
    shelf = FolderShelf(settings, clock)

    def active(tenant: str) -> Taxonomy:
        pile = store.read(lambda tx: tx.models.pile(tenant, 1))
        return shelf.taxonomy_of(next(iter(pile), None))

    def rippling() -> Rippling:
        judges = TenantJudges(settings, store, clock)
        memory = open_memory(settings, store, judges).memory
        planning = planner(settings, lambda tenant: judges(tenant).taxonomy, clock, bits)
        return Rippling(store, clock, judges, memory, cache_policy(settings.memory), planning)

    bits = random.SystemRandom().getrandbits
    return StoreAdmin(store, clock, bits, shelf, active, rippling, ahead(settings.memory, store))
