"""The service put together: store, workers, API parts. `open_service(settings)` is everything that `tamiz serve` needs."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.desks import pushes
from tamiz.bootstrap.memory import Remembering, ahead, cache_policy, open_memory
from tamiz.bootstrap.observers import Observers
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.tenants import TenantJudges, Watch
from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.errors import ConfigError
from tamiz.domain.ports import Clock, Memory, ModelInfo
from tamiz.domain.records import Lease, TicketRecord
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.jobs import Handler, LoopSettings, Pool, SteadyClock, Worker
from tamiz.models.threads import give_way
from tamiz.observe.logs import log
from tamiz.observe.metrics import Metrics
from tamiz.service import keys
from tamiz.service.accept import ENRICH, PUSH, TRIAGE
from tamiz.service.admin import Admin, StoreAdmin
from tamiz.service.flights import Flights
from tamiz.service.judge import Judges
from tamiz.service.push_end import given_up
from tamiz.service.ripple import Rippling
from tamiz.service.trust import Caps, Trust
from tamiz.service.work import Done, Triaging, buried

if TYPE_CHECKING:
    from tamiz.store.events import StoreEvent
    from tamiz.store.postgres import PostgresStore
    from tamiz.store.sqlite import SqliteStore
    from tamiz.store.vault import Vault

FIRST_KEY = "first-key"
ENRICH_LEASE = 300.0
PUSH_LEASE = 60.0


@dataclass(frozen=True)
class Service:
    """A service that is ready to start: what the API needs of it, and the workers behind it."""

    store: Store
    judges: Judges
    pool: Pool
    clock: Clock
    metrics: Metrics
    first_key: Path | None
    alone: bool = True
    """May no other process work on the store?"""
    changed: list[Callable[[str, str], None]] = field(default_factory=list)
    """Called with tenant and ticket id when a ticket has a new triage."""
    watch: Watch | None = None
    """Follows the models that other processes take into use."""
    known: Callable[[], Sequence[ModelInfo]] = lambda: ()
    """Every model within reach."""
    admin: Admin | None = None
    """What commands work through while this runs."""
    tell: Callable[[Mapping[str, str]], None] = lambda facts: None
    """Says in the lock file of the data folder where this listens."""
    observers: Observers | None = None
    flights: Flights = field(default_factory=Flights)
    """What is being worked out at this moment."""
    trust: Trust | None = None
    """Takes corrections in."""
    remembering: Remembering = Remembering()  # noqa: RUF009 - frozen
    ripples: Rippling | None = None
    """Decides earlier answers again."""

    @property
    def memory(self) -> Memory | None:
        """Finds tickets that resemble one; None where embeddings are not kept."""
        return self.remembering.memory

    @property
    def hooks(self) -> Observers:
        """Who hears what it does."""
        return self.observers or Observers(self.metrics, self.clock)

    def start(self) -> None:
        """Take back what an earlier process left in hand, and begin to work."""
        taken = self.pool.reclaim() if self.alone else 0
        info = self.judges(DEFAULT_TENANT).model.info
        log("started", model=info.name, model_hash=info.content_hash, reclaimed=taken)
        self.pool.start()
        self.remembering.start()
        if self.watch is not None:
            self.watch.start()

    def stop(self, grace: float) -> bool:
        """Finish or give back what is in hand, and close the store. Did all finish?"""
        if self.watch is not None:
            self.watch.stop()
        done = self.pool.stop(grace)
        self.remembering.stop()
        self.store.close()
        log("stopped", drained=done)
        self.hooks.close()
        return done

    def scrape(self) -> str:
        """What Prometheus reads."""
        states = self.store.read(lambda tx: tx.jobs.states())
        return self.metrics.text(lambda: states, self.clock.now()).decode()


def open_service(settings: Settings, only: Collection[str] = ()) -> Service:
    """Open model, store and workers; where kinds of jobs are named, workers for these alone, and no key is made.
    ArtifactError, StoreError, MissingExtraError, ConfigError."""
    observers = Observers.of(settings.serve, SteadyClock(SystemClock()), os.environ)
    store = open_store(settings, observers.store)
    with ExitStack() as opened:
        opened.callback(store.close)
        service = _service(settings, store, observers, only)
        opened.pop_all()
    return service


def _service(
    settings: Settings, store: SqliteStore | PostgresStore, observers: Observers, only: Collection[str]
) -> Service:
    clock = observers.clock
    bits = random.SystemRandom().getrandbits
    metrics, changed = observers.metrics, list[Callable[[str, str], None]]()
    moved = _telling(changed)
    judges = TenantJudges(settings, store, clock, metrics.refused)
    heard = observers.judging(judges)
    heard(DEFAULT_TENANT)

    def told(done: Done) -> None:
        observers.triaged(done)
        moved(done.record)

    def taxonomy(tenant: str) -> Taxonomy:
        return judges(tenant).taxonomy

    def worker(kinds: Mapping[str, Handler], loop: LoopSettings) -> Worker:
        return Worker(store, kinds, owner, clock, random.Random(), loop, mourner(clock), observers.job)

    owner = f"{socket.gethostname()}-{os.getpid()}-{bits(32):08x}"
    remembering = open_memory(settings, store, judges)
    triaging = _triaging(settings, store, heard, observers, bits)
    fast = replace(triaging, told=told, memory=remembering.memory)
    loop, pushers = LoopSettings(batch=32), list[Worker]()
    if settings.desks:
        planning, pushing = pushes(settings, store, taxonomy, clock, bits, metrics)
        fast = replace(fast, saved=planning)
        one = replace(loop, batch=1, lease=PUSH_LEASE)
        pushers += [worker({PUSH: pushing}, one) for _ in range(settings.push.workers)]
        changed.append(lambda tenant, ticket_id: pool.wake(PUSH))
    workers = [*(worker({TRIAGE: fast}, loop) for _ in range(settings.serve.workers)), *pushers]
    if judges(DEFAULT_TENANT).enriches:
        slow = replace(fast, enrich=True)
        workers.append(worker({ENRICH: slow}, replace(loop, batch=4, lease=ENRICH_LEASE)))
    workers = [one for one in workers if not only or {*one.kinds} <= {*only}]
    key_file = None if only else _first_key(settings, store, clock, bits)
    pool = Pool(workers, clock, give_way)
    embedding = ahead(settings.memory, store)
    ripples = Rippling(store, clock, heard, fast.memory, fast.cache, fast.saved, moved)
    return Service(
        store,
        judges,
        pool,
        clock,
        metrics,
        key_file,
        alone=not settings.store_url.get_secret_value(),
        changed=changed,
        watch=Watch(judges),
        admin=StoreAdmin(store, clock, bits, judges, taxonomy, lambda: ripples, embedding),
        ripples=ripples,
        known=judges.known,
        flights=fast.flights,
        remembering=remembering,
        trust=Trust(store, clock, remembering.memory, _caps(settings), observers.alarmed),
        tell=_teller(store),
        observers=observers,
    )


def _triaging(
    settings: Settings, store: Store, judges: Judges, observers: Observers, bits: Callable[[int], int]
) -> Triaging:
    """The worker's part."""
    return Triaging(
        store,
        judges,
        observers.clock,
        bits,
        keep=settings.memory.keep,
        watch=observers.watch,
        cache=cache_policy(settings.memory),
        cached=observers.cache,
        shown=settings.llm.examples,
    )


