"""Stored embeddings as numbers to compute with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-12


def halves(vectors: Sequence[bytes]) -> NDArray[np.float16]:
    """Embeddings as `domain.vectors.packed` makes them → [N, D], as they are. ValueError where they differ in length."""
    if len({len(data) for data in vectors}) > 1:
        raise ValueError("vectors of one space have one length")
    return np.frombuffer(b"".join(vectors), "<f2").reshape(len(vectors), -1)


def unit(vectors: Sequence[bytes] | NDArray[np.float16]) -> NDArray[np.float32]:
    """Embeddings [N, D] → unit vectors [N, D]. ValueError where they differ in length."""
    rows = (vectors if isinstance(vectors, np.ndarray) else halves(vectors)).astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY))


def ranked(keys: Sequence[int], scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    """Keys with their cosine similarity, nearest first; the lower key wins a tie."""
    found = zip(keys, (min(1.0, score) for score in scores.tolist()), strict=True)
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))
