"""Every vector compared with every question: right to the last bit, and fast enough for tens of thousands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
        return self.search_all([vector], k)[0]

    def search_all(self, vectors: Sequence[bytes], k: int) -> list[list[tuple[int, float]]]:
        """The same for several vectors: one product of matrices reads the rows once for all of them."""
        if not len(self._rows) or not vectors:
            return [[] for _ in vectors]
        asked = unit(vectors)
        scores = self._rows.matrix @ (asked[0] if len(asked) == 1 else asked.T)
        return [self._best(scores if scores.ndim == 1 else scores[:, i], k) for i in range(len(asked))]

    def _best(self, scores: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        count = len(self._rows)
        best = np.argpartition(-scores, k - 1)[:k] if k < count else np.arange(count)
        return ranked([self._rows.keys[place] for place in best.tolist()], scores[best])