def _caps(settings: Settings) -> Caps:
    return Caps(settings.corrections.per_minute, settings.corrections.per_hour)


def _telling(listeners: Sequence[Callable[[str, str], None]]) -> Callable[[TicketRecord], None]:
    """Says to all of them which ticket has changed."""

    def moved(record: TicketRecord) -> None:
        for listener in listeners:
            listener(record.tenant, record.id)

    return moved


def _teller(store: SqliteStore | PostgresStore) -> Callable[[Mapping[str, str]], None]:
    from tamiz.store.sqlite import SqliteStore

    return store.lock.tell if isinstance(store, SqliteStore) else lambda facts: None


def open_store(
    settings: Settings, hook: Callable[[StoreEvent], None] = lambda event: None
) -> SqliteStore | PostgresStore:
    """The PostgreSQL database of TAMIZ_STORE_URL, else SQLite in the data folder."""
    from tamiz.store.postgres import PostgresStore
    from tamiz.store.sqlite import SqliteStore

    vault = vault_of(settings)
    url = settings.store_url.get_secret_value()
    return PostgresStore(url, vault, hook) if url else SqliteStore(settings.home / STORE_FOLDER, vault, hook)


def vault_of(settings: Settings) -> Vault:
    """What opens raw text. ConfigError for a key of another form."""
    from tamiz.store.vault import Vault

    try:
        return Vault(bytes.fromhex(settings.vault_key.get_secret_value()))
    except ValueError as error:
        raise ConfigError(key="TAMIZ_VAULT_KEY", mistake="is not 64 hexadecimal digits") from error


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
