"""What the loop tells: frozen values for a hook. Counters and logs subscribe; none of them can hurt the loop."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from tamiz.domain.records import Lease

_log = logging.getLogger(__name__)


class What(StrEnum):
    """What happened to jobs. STALLED is about none: the loop itself could not go on and will try again."""

    LEASED = "leased"
    FINISHED = "finished"
    RETRIED = "retried"
    BURIED = "buried"
    LOST = "lost"
    RELEASED = "released"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to jobs of one kind; of STALLED the kind is empty.

    `seconds` is how long the longest waiting had been due (LEASED) or how long the handler ran (after it has), `wait`
    how many seconds pass until the next try (RETRIED). `reason` quotes no ticket.
    """

    what: What
    owner: str
    kind: str = ""
    leases: tuple[Lease, ...] = ()
    seconds: float = 0.0
    wait: float = 0.0
    reason: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the jobs."""
        return tuple(lease.job.id for lease in self.leases)


Hook = Callable[[Event], None]


def deaf(event: Event) -> None:
    """A hook that listens to nothing."""


class Teller:
    """Counts events by job and passes them on. Thread-safe; a hook that raises is logged by the type of its error."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._counts: Counter[What] = Counter()
        self._lock = Lock()

    @property
    def counts(self) -> Mapping[What, int]:
        """How many jobs each thing has happened to; of STALLED, how often."""
        with self._lock:
            return dict(self._counts)

    def tell(self, event: Event) -> None:
        """Count it and pass it on; an event about no job is none."""
        number = 1 if event.what is What.STALLED else len(event.leases)
        if not number:
            return
        with self._lock:
            self._counts[event.what] += number
        try:
            self._hook(event)
        except Exception as error:  # noqa: BLE001 - the boundary of event hooks
            _log.warning("a hook for job events failed with %s", type(error).__name__)
