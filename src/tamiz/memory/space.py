"""One searcher: the vectors of a tenant and model, as far as they were taken in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tamiz.domain.ports import Match, Matches, VectorIndex
from tamiz.domain.records import SpaceState, Vector
from tamiz.domain.storage import Store, Tx
from tamiz.memory.graph import GraphIndex
from tamiz.memory.snapshots import Snapshots

CHUNK = 2_000
"""Vectors read from the store at once."""


@dataclass(frozen=True, slots=True)
class _News:
    """What a searcher has missed: where the space stands, what was added, and all that is there, where tickets went."""

    state: SpaceState
    added: list[Vector]
    present: frozenset[int] | None


class Space:
    """Thread-safe. Where there are `snapshots`, a graph is taken over from its file as far as the store says the same."""

    def __init__(
        self,
        store: Store,
        tenant: str,
        model_hash: str,
        keep: int,
        make: Callable[[], VectorIndex],
        snapshots: Snapshots | None = None,
    ) -> None:
        self._store, self._tenant, self._model, self._keep, self._make = store, tenant, model_hash, keep, make
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._index = self._make()
        self._tickets: dict[int, str] = {}  # ascending, as numbers are only added
        self._keys: dict[str, int] = {}
        self._seen = SpaceState(0, 0)
        self._first: SpaceState | None = None
        self._saved = 0

    def __len__(self) -> int:
        return len(self._index)

    def search(self, vector: bytes, k: int) -> Matches:
        """The k nearest of all that is committed. StoreError."""
        return self.search_all([vector], k)[0]

    def search_all(self, vectors: Sequence[bytes], k: int) -> list[Matches]:
        """The same for several vectors, by what is committed at one moment. StoreError."""
        with self._lock:
            while not self._caught_up():
                pass
            return [
                Matches(len(self._index), tuple(Match(self._tickets[key], near) for key, near in found))
                for found in self._index.search_all(vectors, k)
            ]

    def catch_up(self, stopping: Callable[[], bool]) -> bool:
        """Take in all that is committed; False where it was told to stop before. StoreError."""
        while not stopping():
            with self._lock:
                if self._caught_up():
                    return True
        return False

    @property
    def spoilt(self) -> bool:
        """Was anything erased since the index was begun? What an index has lost may still lie in its memory."""
        return self._first is not None and self._seen.erasures != self._first.erasures

    @property
    def unsaved(self) -> int:
        """How many vectors came since the index was last written to a file."""
        return self._seen.sequence - self._saved

    def save(self) -> None:
        """Write the graph to its file, unless it is spoilt or far behind. StoreError, OSError."""
        if self._snapshots is not None:
            self._snapshots.put(self._tenant, self._model, self._written)

    def _written(self, path: Path) -> SpaceState | None:
        """Where the space stood when the graph was written; None where it was not."""
        with self._lock:
            if not self._caught_up() or self.spoilt or not isinstance(self._index, GraphIndex):
                return None
            self._index.save(path)
            self._saved = self._seen.sequence
            return self._seen

    def _caught_up(self) -> bool:
        """Take in what is new, CHUNK vectors at most. Is that all?"""
        news = self._store.read(self._news)
        if news.state.sequence < self._seen.sequence or news.state.erasures < self._seen.erasures:
            self._start()  # an older copy of the database was put in its place
            return False
        if self._first is None:
            self._begin(news.state)
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

    def _begin(self, state: SpaceState) -> None:
        """Before anything is taken in: have the index take over what it was in an earlier process."""
        self._first = state
        if self._snapshots is None or not isinstance(self._index, GraphIndex):
            return
        with suppress(
            OSError
        ):  # the index is built from the store then, and whoever writes the next file tells why
            found = self._snapshots.find(self._tenant, self._model, state)
            if found is not None and self._index.adopt(found[0]):
                self._saved = found[1].sequence

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
