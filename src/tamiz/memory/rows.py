"""A matrix with a key for every row. It doubles when it is full, and closes the gap where a row goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound="np.floating[Any]")


class Rows(Generic[Number]):
    """Rows of one width and type, in no order. Not thread-safe."""

    def __init__(self, kind: type[Number]) -> None:
        self._matrix: NDArray[Number] = np.empty((0, 0), kind)
        self._places: dict[int, int] = {}
        self.keys: list[int] = []
        """The key of every row, by its place."""

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: int) -> bool:
        return key in self._places

    @property
    def matrix(self) -> NDArray[Number]:
        """All rows [N, D]; valid until the next change."""
        return self._matrix[: len(self.keys)]

    def add(self, keys: Sequence[int], fresh: NDArray[Number]) -> None:
        """More rows [N, D] under new keys."""
        start, end = len(self.keys), len(self.keys) + len(fresh)
        if end > len(self._matrix):
            grown = np.empty((max(end, 2 * len(self._matrix)), fresh.shape[1]), self._matrix.dtype)
            if start:
                grown[:start] = self._matrix[:start]
            self._matrix = grown
        self._matrix[start:end] = fresh
        self._places.update(zip(keys, range(start, end), strict=True))
        self.keys += keys

    def remove(self, keys: Sequence[int]) -> None:
        """Rows go; the last one moves into the place of each."""
        for key in keys:
            place, last = self._places.pop(key), self.keys.pop()
            if last != key:
                self.keys[place], self._places[last] = last, place
                self._matrix[place] = self._matrix[len(self.keys)]

    def of(self, keys: Sequence[int]) -> NDArray[Number]:
        """The rows of these keys [N, D], in order."""
        return np.asarray(self._matrix[[self._places[key] for key in keys]])
