"""The service put together: store, workers, API parts. `open_service(settings)` is everything that `tamiz serve` needs."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.desks import pushes
from tamiz.bootstrap.policy_file import HousePolicy, LivePolicy
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import canonicalizer, find_model
from tamiz.bootstrap.writers import find_cascade
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Clock, Model
from tamiz.domain.records import Lease
from tamiz.domain.storage import Store, Tx
from tamiz.jobs import Event, Handler, LoopSettings, Pool, SteadyClock, What, Worker
from tamiz.models.threads import give_way
from tamiz.observe.logs import log
from tamiz.observe.metrics import Metrics
from tamiz.pipeline.cascade import Cascade
from tamiz.service import keys
from tamiz.service.accept import ENRICH, PUSH, TRIAGE
from tamiz.service.judge import Judge
from tamiz.service.push_end import given_up
from tamiz.service.work import Done, Triaging, buried

if TYPE_CHECKING:
    from tamiz.store.postgres import PostgresStore
    from tamiz.store.sqlite import SqliteStore

STORE_FOLDER = "store"
FIRST_KEY = "first-key"
REFRESH_SECONDS = 1.0
ENRICH_LEASE = 300.0
PUSH_LEASE = 60.0


class LiveJudges:
    """Who triages, for every tenant, under the policy file as it is now; looked at once a second at most."""

    def __init__(
        self, model: Model, policy: Policy, cascade: Cascade, live: LivePolicy, clock: Clock
    ) -> None:
        self._model, self._policy, self._cascade = model, policy, cascade
        self._live, self._clock = live, clock
        self._looked = clock.monotonic()
        self._made = self._under(live.current)

    @property
    def current(self) -> Judge:
        """The judge as it was looked at last."""
        return self._made

    def __call__(self, tenant: str) -> Judge:
        """The judge of this moment."""
        if self._clock.monotonic() - self._looked >= REFRESH_SECONDS:
            self._looked = self._clock.monotonic()
            if self._live.refresh():
                self._made = self._under(self._live.current)
                log("policy changed", digest=self._live.current.digest)
        return self._made

    def _under(self, house: HousePolicy) -> Judge:
        policy = house.over(self._policy)
        for warning in house.warnings(self._policy):
            log("policy warning", warning=warning)
        return Judge(self._model, policy, canonicalizer, self._cascade, house.rules)


@dataclass(frozen=True)
class Service:
    """A service that is ready to start: what the API needs of it, and the workers behind it."""

    store: Store
    judges: LiveJudges
    model: Model
    pool: Pool
    clock: Clock
    metrics: Metrics
    first_key: Path | None
    alone: bool = True
    """May no other process work on the store?"""
    changed: list[Callable[[str, str], None]] = field(default_factory=list)
    """Called with tenant and ticket id when a ticket has a new triage."""

    def start(self) -> None:
        """Take back what an earlier process left in hand, and begin to work."""
        taken = self.pool.reclaim() if self.alone else 0
        log("started", model=self.model.info.name, model_hash=self.model.info.content_hash, reclaimed=taken)
        self.pool.start()

    def stop(self, grace: float) -> bool:
        """Finish or give back what is in hand, and close the store. Did all finish?"""
        done = self.pool.stop(grace)
        self.store.close()
        log("stopped", drained=done)
        return done

    def scrape(self) -> str:
        """What Prometheus reads."""
        states = self.store.read(lambda tx: tx.jobs.states())
        return self.metrics.text(lambda: states, self.clock.now()).decode()


def open_service(settings: Settings, environ: Mapping[str, str] = os.environ) -> Service:
    """Open model, store and workers. ArtifactError, StoreError, MissingExtraError, ConfigError."""
    clock = SteadyClock(SystemClock())
    bits = random.SystemRandom().getrandbits
    judges = live_judges(settings, clock)
    store = open_store(settings)
    metrics, changed = Metrics(), list[Callable[[str, str], None]]()

    def told(done: Done) -> None:
        metrics.triaged(done.kind, done.record.status.value, done.triage)
        for listener in changed:
            listener(done.record.tenant, done.record.id)

    def worker(kinds: Mapping[str, Handler], loop: LoopSettings) -> Worker:
        return Worker(store, kinds, owner, clock, random.Random(), loop, mourner(clock), _hook(metrics))

    owner = f"{socket.gethostname()}-{os.getpid()}-{bits(32):08x}"
    fast = Triaging(store, judges, clock, bits, told)
    loop, pushers = LoopSettings(batch=32), list[Worker]()
    if settings.desks:
        planning, pushing = pushes(settings, store, lambda t: judges(t).taxonomy, clock, bits, metrics)
        fast = replace(fast, saved=planning)
        pushers.append(worker({PUSH: pushing}, replace(loop, batch=1, lease=PUSH_LEASE)))
        changed.append(lambda tenant, ticket_id: pushers[0].wake())
    workers = [*(worker({TRIAGE: fast}, loop) for _ in range(settings.serve.workers)), *pushers]
    if judges.current.enriches:
        slow = replace(fast, enrich=True)
        workers.append(worker({ENRICH: slow}, replace(loop, batch=4, lease=ENRICH_LEASE)))
    key_file = _first_key(settings, store, clock, bits)
    alone = not settings.store_url.get_secret_value()
    model = judges.current.model
    return Service(
        store, judges, model, Pool(workers, clock, give_way), clock, metrics, key_file, alone, changed
    )


def live_judges(settings: Settings, clock: Clock) -> LiveJudges:
    """The active model and what stands behind it, under the policy file."""
    model = find_model("", settings)
    live = LivePolicy(
        settings.serve.policy, model.taxonomy, lambda mistake: log("policy refused", mistake=mistake)
    )
    policy = model.policy.with_modes(settings.policy)
    return LiveJudges(model, policy, find_cascade(settings, model), live, clock)


def open_store(settings: Settings) -> SqliteStore | PostgresStore:
    """The PostgreSQL database of TAMIZ_STORE_URL, else SQLite in the data folder."""
    from tamiz.store.postgres import PostgresStore
    from tamiz.store.sqlite import SqliteStore
    from tamiz.store.vault import Vault

    try:
        vault = Vault(bytes.fromhex(settings.vault_key.get_secret_value()))
    except ValueError as error:
        raise ConfigError(key="TAMIZ_VAULT_KEY", mistake="is not 64 hexadecimal digits") from error
    url = settings.store_url.get_secret_value()
    return PostgresStore(url, vault) if url else SqliteStore(settings.home / STORE_FOLDER, vault)


def _first_key(settings: Settings, store: Store, clock: Clock, bits: Callable[[int], int]) -> Path | None:
    """The file with the first admin key, written once, readable by its owner alone; None where keys were made before."""
    key = keys.first(store, clock, bits)
    if not key:
        return None
    path = settings.home / FIRST_KEY
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
    return path


def mourner(clock: Clock) -> Callable[[Tx, Lease], None]:
    """What the burial of a job leaves for people to see."""

    def mourn(tx: Tx, lease: Lease) -> None:
        if lease.job.kind == PUSH:
            given_up(tx, lease, clock)
        else:
            buried(tx, lease, clock)

    return mourn


def _hook(metrics: Metrics) -> Callable[[Event], None]:
    def heard(event: Event) -> None:
        for _ in event.leases or (None,):
            metrics.job(event.kind, event.what.value)
        if event.what is What.LEASED:
            metrics.took("waiting", event.seconds)
        elif event.what is What.FINISHED:
            metrics.took(event.kind, event.seconds)
        elif event.what is not What.RELEASED:
            log(f"job {event.what.value}", kind=event.kind, jobs=event.ids, reason=event.reason)

    return heard
