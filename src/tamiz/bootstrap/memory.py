"""The memory of the service, as the settings want it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tamiz.bootstrap.settings import MemorySettings, Settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import Memory, VectorIndex
from tamiz.domain.storage import Store
from tamiz.domain.vectors import told_space
from tamiz.memory import chroma, graph
from tamiz.memory.exact import ExactIndex
from tamiz.memory.keeper import Keeper
from tamiz.memory.snapshots import Snapshots, clear, forget
from tamiz.memory.spaces import Spaces
from tamiz.models.threads import give_way
from tamiz.observe.logs import log
from tamiz.service.judge import Judges
from tamiz.service.recall import CachePolicy
from tamiz.service.reembed import CHUNK, Ahead, Reembed, nothing

EXACT = 20_000
"""So many vectors (30 MB at a width of 384) are compared one by one; more need a graph, and so the extra `memory`."""
FOLDER = "memory"
"""Where graphs are kept in the data folder."""
TOLD_EVERY = 32 * CHUNK
"""After so many tickets that a new model has embedded the log says how far it is."""


def cache_policy(settings: MemorySettings) -> CachePolicy:
    """When earlier answers are served."""
    exact, verified = settings.cache != "off", settings.cache == "verified"
    return CachePolicy(exact, verified, budget=settings.budget, again=settings.again)


@dataclass(frozen=True)
class Remembering:
    """Who finds near tickets (None where nothing is kept), and who looks after it."""

    memory: Memory | None = None
    keeper: Keeper | None = None

    def start(self) -> None:
        """Build ahead what is large."""
        if self.keeper is not None:
            self.keeper.start()

    def stop(self) -> None:
        """Write down what was built; the store is still open."""
        if self.keeper is not None:
            self.keeper.stop()


def open_memory(settings: Settings, store: Store, judges: Judges) -> Remembering:
    """The searchers over what the store keeps. MissingExtraError, ConfigError; OSError where the data folder cannot be
    read."""
    wanted, keep, folder = _chosen(settings.memory), settings.memory.keep, settings.home / FOLDER
    if not keep or wanted in ("exact", "pgvector"):
        clear(folder)  # of a time with other settings
        memory = _pgvector(store, keep) if wanted == "pgvector" else Spaces(store, keep, ExactIndex)
        return Remembering(memory if keep else None)
    snapshots = Snapshots(folder, graph.DEPICTS)
    spaces = Spaces(store, keep, _maker(wanted, settings.memory), snapshots=snapshots)
    return Remembering(spaces, Keeper(store, spaces, snapshots, in_use(judges), _not_kept, give_way))


def ahead(settings: MemorySettings, store: Store) -> Ahead:
    """What is remembered, made ready for another model."""
    return Reembed(store, settings.keep, settings.reembed, _reembedded) if settings.keep else nothing


def in_use(judges: Judges) -> Callable[[str, str], bool]:
    """Does a tenant's model search this space?"""

    def asked(tenant: str, model_hash: str) -> bool:
        now = judges(tenant).model.info.content_hash
        return model_hash in (now, told_space(now))

    return asked


def forget_files(settings: Settings, tenant: str) -> None:
    """Delete the graphs of a tenant whose tickets were erased. OSError."""
    forget(settings.home / FOLDER, tenant)


def _chosen(settings: MemorySettings) -> str:
    if settings.index != "auto":
        return settings.index
    return "exact" if settings.keep <= EXACT else "usearch"


def _maker(wanted: str, settings: MemorySettings) -> Callable[[], VectorIndex]:
    if wanted == "chroma":
        chroma.check_installed()
        return chroma.ChromaIndex
    auto = settings.index == "auto"
    graph.check_installed(f"memory.keep above {EXACT}" if auto else "memory.index = usearch")
    return graph.GraphIndex


def _pgvector(store: Store, keep: int) -> Memory:
    from tamiz.store.near import PgvectorMemory
    from tamiz.store.postgres import PostgresStore

    if not isinstance(store, PostgresStore):
        raise ConfigError(key="memory.index", mistake="pgvector needs a PostgreSQL store (TAMIZ_STORE_URL)")
    return PgvectorMemory(store, keep)


def _reembedded(tenant: str, done: int, total: int) -> None:
    if done % TOLD_EVERY == 0 or done == total:
        log("memory embedded anew", tenant=tenant, tickets=done, of=total)


def _not_kept(mistake: str) -> None:
    log("memory not kept", logging.WARNING, mistake=mistake)
