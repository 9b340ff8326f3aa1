"""Steps of a ticket's way, timed: a step that has ended is one frozen value for a hook. Metrics and traces subscribe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

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

    @contextmanager
    def stage(self, name: str, tickets: Sequence[str]) -> Iterator[None]:
        """The block is one step of these tickets."""
        if self.clock is None:
            yield
            return
        began, started, error = self.clock.now(), self.clock.monotonic(), ""
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self.hook(Stage(name, tuple(tickets), began, self.clock.monotonic() - started, error))
