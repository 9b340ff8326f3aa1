"""Every vector compared with every question: right to the last bit, and fast enough for tens of thousands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamiz.memory.halves import ranked, unit
from tamiz.memory.rows import Rows


class ExactIndex:
    """The VectorIndex port over one matrix. Not thread-safe."""

    def __init__(self) -> None:
        self._rows = Rows(np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        if keys:
            self._rows.add(keys, unit(vectors))

    def remove(self, keys: Sequence[int]) -> None:
        """Vectors go."""
        self._rows.remove(keys)

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        count = len(self._rows)
        if not count:
            return []
        scores = self._rows.matrix @ unit([vector])[0]
        best = np.argpartition(-scores, k - 1)[:k] if k < count else np.arange(count)
        return ranked([self._rows.keys[place] for place in best.tolist()], scores[best])
