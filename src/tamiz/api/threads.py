"""Threads beside the event loop: what may wait for a disk, and what keeps a processor busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

from tamiz.api.problems import Problem
from tamiz.domain.storage import Store, Tx

T = TypeVar("T")

READERS, PREDICTORS = 4, 2


class Threads:
    """A pool for the store and a small one for models."""

    def __init__(self, predicting: int) -> None:
        self._slots = Semaphore(predicting)
        self._readers = ThreadPoolExecutor(READERS, "tamiz-api-read")
        self._predictors = ThreadPoolExecutor(PREDICTORS, "tamiz-api-predict")

    async def read(self, store: Store, work: Callable[[Tx], T]) -> T:
        """What the closure finds in the store."""
        return await self.run(lambda: store.read(work))

    async def run(self, work: Callable[[], T]) -> T:
        """What a function returns that may wait."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def predict(self, work: Callable[[], T]) -> T:
        """What a function returns that computes. Problem (503) where too many wait already."""
        if not self._slots.acquire(blocking=False):
            raise Problem(503, "Too many predictions are waiting.", kind="busy", headers={"Retry-After": "1"})
        future = self._predictors.submit(work)
        # Not when the request ends: a client that hangs up leaves its work behind.
        future.add_done_callback(lambda done: self._slots.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the threads end; what was begun is finished."""
        self._readers.shutdown(cancel_futures=True)
        self._predictors.shutdown(cancel_futures=True)
