"""A graph of near neighbours (HNSW, Malkov and Yashunin 2018) by usearch: a question meets a few hundred vectors instead of
all. It misses a neighbour now and then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tamiz.domain.errors import MissingExtraError
from tamiz.memory.halves import unit

CONNECTIVITY = 16
EXPANSION_ADD = 64
EXPANSION_SEARCH = 64
"""Neighbours per vector, and candidates that are looked at while one is added or searched: more finds more and takes
longer."""


def check_installed(needed_for: str) -> None:
    """MissingExtraError without usearch."""
    try:
        _library()
    except ImportError as error:
        raise MissingExtraError(package=f"usearch (for {needed_for})", extra="memory") from error


def _library() -> Any:
    """The class of usearch's graphs."""
    # First, because it crashes when it is loaded after usearch 2.26, which puts the names of its kernels (NumKong) before
    # those of every library to come.
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index


class GraphIndex:
    """The VectorIndex port over usearch, in half precision. Not thread-safe."""

    def __init__(self) -> None:
        self._graph: Any = None

    def __len__(self) -> int:
        return 0 if self._graph is None else len(self._graph)

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        if not keys:
            return
        fresh = unit(vectors)
        if self._graph is None:
            self._graph = _library()(
                ndim=fresh.shape[1],
                metric="cos",
                dtype="f16",
                connectivity=CONNECTIVITY,
                expansion_add=EXPANSION_ADD,
                expansion_search=EXPANSION_SEARCH,
            )
        self._graph.add(
            np.asarray(keys, np.uint64), fresh, threads=1
        )  # the other cores belong to the workers

    def remove(self, keys: Sequence[int]) -> None:
        """Vectors go; their places are given to the next ones."""
        if keys:
            self._graph.remove(np.asarray(keys, np.uint64))

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        if not len(self):
            return []
        found = self._graph.search(unit([vector])[0], k, threads=1)
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return sorted(
            ((int(key), min(1.0, 1.0 - distance)) for key, distance in pairs),
            key=lambda pair: (-pair[1], pair[0]),
        )
