"""How long each part of the work on a batch takes, by an injected clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from tamiz.domain.ports import Clock
from tamiz.domain.stages import Watch


class Stages:
    """Milliseconds by the name of the stage. `pipeline.triage` enters one for each part of its work.

    `watch` hears of each stage once, with the ids of the `tickets` and the `lane` before its name.
    """

    def __init__(
        self,
        clock: Clock,
        watch: Watch = Watch(),  # noqa: B008 - frozen
        tickets: Sequence[str] = (),
        lane: str = "",
    ) -> None:
        self._clock, self._watch, self._tickets, self._lane = clock, watch, tickets, lane
        self._taken: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count what happens inside to the stage."""
        started = self._clock.monotonic()
        again = name in self._taken  # a text that was read already is looked up
        try:
            with nullcontext() if again else self._watch.stage(self._lane + name, self._tickets):
                yield
        finally:
            took = (self._clock.monotonic() - started) * 1e3
            self._taken[name] = self._taken.get(name, 0.0) + took

    def each(self, tickets: int) -> dict[str, float]:
        """The share of one ticket of a batch of so many, stage by stage, and `triage`, which is all of them."""
        shares = {name: round(took / max(1, tickets), 3) for name, took in self._taken.items()}
        return {"triage": round(sum(shares.values()), 3), **shares}
