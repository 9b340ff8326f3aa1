"""A Store that keeps everything in memory: for tests, and wherever state may end with the process.

Closures run one after the other under a lock, each writing straight into the tables and noting in a journal how to
take it back; a closure that raises is undone to the last row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from threading import RLock
from typing import TypeVar

from tamiz.domain.chain import sealed
from tamiz.domain.errors import DuplicateError, StoreError, StoreUnavailableError
from tamiz.domain.records import ApiKey, AuditEntry
from tamiz.domain.storage import Tx
from tamiz.testing.memory_jobs import MemoryJobs
from tamiz.testing.memory_models import MemoryModels
from tamiz.testing.memory_outbox import MemoryOutbox
from tamiz.testing.memory_reuses import MemoryReuses
from tamiz.testing.memory_table import Journal, Table
from tamiz.testing.memory_tickets import MemoryTickets
from tamiz.testing.memory_vectors import MemoryVectors
from tamiz.testing.memory_words import MemoryWords

T = TypeVar("T")


class MemoryStore:
    """The Store port in memory. Thread-safe; a closure must not open another transaction."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._journal: Journal = []
        self._tx = _MemoryTx(self._journal)
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Run the closure at once; the future is done when this returns."""
        self._check_open()
        future: Future[T] = Future()
        try:
            future.set_result(self._run(work))
        except Exception as error:  # noqa: BLE001 - the store writer's boundary: the error belongs to the caller
            future.set_exception(error)
        return future

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run the closure; what it raises is raised here, and nothing of it is kept."""
        return self._run(work)

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run the closure on a state that nobody changes meanwhile. StoreError where it writes."""
        with self._transaction():
            result = work(self._tx)
            if self._journal:
                raise StoreError(reason="a closure given to read has written")
            return result

    def close(self) -> None:
        """Further calls raise StoreUnavailableError."""
        with self._lock:
            self._closed = True

    def _run(self, work: Callable[[Tx], T]) -> T:
        with self._transaction():
            return work(self._tx)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._check_open()
            if self._busy:
                raise StoreError(reason="a transaction was opened inside another one")
            self._busy = True
            try:
                yield
                self._journal.clear()
            finally:
                while self._journal:
                    self._journal.pop()()
                self._busy = False

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError(reason="it is closed")


class _MemoryTx:
    def __init__(self, journal: Journal) -> None:
        self.tickets = MemoryTickets(journal)
        self.jobs = MemoryJobs(journal)
        self.keys = _MemoryKeys(journal)
        self.audit = _MemoryAudit(journal)
        self.outbox = MemoryOutbox(journal, self.tickets)
        self.models = MemoryModels(journal)
        self.vectors = MemoryVectors(journal)
        self.reuses = MemoryReuses(journal)
        self.words = MemoryWords(journal, self.tickets)


class _MemoryKeys:
    def __init__(self, journal: Journal) -> None:
        self._keys: Table[str, ApiKey] = Table(journal)
        self._digests: Table[str, str] = Table(journal)

    def add(self, key: ApiKey) -> None:
        if self._keys.get(key.id) or self._digests.get(key.digest):
            raise DuplicateError(what=f"API key '{key.id}'")
        self._keys.put(key.id, key)
        self._digests.put(key.digest, key.id)

    def by_digest(self, digest: str) -> ApiKey | None:
        return self._keys.get(self._digests.get(digest) or "")

    def all(self, tenant: str) -> list[ApiKey]:
        keys = (key for key in self._keys.rows.values() if key.tenant == tenant)
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    def revoke(self, tenant: str, key_id: str, at: datetime) -> bool:
        key = self._keys.get(key_id)
        if key is None or key.tenant != tenant or key.revoked_at:
            return False
        self._keys.put(key_id, replace(key, revoked_at=at))
        return True


class _MemoryAudit:
    def __init__(self, journal: Journal) -> None:
        self._entries: Table[tuple[str, int], AuditEntry] = Table(journal)
        self._last: Table[str, AuditEntry] = Table(journal)

    def add(self, entry: AuditEntry) -> None:
        last = self._last.get(entry.tenant)
        number, before = (last.number, last.chain) if last else (0, "")
        entry = sealed(entry, number + 1, before)
        self._entries.put((entry.tenant, entry.number), entry)
        self._last.put(entry.tenant, entry)

    def after(self, tenant: str, number: int = 0, limit: int = 1000) -> list[AuditEntry]:
        last = self._last.get(tenant)
        end = min(last.number if last else 0, number + limit)
        return [self._entries.rows[tenant, n] for n in range(number + 1, end + 1)]
