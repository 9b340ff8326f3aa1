"""A searcher per tenant and model, made from the store when it is first asked, and brought up to date before it answers:
a ticket whose triage is committed is found, and one whose erasure is committed is not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from tamiz.domain.ports import Match, Matches, VectorIndex
from tamiz.domain.records import SpaceState, Vector
from tamiz.domain.storage import Store, Tx

CHUNK = 2_000
"""Vectors read from the store at once."""
SPACES = 64
"""Searchers in memory; the one that was asked least recently makes room, and is made anew when it is asked."""


@dataclass(frozen=True, slots=True)
class _News:
    """What a searcher has missed: where the space stands, what was added, and all that is there, where tickets went."""

    state: SpaceState
    added: list[Vector]
    present: frozenset[int] | None


class Spaces:
    """The Memory port. `keep` is how many vectors the store keeps of a space. Thread-safe; questions to one space are
    answered one after the other."""

    def __init__(self, store: Store, keep: int, make: Callable[[], VectorIndex], most: int = SPACES) -> None:
        self._store, self._keep, self._make, self._most = store, keep, make, most
        self._lock = threading.Lock()
        self._spaces: OrderedDict[tuple[str, str], _Space] = OrderedDict()

    def search(self, tenant: str, model_hash: str, vector: bytes, k: int) -> Matches:
        """The k tickets of the tenant that are nearest to a vector of the model. StoreError."""
        return self._space(tenant, model_hash).search(vector, k)

    def _space(self, tenant: str, model_hash: str) -> _Space:
        with self._lock:
            key = (tenant, model_hash)
            if key not in self._spaces:
                self._spaces[key] = _Space(self._store, tenant, model_hash, self._keep, self._make)
            self._spaces.move_to_end(key)
            while len(self._spaces) > self._most:
                self._spaces.popitem(last=False)
            return self._spaces[key]


class _Space:
    def __init__(
        self, store: Store, tenant: str, model_hash: str, keep: int, make: Callable[[], VectorIndex]
    ) -> None:
        self._store, self._tenant, self._model, self._keep, self._make = store, tenant, model_hash, keep, make
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._index = self._make()
        self._tickets: dict[int, str] = {}  # ascending, as numbers are only added
        self._keys: dict[str, int] = {}
        self._seen = SpaceState(0, 0)

    def search(self, vector: bytes, k: int) -> Matches:
        with self._lock:
            while not self._caught_up():
                pass
            found = self._index.search(vector, k)
            matches = tuple(Match(self._tickets[key], similarity) for key, similarity in found)
            return Matches(len(self._index), matches)

    def _caught_up(self) -> bool:
        """Take in what is new, CHUNK vectors at most. Is that all?"""
        news = self._store.read(self._news)
        if news.state.sequence < self._seen.sequence or news.state.erasures < self._seen.erasures:
            self._start()  # an older copy of the database was put in its place
            return False
        if news.present is not None:
            self._forget([key for key in self._tickets if key not in news.present])
        self._forget([self._keys[one.ticket_id] for one in news.added if one.ticket_id in self._keys])
        keys = [one.sequence for one in news.added]
        self._index.add(keys, [one.data for one in news.added])
        self._tickets.update((one.sequence, one.ticket_id) for one in news.added)
        self._keys.update((one.ticket_id, one.sequence) for one in news.added)
        whole = len(news.added) < CHUNK
        reached = max([news.state.sequence, *keys]) if whole else keys[-1]
        self._seen = SpaceState(reached, news.state.erasures)
        self._forget(self._older_than(reached - self._keep))
        return whole

    def _news(self, tx: Tx) -> _News:
        state = tx.vectors.state(self._tenant, self._model)  # first: what comes after it is seen next time
        added = tx.vectors.after(self._tenant, self._model, self._seen.sequence, CHUNK)
        went = bool(self._tickets) and state.erasures != self._seen.erasures
        present = frozenset(tx.vectors.sequences(self._tenant, self._model)) if went else None
        return _News(state, added, present)

    def _older_than(self, last: int) -> list[int]:
        found = []
        for key in self._tickets:
            if key > last:
                break
            found.append(key)
        return found

    def _forget(self, keys: list[int]) -> None:
        self._index.remove(keys)
        for key in keys:
            del self._keys[self._tickets.pop(key)]
