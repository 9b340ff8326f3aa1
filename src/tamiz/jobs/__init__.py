"""The loop over the queue: workers lease jobs, keep their leases alive, retry, bury and drain. It knows nothing of
tickets."""

from tamiz.jobs.events import Event, Hook, What
from tamiz.jobs.loop import Handler, UnfinishedError, Worker, WorkerState
from tamiz.jobs.pool import Pool
from tamiz.jobs.retry import RetryPolicy
from tamiz.jobs.settings import LoopSettings
from tamiz.jobs.settle import Buried
from tamiz.jobs.steady import SteadyClock

__all__ = [
    "Buried",
    "Event",
    "Handler",
    "Hook",
    "LoopSettings",
    "Pool",
    "RetryPolicy",
    "SteadyClock",
    "UnfinishedError",
    "What",
    "Worker",
    "WorkerState",
]
