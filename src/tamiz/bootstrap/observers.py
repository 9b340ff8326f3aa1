"""Who hears what the service does: its metrics, its log and, where they are wanted, its traces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from tamiz import __version__
from tamiz.bootstrap.settings import ServeSettings
from tamiz.domain.errors import MissingExtraError
from tamiz.domain.ports import Clock, ModelInfo
from tamiz.domain.records import Record
from tamiz.domain.stages import Stage, Watch
from tamiz.jobs import Event, What
from tamiz.observe.logs import log
from tamiz.observe.metrics import Metrics
from tamiz.observe.writer import WatchedWriter
from tamiz.pipeline.cascade import Cascade
from tamiz.service.accept import Accepted
from tamiz.service.judge import Judge, Judges
from tamiz.service.trust import Alarm
from tamiz.service.work import Done

if TYPE_CHECKING:
    from tamiz.observe.traces import Traces
    from tamiz.store.events import StoreEvent

App = TypeVar("App", bound=Callable[..., object])

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PARTS = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_WARNED = (What.RETRIED, What.BURIED, What.LOST, What.STALLED)


@dataclass(frozen=True)
class Observers:
    """Hooks for every part of a service. None of them raises."""

    metrics: Metrics
    clock: Clock
    slow_commit: float = 0.25
    traces: Traces | None = None
    caches: dict[str, tuple[Record, bool]] = field(default_factory=dict)
    changing: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, settings: ServeSettings, clock: Clock, environ: Mapping[str, str]) -> Observers:
        """As the settings and OpenTelemetry's own environment variables ask for."""
        return cls(Metrics(), clock, settings.slow_commit, find_traces(environ))

    @property
    def watch(self) -> Watch:
        """Times the steps of tickets."""
        return Watch(self.clock, self._stage)

    def judging(self, judges: Judges) -> Judges:
        """The judges with a stopwatch at their language models, and every change of a model heard."""
        used: dict[str, tuple[ModelInfo, str]] = {}
        changing = Lock()

        def judge_of(tenant: str) -> Judge:
            judge = judges(tenant)
            found = (judge.model.info, judge.taxonomy.name)
            if used.get(tenant) != found:
                with changing:  # or an older set could be told after a newer one
                    used[tenant] = found
                    self.metrics.models({*used.values()}, __version__)
            return replace(judge, cascade=self.watched(judge.cascade))

        return judge_of

    def accepted(self, found: Accepted) -> None:
        """A ticket was accepted, in the context of its request."""
        self.metrics.accepted(found.new)
        if self.traces:
            self.traces.accepted(found.ticket_id)
        log("accepted", logging.DEBUG, ticket=found.ticket_id, new=found.new)

    def triaged(self, done: Done) -> None:
        """A triage was saved."""
        record = done.record
        self.metrics.triaged(done.kind, record.status.value, done.triage)
        log(
            "triaged",
            logging.DEBUG,
            ticket=record.id,
            tenant=record.tenant,
            kind=done.kind,
            status=record.status.value,
        )

    def cache(self, tenant: str, record: Record, holds: bool) -> None:
        """A tenant's cache was asked; it is told when it goes over its budget or is back within."""
        with self.changing:
            before = self.caches.get(tenant, (record, True))[1]
            self.caches[tenant] = (record, holds)
            worst = max(one.wrong / max(1, one.judged) for one, _ in self.caches.values())
            self.metrics.cache(all(fine for _, fine in self.caches.values()), worst)
        if before != holds:
            level = logging.INFO if holds else logging.WARNING
            what = "cache on" if holds else "cache off"
            log(what, level, tenant=tenant, judged=record.judged, wrong=record.wrong)

    def alarmed(self, alarm: Alarm) -> None:
        """Somebody's corrections look like poison, or are too many."""
        self.metrics.alarmed(alarm.kind.value)
        log(
            "corrections alarm",
            logging.WARNING,
            tenant=alarm.tenant,
            kind=alarm.kind.value,
            accounts=alarm.accounts,
            held=alarm.held,
            tickets=alarm.tickets,
        )

    def job(self, event: Event) -> None:
        """Something happened to jobs."""
        for _ in event.leases or (None,):
            self.metrics.job(event.kind, event.what.value)
        if event.what is What.LEASED:
            self.metrics.took("waiting", event.seconds)
        elif event.what is What.FINISHED:
            self.metrics.took(event.kind, event.seconds)
        elif event.what in _WARNED:
            tickets = tuple(lease.job.subject for lease in event.leases)
            level = logging.ERROR if event.what is What.BURIED else logging.WARNING
            told = {"kind": event.kind, "tickets": tickets, "jobs": event.ids, "reason": event.reason}
            log(f"job {event.what.value}", level, **told)

    def store(self, event: StoreEvent) -> None:
        """Something happened in the store."""
        from tamiz.store.events import Committed

        if isinstance(event, Committed):
            slow = event.seconds > self.slow_commit
            self.metrics.committed(event.seconds, event.closures, event.kept, slow)
            if slow:
                log("slow commit", logging.WARNING, seconds=round(event.seconds, 3), limit=self.slow_commit)
            return
        self.metrics.log_damaged(event.damage.value)
        known = {"expected": event.expected} if event.expected else {}
        log(f"store log {event.damage.value}", logging.WARNING, frames=event.found, **known)

    def watched(self, cascade: Cascade) -> Cascade:
        """The cascade with a stopwatch at its language model."""
        if cascade.writer is None:
            return cascade
        return replace(cascade, writer=WatchedWriter(cascade.writer, self.clock, self.metrics.asked))

    def around(self, app: App) -> App:
        """The app with a span around each request, where traces are wanted."""
        return self.traces.around(app) if self.traces else app

    def close(self) -> None:
        """Send what is still to be sent."""
        if self.traces:
            self.traces.close()

    def _stage(self, stage: Stage) -> None:
        self.metrics.took(stage.name, stage.seconds)
        if self.traces:
            self.traces.stage(stage)


def find_traces(environ: Mapping[str, str], parts: Sequence[str] = PARTS) -> Traces | None:
    """Traces, where OpenTelemetry's environment variables name a collector. Such variables are often set for a whole
    cluster, so without the extra the service starts all the same, and says once in the log what is missing."""
    wanted = any(environ.get(name) for name in ENDPOINTS)
    off = (
        environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if not wanted or off:
        return None
    if not all(map(_there, parts)):
        missing = MissingExtraError(package="opentelemetry-sdk", extra="otel")
        log("no traces", logging.WARNING, reason=missing.one_line())
        return None
    from tamiz.observe.traces import exporting

    return exporting(environ, __version__)


def _there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it lies in
        return False
