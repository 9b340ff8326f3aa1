"""Stored embeddings as numbers to compute with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_TINY = 1e-12


def unit(vectors: Sequence[bytes]) -> NDArray[np.float32]:
    """Embeddings as `domain.vectors.packed` makes them → unit vectors [N, D]. ValueError where they differ in length."""
    rows = np.stack([np.frombuffer(data, "<f2") for data in vectors]).astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY))
