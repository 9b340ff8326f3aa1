"""The life of a job in the store in memory."""

from __future__ import annotations

from hypothesis import settings

from tamiz.domain.storage import Store
from tamiz.testing.memory_store import MemoryStore

from .job_life import JobLife


class JobLifeInMemory(JobLife):
    def open_store(self) -> Store:
        return MemoryStore()


TestJobLifeInMemory = JobLifeInMemory.TestCase
TestJobLifeInMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
