"""The memory of the service, as the settings want it."""

from __future__ import annotations

from tamiz.bootstrap.settings import MemorySettings
from tamiz.domain.ports import Memory
from tamiz.domain.storage import Store
from tamiz.memory.exact import ExactIndex
from tamiz.memory.graph import GraphIndex, check_installed
from tamiz.memory.spaces import Spaces
from tamiz.service.recall import CachePolicy

EXACT = 20_000
"""So many vectors (30 MB at a width of 384) are compared one by one; more need a graph, and so the extra `memory`."""


def cache_policy(settings: MemorySettings) -> CachePolicy:
    """When earlier answers are served."""
    exact, verified = settings.cache != "off", settings.cache == "verified"
    return CachePolicy(exact, verified, budget=settings.budget, again=settings.again)


def open_memory(keep: int, store: Store) -> Memory | None:
    """The searchers over what the store keeps; None where it keeps nothing. MissingExtraError."""
    if not keep:
        return None
    if keep <= EXACT:
        return Spaces(store, keep, ExactIndex)
    check_installed(f"memory.keep above {EXACT}")
    return Spaces(store, keep, GraphIndex)
