"""Every vector compared with every question: right to the last bit, and fast enough for tens of thousands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tamiz.memory.halves import unit


class ExactIndex:
    """The VectorIndex port over one matrix that doubles when it is full. Not thread-safe."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._keys: list[int] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        if not keys:
            return
        fresh, start = unit(vectors), len(self._keys)
        end = start + len(fresh)
        if end > len(self._rows):
            grown = np.empty((max(end, 2 * len(self._rows)), fresh.shape[1]), np.float32)
            grown[:start] = self._rows[:start] if start else 0.0
            self._rows = grown
        self._rows[start:end] = fresh
        self._places.update(zip(keys, range(start, end), strict=True))
        self._keys += keys

    def remove(self, keys: Sequence[int]) -> None:
        """Vectors go; the last row moves into the place of each."""
        for key in keys:
            place, last = self._places.pop(key), self._keys.pop()
            if last != key:
                self._keys[place], self._places[last] = last, place
                self._rows[place] = self._rows[len(self._keys)]

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        count = len(self._keys)
        if not count:
            return []
        scores = self._rows[:count] @ unit([vector])[0]
        best = np.argpartition(-scores, k - 1)[:k] if k < count else np.arange(count)
        found = [(self._keys[place], min(1.0, float(scores[place]))) for place in best.tolist()]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))
