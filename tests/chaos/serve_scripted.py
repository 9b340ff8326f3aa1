"""Services that can be started hundreds of times a minute: the real store, workers and API around a scripted model.

`python -m tests.chaos.serve_scripted` imports everything once and then forks a process for every plan that it reads, one
JSON object a line. It has no threads while it forks, so each child is as good as a fresh interpreter, 1 s sooner. News
come as JSON lines: a process was born, listens, has triaged its first ticket, or has ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from tamiz.api.app import create_app
from tamiz.api.serve import parts_of, serve
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.live import LiveJudges
from tamiz.bootstrap.policy_file import LivePolicy
from tamiz.bootstrap.server import Service, mourner, open_store
from tamiz.bootstrap.settings import ServeSettings, Settings
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.records import Lease
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.jobs import LoopSettings, Pool, SteadyClock, Worker
from tamiz.observe.metrics import Metrics
from tamiz.pipeline.cascade import Cascade
from tamiz.service.accept import PUSH, TRIAGE
from tamiz.service.work import Done, Triaging
from tamiz.testing.scripted import Answer, ScriptedModel

from .control_naive import serve_naive
from .failpoints import Failpoints, WatchedApp, WatchedStore
from .plan import POISON, Plan
from .watched_desk import pusher

TAXONOMY = default_taxonomy()
SURE = {f.name: (f.classes[0], 0.9) for f in TAXONOMY.predicted}
EARNED = Policy({f.name: FieldPolicy(apply_at=0.5) for f in TAXONOMY.choices})
"""What the scripted model says is applied."""


def tell(event: str, pid: int = 0, **facts: object) -> None:
    """One line of news, short enough to be written in one piece."""
    line = json.dumps({"event": event, "pid": pid or os.getpid(), "at": time.monotonic(), **facts})
    os.write(1, line.encode() + b"\n")


def script(points: Failpoints, seconds: float) -> Callable[[str], Answer]:
    """A model that takes its time and dies of poison."""

    def answer(text: str) -> Answer:
        points.reach("model:inside")
        if POISON in text:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(seconds)  # the work of a model that thinks so long
        return SURE

    return answer


def open_scripted(plan: Plan, settings: Settings, points: Failpoints) -> Service:
    """What `open_service` makes, with a scripted model and failpoints around store, model and desk."""
    clock = SteadyClock(SystemClock())
    bits = random.SystemRandom().getrandbits
    store = open_store(settings)
    points.reach("start:opened")
    model = ScriptedModel(TAXONOMY, script(points, plan.seconds), EARNED)
    live = LivePolicy(settings.serve.policy, TAXONOMY, lambda mistake: tell("policy", mistake=mistake))
    judges = LiveJudges(model, model.policy, Cascade(), live, clock)
    changed: list[Callable[[str, str], None]] = []
    first = iter([True])

    def told(done: Done) -> None:
        points.reach("work:told")
        if next(first, False):
            tell("worked")
        for listener in changed:
            listener(done.record.tenant, done.record.id)

    owner = f"chaos-{os.getpid()}-{bits(32):08x}"
    triaging = Triaging(WatchedStore(store, "result", points), judges, clock, bits, told)
    pushers: list[Worker] = []
    if plan.desk:
        planning, pushers = pusher(plan, store, judges, clock, points, owner)
        triaging = replace(triaging, saved=planning)
        changed.append(lambda tenant, ticket_id: pool.wake(PUSH))

    def work(leases: Sequence[Lease]) -> None:
        points.reach("work:leased")
        triaging(leases)

    leasing, loop = WatchedStore(store, "lease", points), LoopSettings(batch=32)
    worker = Worker(leasing, {TRIAGE: work}, owner, clock, random.Random(), loop, mourner(clock))
    pool = Pool([worker, *pushers], clock)
    return Service(
        store=WatchedStore(store, "accept", points),
        judges=judges,
        pool=pool,
        clock=clock,
        metrics=Metrics(),
        first_key=None,
        changed=changed,
    )


def run(plan: Plan) -> None:
    """Serve until told to stop."""
    home = Path(plan.home)
    if plan.kind == "naive":
        serve_naive(home, plan.seconds, tell)
        return
    chosen = ServeSettings(port=0, grace=plan.grace, policy=home / "policy.toml")
    points = Failpoints(plan.failpoint)
    service = open_scripted(plan, Settings(home=home, serve=chosen), points)
    serve(
        service,
        chosen,
        unlocked=True,
        ready=lambda url: tell("listening", url=url),
        behind=lambda app: WatchedApp(app, points),
    )


def warm_up() -> None:
    """Have everything imported that a service imports on its way to its first triage; leave no thread behind."""
    with TemporaryDirectory() as folder:
        service = open_scripted(Plan(folder), Settings(home=Path(folder)), Failpoints())
        uvicorn.Config(create_app(parts_of(service)), log_config=None).load()
        texts = ("It prints blank pages since this morning, call +34 600 123 456.", "b")
        tickets = [Ticket(text, RawMessage("Printer", text), service.clock.now()) for text in texts]
        service.judges(DEFAULT_TENANT).triage(tickets)
        service.stop(0.0)


class Nursery:
    """Forks services and tells of their ends; when its input ends, so do all of them."""

    def __init__(self) -> None:
        self._living: set[int] = set()
        signal.signal(signal.SIGCHLD, self._reap)

    def plans(self) -> Plan | None:
        """Obeys orders; returns a plan in every child, and nothing in the parent once its input has ended."""
        for line in sys.stdin:
            order = json.loads(line)
            if "signal" in order:
                if order["pid"] in self._living:
                    os.kill(order["pid"], order["signal"])
                continue
            pid = os.fork()
            if not pid:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                return Plan.from_dict(order["plan"])
            self._living.add(pid)
            tell("born", pid, number=order["number"])
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
        return None

    def _reap(self, *_: object) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._living.discard(pid)
            tell("ended", pid, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    warm_up()
    plan = Nursery().plans()
    if plan is not None:
        run(plan)
