"""Steps of a ticket's way, timed: a step that has ended is one frozen value for a hook. Metrics and traces subscribe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from tamiz.domain.ports import Clock


@dataclass(frozen=True, slots=True)
class Stage:
    """A step that some tickets took together, by their ids; `error` is the type of what it raised, empty for none."""

    name: str
    tickets: tuple[str, ...]
    began: datetime
    seconds: float
    error: str = ""


def deaf(stage: Stage) -> None:
    """A hook that listens to nothing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Times steps and tells them to a hook, which must not raise; without a clock it does nothing."""

    clock: Clock | None = None
    hook: Callable[[Stage], None] = deaf

    def stage(self, name: str, tickets: Sequence[str]) -> AbstractContextManager[None]:
        """The block is one step of these tickets."""
        return _Step(self.clock, self.hook, name, tuple(tickets)) if self.clock else nullcontext()


class _Step(AbstractContextManager[None]):
    """Tells of a block when it ends, however it ends."""

    def __init__(
        self, clock: Clock, hook: Callable[[Stage], None], name: str, tickets: tuple[str, ...]
    ) -> None:
        self._clock, self._hook, self._name, self._tickets = clock, hook, name, tickets

    def __enter__(self) -> None:
        self._began, self._started = self._clock.now(), self._clock.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = self._clock.monotonic() - self._started
        self._hook(Stage(self._name, self._tickets, self._began, seconds, kind.__name__ if kind else ""))
