"""Chroma inside this process, for those who want it: its own graph, in memory alone, filled from the store like the others.
It asks nobody and tells nobody."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from tamiz.domain.errors import MissingExtraError
from tamiz.memory.halves import ranked, unit

_numbers = count(1)


def check_installed() -> None:
    """MissingExtraError without Chroma."""
    try:
        import chromadb  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(package="chromadb (for memory.index = chroma)", extra="chroma") from error


class ChromaIndex:
    """The VectorIndex port over a collection of its own. Not thread-safe."""

    def __init__(self) -> None:
        import chromadb

        client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
        name = f"tamiz-{next(_numbers)}"
        self._collection: Any = client.create_collection(
            name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        self._most = client.get_max_batch_size()
        self._count = 0
        weakref.finalize(self, client.delete_collection, name)

    def __len__(self) -> int:
        return self._count

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        for start in range(0, len(keys), self._most):
            part = slice(start, start + self._most)
            self._collection.add(ids=[str(key) for key in keys[part]], embeddings=unit(vectors[part]))
        self._count += len(keys)

    def remove(self, keys: Sequence[int]) -> None:
        """Vectors go."""
        for start in range(0, len(keys), self._most):
            self._collection.delete(ids=[str(key) for key in keys[start : start + self._most]])
        self._count -= len(keys)

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        if not self._count:
            return []
        found = self._collection.query(
            query_embeddings=unit([vector]), n_results=min(k, self._count), include=["distances"]
        )
        keys = [int(key) for key in found["ids"][0]]
        return ranked(keys, 1.0 - np.asarray(found["distances"][0], np.float32))

    def search_all(self, vectors: Sequence[bytes], k: int) -> list[list[tuple[int, float]]]:
        """The same for several vectors, one after the other."""
        return [self.search(vector, k) for vector in vectors]
