"""Start, load, kill, start again: many times over one data folder."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from random import Random

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.status import Status
from tamiz.store.sqlite import DATABASE
from tamiz.testing.desk_process import DeskProcess

from .failpoints import POINTS
from .harness import PATIENCE, Caller, Service, until
from .load import Load, percentile
from .plan import Plan

CLIENTS = 4
TICKETS = 60
"""Tickets at most between two kills: many enough that work is in hand, few enough that the next start is not all drain."""
MEAN_LIFE = 0.15
"""Seconds that a service lives on average after its first answer; lives are exponential."""
ROUND = 50
"""Kills after which a service may live until it has worked everything off: a desk is slower than those who hand in."""
SOON = 10.0
"""Seconds within which a failpoint is reached, if it is at all."""


@dataclass
class Campaign:
    """What happened. `first_answer` and `first_work` are seconds from the start of a process to its first 202 and to
    its first triage; `died` counts where they died."""

    load: Load
    died: Counter[str] = field(default_factory=Counter)
    first_answer: list[float] = field(default_factory=list)
    first_work: list[float] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return self.died.total()

    def turn(self, service: Service, failpoint: str, life: float) -> None:
        """One process from its start to its death: at its failpoint, or so many seconds after its first answer."""
        if service.url:
            self.load.aim(service.url, TICKETS)
            if not failpoint:
                self.load.first_answer(SOON)
        if service.ended(SOON if failpoint else life) is None:
            service.kill()
            self.died["any moment"] += 1
        else:
            assert service.ended() == -signal.SIGKILL
            self.died[failpoint.rpartition(":")[0]] += 1
        self.note(service)

    def note(self, service: Service) -> None:
        """Note how long it took to its first answer and to its first triage, if it lived to see them."""
        answered, worked = self.load.first_answer(0.0), service.wait("worked", seconds=0.0)
        if service.url and answered is not None:
            self.first_answer.append(answered - service.began)
        if worked is not None:
            self.first_work.append(worked["at"] - service.began)

    def times(self) -> dict[str, float]:
        """Median, 95th percentile and maximum, in seconds."""
        measured = {"first_202": self.first_answer, "first_triage": self.first_work}
        named = {name: values for name, values in measured.items() if values}
        return {
            f"{name}_{word}": round(percentile(values, share), 3)
            for name, values in named.items()
            for word, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
        }


def orders(number: int, random: Random) -> Iterator[str]:
    """So many failpoints, each place as often as any other; every third turn has none."""
    places = cycle(POINTS)
    for turn in range(number):
        name = "" if turn % 3 == 2 else next(places)
        often = 4 if name.startswith(("lease", "work:leased")) else 12
        yield f"{name}:{1 if name.startswith('start') else random.randint(1, often)}" if name else ""


def kill_often(
    start: Callable[[Plan], Service],
    plan: Plan,
    failpoints: Iterable[str],
    seed: int,
    desk: DeskProcess | None = None,
) -> Campaign:
    """A whole campaign; at its end the last service has worked off its queue and stopped by itself. With a desk all
    tickets come from there, and go back."""
    random, made = Random(seed), Campaign(Load(CLIENTS, seed, desk))
    for number, failpoint in enumerate(failpoints, 1):
        service = start(replace(plan, failpoint=failpoint))
        made.turn(service, failpoint, random.expovariate(1 / MEAN_LIFE))
        if number % ROUND == 0 and plan.desk:
            service = start(plan)
            work_off(service, plan)
            service.kill()
            made.died["at rest"] += 1
    last = start(plan)
    made.load.aim(last.url, TICKETS)
    made.load.finish()
    if plan.kind != "naive":  # it cannot say what it has left, and finishes that when it is stopped
        work_off(last, plan)
    made.note(last)
    assert last.stop() in (0, -signal.SIGTERM if plan.kind == "naive" else 0)
    return made


def work_off(service: Service, plan: Plan) -> None:
    """Wait until nothing is left to do."""
    drain(service)
    until(lambda: not left(Path(plan.home)), "all jobs are done")


def drain(service: Service) -> None:
    """Wait until no ticket is pending."""
    caller, ends = Caller(service.url), time.monotonic() + 2 * PATIENCE
    while time.monotonic() < ends:
        _, page = caller.ask(f"/tickets?status={Status.PENDING.value}&limit=1")
        if not page["tickets"]:
            caller.close()
            return
        caller.ask(f"/tickets/{page['tickets'][0]['ticket_id']}?wait=20")
    raise AssertionError("the queue is not worked off")


def left(home: Path) -> int:
    """How many jobs are not done, the dead ones apart."""
    with closing(sqlite3.connect(home / STORE_FOLDER / DATABASE)) as file:
        return int(file.execute("SELECT count(*) FROM jobs WHERE state <> 'dead'").fetchone()[0])
