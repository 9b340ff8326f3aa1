"""A graph of near neighbours (HNSW, Malkov and Yashunin 2018) by usearch: a question meets a few hundred vectors instead of
all. It misses a neighbour now and then.

The graph holds a byte per number, which takes half the time of half precision and loses a neighbour in a hundred; the
nearest that it finds are compared once more by the vectors as they are stored. A graph can be written to a file, and a new
index can take one over: what is added then and stands in the old graph as it is costs a comparison instead of a place to be
found. So a file never decides what is found, only how soon.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.errors import MissingExtraError
from tamiz.memory.halves import halves, ranked, unit
from tamiz.memory.rows import Rows

CONNECTIVITY = 16
EXPANSION_ADD = 64
EXPANSION_SEARCH = 96
"""Neighbours per vector, and candidates that are looked at while one is added or searched: more finds more and takes
longer."""
SPARE = 30
"""So many more than are asked for are compared once more."""
BULK = 1_000
"""From so many on, vectors are added by all cores: nobody can search before it is done."""

DEPICTS = f"usearch i8 cos, connectivity {CONNECTIVITY}"
"""What a file holds; one of another kind is of no use."""

_LARGEST = 127


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
    """The VectorIndex port over usearch. Not thread-safe."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._rows = Rows(np.float16)
        self._inherited: set[int] = set()
        self.taken_over = 0
        """How many vectors did not need a place to be found, as a file had one."""

    def __len__(self) -> int:
        return len(self._rows)

    def adopt(self, path: Path) -> bool:
        """Take over the graph of a file, before anything is added; False where it cannot be read."""
        try:
            self._graph = _library().restore(str(path), expansion_search=EXPANSION_SEARCH)
        except (RuntimeError, ValueError):  # by another version of usearch
            return False
        self._inherited = set(np.asarray(self._graph.keys).tolist())
        return True

    def save(self, path: Path) -> None:
        """Write the graph to a file. OSError where the disk fails. Nothing else runs in this process meanwhile."""
        self._disown()
        try:
            self._graph.save(str(path))
        except RuntimeError as error:
            raise OSError(f"{path}: {error}") from error
        if path.stat().st_size != self._graph.serialized_length:
            raise OSError(f"{path}: it was not written in full")

    def add(self, keys: Sequence[int], vectors: Sequence[bytes]) -> None:
        """More vectors under new keys."""
        if not keys:
            return
        fresh, numbers = halves(vectors), np.asarray(keys, np.uint64)
        if self._graph is None or self._graph.ndim != fresh.shape[1]:
            self._graph, self._inherited = _empty(fresh.shape[1]), set()
        coded = codes(unit(fresh))
        new = ~self._taken_over(keys, numbers, coded)
        if new.any():
            threads = os.cpu_count() if new.sum() >= BULK else 1  # the other cores belong to the workers
            self._graph.add(numbers[new], coded[new], threads=threads)
        self._rows.add(keys, fresh)

    def remove(self, keys: Sequence[int]) -> None:
        """Vectors go; their places are given to the next ones."""
        if keys:
            self._graph.remove(np.asarray(keys, np.uint64))
            self._rows.remove(keys)

    def search(self, vector: bytes, k: int) -> list[tuple[int, float]]:
        """The k nearest keys with their cosine similarity, nearest first."""
        if not len(self):
            return []
        self._disown()
        asked = unit([vector])
        near = self._graph.search(codes(asked)[0], k + SPARE, threads=1)
        keys = [key for key in near.keys.tolist() if key in self._rows]
        return ranked(keys, unit(self._rows.of(keys)) @ asked[0])[:k]

    def search_all(self, vectors: Sequence[bytes], k: int) -> list[list[tuple[int, float]]]:
        """The same for several vectors, one after the other."""
        return [self.search(vector, k) for vector in vectors]

    def _taken_over(
        self, keys: Sequence[int], numbers: NDArray[np.uint64], coded: NDArray[np.int8]
    ) -> NDArray[np.bool_]:
        """Which of the vectors stand in the graph of the file as they are; those under their keys that differ go."""
        same = np.zeros(len(keys), np.bool_)
        known = np.array([key in self._inherited for key in keys])
        if known.any():
            same[known] = (self._graph.get(numbers[known]) == coded[known]).all(axis=1)
            changed = known & ~same
            if changed.any():
                self._graph.remove(numbers[changed])
            self._inherited.difference_update(keys)
            self.taken_over += int(same.sum())
        return same

    def _disown(self) -> None:
        """Take away what the file held and nobody has added: the store does not have it any more."""
        if self._inherited:
            self._graph.remove(np.fromiter(self._inherited, np.uint64))
            self._inherited = set()


def codes(rows: NDArray[np.float32]) -> NDArray[np.int8]:
    """Vectors [N, D] with a byte per number, each stretched to the whole range: the cosine does not ask for lengths."""
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(np.rint(rows * (_LARGEST / largest)), np.int8)


def _empty(width: int) -> Any:
    return _library()(
        ndim=width,
        metric="cos",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )
