"""Tables in memory whose changes can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Journal = list[Callable[[], object]]
"""What takes a transaction back, in the order in which it was done."""


class Table(Generic[K, V]):
    """Rows by key. Rows are frozen values, so the one before is all that is needed to go back."""

    def __init__(self, journal: Journal) -> None:
        self.rows: dict[K, V] = {}
        self._journal = journal

    def get(self, key: K) -> V | None:
        """The row, if there is one."""
        return self.rows.get(key)

    def put(self, key: K, row: V) -> None:
        """A new row, or another one in its place."""
        if key in self.rows:
            before = self.rows[key]
            self._journal.append(lambda: self.rows.update({key: before}))
        else:
            self._journal.append(lambda: self.rows.pop(key))
        self.rows[key] = row

    def drop(self, key: K) -> None:
        """Take a row away. KeyError where there is none."""
        before = self.rows.pop(key)
        self._journal.append(lambda: self.rows.update({key: before}))
