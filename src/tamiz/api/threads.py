"""Threads beside the event loop: what may wait for a disk, what keeps a processor busy, and what takes minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

from tamiz.api.problems import Problem
from tamiz.domain.storage import Store, Tx

T = TypeVar("T")

READERS, PREDICTORS, ADMINISTERING = 4, 2, 2
ADMINISTERED = 16
"""Acts of administrators that are in hand or wait, at most."""


class Threads:
    """A pool for the store, a small one for models, and one for administrators: who opens a model or plans an undo keeps
    nobody's key waiting."""

    def __init__(self, predicting: int) -> None:
        self._slots, self._acts = Semaphore(predicting), Semaphore(ADMINISTERED)
        self._readers = ThreadPoolExecutor(READERS, "tamiz-api-read")
        self._predictors = ThreadPoolExecutor(PREDICTORS, "tamiz-api-predict")
        self._administrators = ThreadPoolExecutor(ADMINISTERING, "tamiz-api-admin")

    async def read(self, store: Store, work: Callable[[Tx], T]) -> T:
        """What the closure finds in the store."""
        return await self.run(lambda: store.read(work))

    async def run(self, work: Callable[[], T]) -> T:
        """What a function returns that may wait."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def predict(self, work: Callable[[], T]) -> T:
        """What a function returns that computes. Problem (503) where too many wait already."""
        return await _counted(self._predictors, self._slots, work, "Too many predictions are waiting.")

    async def administer(self, work: Callable[[], T]) -> T:
        """What an administrator's act returns, which may take minutes. Problem (503) where too many wait already."""
        return await _counted(self._administrators, self._acts, work, "Too many acts are waiting.")

    def close(self) -> None:
        """Let the threads end; what was begun is finished."""
        self._readers.shutdown(cancel_futures=True)
        self._predictors.shutdown(cancel_futures=True)
        self._administrators.shutdown(cancel_futures=True)


async def _counted(pool: ThreadPoolExecutor, slots: Semaphore, work: Callable[[], T], busy: str) -> T:
    if not slots.acquire(blocking=False):
        raise Problem(503, busy, kind="busy", headers={"Retry-After": "1"})
    future = pool.submit(work)
    # Not when the request ends: a client that hangs up leaves its work behind.
    future.add_done_callback(lambda done: slots.release())
    return await asyncio.wrap_future(future)
