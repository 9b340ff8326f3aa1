"""Who triages for which tenant: the model that the store names for it, else the one of the file pointer.

A model is opened once, however many tenants have it. The whole table is exchanged at once and a batch of tickets asks for
its judge once, so no ticket sees two models; the old one goes when the last batch that has it ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tamiz.bootstrap.live import LiveJudges
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.shelf import FolderShelf, check_sound
from tamiz.domain.errors import TamizError
from tamiz.domain.ports import Clock, Model
from tamiz.domain.records import Activation
from tamiz.domain.storage import Reader
from tamiz.models.artifact import read_manifest
from tamiz.observe.logs import log
from tamiz.service.judge import Judge

LOOK_SECONDS = 1.0
"""How often a process looks whether another one has moved a pointer."""
AGAIN_SECONDS = 60.0
"""After so long a model that was refused is tried once more: its files may have come meanwhile."""


@dataclass(frozen=True)
class _Table:
    """Tenant → its judges, and those of every other tenant."""

    house: LiveJudges
    own: Mapping[str, LiveJudges] = field(default_factory=dict)

    def of(self, tenant: str) -> LiveJudges:
        return self.own.get(tenant, self.house)


@dataclass(frozen=True)
class _Seen:
    """Where all pointers stood: those of the store, and the file's folder."""

    own: tuple[Activation, ...]
    house: Path


class TenantJudges(FolderShelf):
    """Judges by tenant, and a shelf on which a model that triages already is not opened again. Thread-safe.

    Opening it opens every model that a pointer names: ArtifactError or ConfigError where one of them cannot be used.
    Afterwards a model that cannot be used is told to `refused`, and the tenant keeps the one that it had.
    """

    def __init__(
        self,
        settings: Settings,
        store: Reader,
        clock: Clock,
        refused: Callable[[str], None] = lambda model: None,
    ) -> None:
        super().__init__(settings, clock)
        self._store, self._refused = store, refused
        self._lock = threading.RLock()
        self._held: dict[str, LiveJudges] = {}
        self._again = float("inf")
        self._seen = self._pointers()
        house = self._judges(self._seen.house)
        self._table = _Table(house, {one.tenant: self._judges_of(one) for one in self._seen.own})

    def __call__(self, tenant: str) -> Judge:
        """The judge of this moment."""
        return self._table.of(tenant)(tenant)

    def sound(self, model: str) -> Model:
        """A model by name or `name@hash`, its files looked through now, opened now or before. ArtifactError, ConfigError."""
        folder = self._models.find(model)
        check_sound(folder)  # also where it is held: it must be there for the next start, too
        with self._lock:
            return self._judges(folder).current.model

    def moved(self, tenant: str, active: Activation | None) -> None:
        """Follow a pointer to where it stands by now (of two that moved it the first may come here last), also to a model
        that was refused a moment ago."""
        with self._lock:
            super().moved(tenant, next(iter(self._store.read(lambda tx: tx.models.pile(tenant, 1))), None))
            self._again = self._clock.monotonic()
            self.refresh()

    def step_back(self, before: Activation | None) -> None:
        """The file pointer one step back, with nobody else at it."""
        with self._lock:
            super().step_back(before)

    def refresh(self) -> None:
        """Look where the pointers stand and exchange what has changed. StoreError where the store cannot be read."""
        with self._lock:
            seen, now = self._pointers(), self._clock.monotonic()
            if seen == self._seen and now < self._again:
                return
            self._seen, self._again = seen, float("inf")
            before = self._table
            house = self._kept("", seen.house.name, partial(self._judges, seen.house), before.house)
            own = {
                one.tenant: self._kept(
                    one.tenant, one.model, partial(self._judges_of, one), before.of(one.tenant)
                )
                for one in seen.own
            }
            self._table = _Table(house, own)
            used = {id(judges) for judges in (house, *own.values())}
            self._held = {key: judges for key, judges in self._held.items() if id(judges) in used}

    def _kept(
        self, tenant: str, model: str, wanted: Callable[[], LiveJudges], before: LiveJudges
    ) -> LiveJudges:
        """The judges that are wanted, or those of before where they cannot be had."""
        try:
            found = wanted()
        except (TamizError, OSError) as error:
            self._again = self._clock.monotonic() + AGAIN_SECONDS
            told = error.one_line() if isinstance(error, TamizError) else str(error)
            log("model refused", logging.ERROR, tenant=tenant, model=model, mistake=told)
            self._refused(model)
            return before
        if found is not before:
            info = found.current.model.info
            log("model changed", tenant=tenant, model=info.name, model_hash=info.content_hash)
        return found

    def _pointers(self) -> _Seen:
        own = self._store.read(lambda tx: tx.models.active())
        return _Seen(tuple(own), self.folder_of(None))

    def _judges_of(self, activation: Activation) -> LiveJudges:
        return self._judges(self.folder_of(activation))

    def _judges(self, folder: Path) -> LiveJudges:
        """The judges of a model folder, opened where that was not done before."""
        key = read_manifest(folder).content_hash
        if key not in self._held:
            self._held[key] = self.open(folder, next(iter(self._held.values()), None))
        return self._held[key]


class Watch:
    """A thread that looks every second where the pointers stand: another process may have moved them."""

    def __init__(self, judges: TenantJudges) -> None:
        self._judges, self._stopping = judges, threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamiz-models", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A model that is just being opened is opened to the end and never used."""
        self._stopping.set()

    def _run(self) -> None:
        away = False
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._judges.refresh()
                away = False
            except (TamizError, OSError) as error:  # the store or the file pointer cannot be read just now
                if not away and not self._stopping.is_set():
                    log("models not looked at", logging.WARNING, mistake=str(error))
                away = True
