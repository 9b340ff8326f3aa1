"""A searcher per tenant and model, made from the store when it is first asked, and brought up to date before it answers:
a ticket whose triage is committed is found, and one whose erasure is committed is not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from tamiz.domain.ports import Matches, VectorIndex
from tamiz.domain.storage import Store
from tamiz.domain.vectors import kept
from tamiz.memory.snapshots import Snapshots
from tamiz.memory.space import Space

SPACES = 64
"""Searchers in memory; the one that was asked least recently makes room, and is made anew when it is asked."""

Key = tuple[str, str]
"""Tenant and hash of the model."""


class Spaces:
    """The Memory port. `keep` is how many vectors the store keeps of all tickets of a tenant and model. Thread-safe; questions to one space are
    answered one after the other."""

    def __init__(
        self,
        store: Store,
        keep: int,
        make: Callable[[], VectorIndex],
        most: int = SPACES,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._store, self._keep, self._make, self._most = store, keep, make, most
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._spaces: OrderedDict[Key, Space] = OrderedDict()

    def search(self, tenant: str, model_hash: str, vector: bytes, k: int) -> Matches:
        """The k tickets of the tenant that are nearest to a vector of the model. StoreError."""
        return self.space((tenant, model_hash)).search(vector, k)

    def search_all(self, tenant: str, model_hash: str, vectors: Sequence[bytes], k: int) -> list[Matches]:
        """The same for several vectors. StoreError."""
        return self.space((tenant, model_hash)).search_all(vectors, k)

    def space(self, key: Key) -> Space:
        """The searcher of a space."""
        with self._lock:
            if key not in self._spaces:
                self._spaces[key] = self._made(key)
            self._spaces.move_to_end(key)
            while len(self._spaces) > self._most:
                self._spaces.popitem(last=False)
            return self._spaces[key]

    def held(self) -> list[tuple[Key, Space]]:
        """The searchers in memory, the one that was asked least recently first."""
        with self._lock:
            return list(self._spaces.items())

    def renew(self, key: Key, stopping: Callable[[], bool]) -> None:
        """Make a searcher anew beside the one that answers, and put it in its place. StoreError."""
        fresh = self._made(key)
        if fresh.catch_up(stopping):
            with self._lock:
                if key in self._spaces:
                    self._spaces[key] = fresh

    def _made(self, key: Key) -> Space:
        return Space(self._store, *key, kept(key[1], self._keep), self._make, self._snapshots)
