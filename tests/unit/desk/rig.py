"""A service that pushes to a fake desk, with its time, its workers and their deaths in hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tamiz.domain.errors import LeaseLostError
from tamiz.domain.outbox import Effect
from tamiz.domain.records import AuditEntry, Lease, Revision
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Source, Ticket
from tamiz.domain.triage import Decision, FieldTriage, Receipt, Triage
from tamiz.service.accept import PUSH
from tamiz.service.push import Pushing, PushSettings
from tamiz.service.push_end import given_up
from tamiz.service.push_plan import Planning, Seat
from tamiz.testing.desk_faults import Fault, FaultPlan
from tamiz.testing.fake_desk import Applied, FakeDesk
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore

TAXONOMY = default_taxonomy()
TENANT, DESK = "default", "fake"
LEASE = timedelta(seconds=60)
MOST_CRASHES = 3
RESETS = (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LATE)


class DiedError(BaseException):
    """The process is gone: nobody hears of what it was doing."""


Die = Callable[[str], None]
"""Called at a named point; it may raise DiedError."""


@dataclass
class Fragile:
    """Stands before a store or a desk and lets the process die beside a call."""

    inner: Any
    die: Die
    names: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        point = self.names.get(name)
        if point is None:
            return found

        def called(*args: Any) -> Any:
            self.die(f"before {point}")
            result = found(*args)
            self.die(f"after {point}")
            return result

        return called


@dataclass
class Rig:
    """One store, one desk, any number of workers one after the other."""

    faults: FaultPlan = field(default_factory=FaultPlan)
    settings: PushSettings = field(default_factory=PushSettings)
    compares: bool = True
    free: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fields: frozenset[str] | None = None
    seed: int = 0
    die: Die = lambda point: None

    def __post_init__(self) -> None:
        self.clock, self.store, self.random = ManualClock(), MemoryStore(), Random(self.seed)
        self.desk = FakeDesk(self.clock, DESK, self.faults, compares=self.compares)
        self.told: list[Effect] = []
        self.workers = 0

    # What the house does

    def open(self, name: str = "IT-1", **fields: str | None) -> str:
        """A ticket at the desk, mirrored here under the same id."""
        self.desk.put(name, subject="VPN", body="It drops.", fields=fields)
        mirror = Ticket(name, RawMessage("VPN", "It drops."), self.clock.now(), TENANT, Source(DESK, name))
        self.store.write(lambda tx: tx.tickets.add(mirror))
        return name

    def triage(
        self, name: str = "IT-1", model: str = "m1", receipt: Receipt | None = None, **values: str | None
    ) -> None:
        """Save a triage that applies these values; what follows from it is planned in the same transaction."""
        fields = {key: FieldTriage(value, 0.99, Decision.APPLY) for key, value in values.items()}
        receipt = receipt or Receipt("model", model, "classes", "1")
        planning = Planning(self.seat, lambda tenant: TAXONOMY, self.clock, self.random.getrandbits)

        def work(tx: Any) -> None:
            number = tx.tickets.get(TENANT, name).revision + 1
            triage = Triage(name, "", "subject", fields, "en", receipt)
            revision = Revision(TENANT, name, number, self.clock.now(), triage)
            planning(tx, tx.tickets.save(revision, Status.BY_AI), revision)

        self.store.write(work)

    def seat(self, tenant: str, desk: str) -> Seat | None:
        return Seat(self.desk, self.fields, self.free) if desk == DESK else None

    def handler(self) -> Callable[[list[Lease]], None]:
        """The handler of one process, which may die at any of its named points."""
        steps = iter(("intent", "done", "later"))
        store: Any = Fragile(self.store, lambda point: None, {})

        def write(work: Any) -> Any:
            step = next(steps, "later")
            self.die(f"before {step}")
            result = self.store.write(work)
            self.die(f"after {step}")
            return result

        store.write = write
        calls = {"update": "call", "add_internal_note": "call", "get": "read"}
        desk: Any = Fragile(self.desk, self.die, calls)

        def seat(tenant: str, name: str) -> Seat | None:
            found = self.seat(tenant, name)
            return found and Seat(desk, found.fields, found.free)

        return Pushing(
            store, seat, lambda tenant: TAXONOMY, self.clock, self.random, self.settings, self.told.append
        )

    # Workers

    def step(self) -> bool:
        """A worker takes one job, if one is due, and may die over it."""
        self.workers += 1
        owner, now = f"w{self.workers}", self.clock.now()
        leases = self.store.write(lambda tx: tx.jobs.lease([PUSH], owner, 1, now, now + LEASE))
        for lease in leases:
            if lease.crashes >= MOST_CRASHES:
                self.store.write(lambda tx, lease=lease: self._bury(tx, lease))
                continue
            try:
                self.handler()([lease])
            except DiedError:
                continue
            try:  # a handler that returns has completed its lease
                self.store.write(lambda tx, lease=lease: tx.jobs.finish(lease))
            except LeaseLostError:
                continue
            raise AssertionError("a lease was left")
        return bool(leases)

    def _bury(self, tx: Any, lease: Lease) -> None:
        tx.jobs.bury(lease, "crashed", self.clock.now())
        given_up(tx, lease, self.clock)

    def run(self, seconds: float = 3600.0, tick: float = 1.0) -> None:
        """Let workers work for so long, or until nothing is left to do."""
        end = self.clock.elapsed + seconds
        while self.clock.elapsed <= end:
            while self.step():
                pass
            if not any(one.waiting or one.leased for one in self.store.read(lambda tx: tx.jobs.states())):
                return
            self.clock.pause(tick)

    # What is seen

    def effects(self, name: str = "IT-1") -> list[Effect]:
        return self.store.read(lambda tx: tx.outbox.of_ticket(TENANT, name))

    def states(self, name: str = "IT-1") -> list[str]:
        return [one.state.value for one in self.effects(name)]

    def ours(self, name: str = "IT-1") -> list[Applied]:
        return [one for one in self.desk.ledger if one.ticket_id == name and one.actor == "tamiz"]

    def shown(self, field: str = "category", name: str = "IT-1") -> str | None:
        return self.desk.shown(name).fields.get(field)

    def audit(self) -> list[AuditEntry]:
        return self.store.read(lambda tx: tx.audit.after(TENANT, 0, 100_000))
