"""What an app is made of. `bootstrap` fills it for a real service, tests with fakes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tamiz.api.waiting import Bell
from tamiz.domain.ports import Clock, Memory, ModelInfo
from tamiz.domain.records import Role
from tamiz.domain.storage import Store
from tamiz.service.accept import Accepted, Bits
from tamiz.service.admin import Admin
from tamiz.service.flights import Flights
from tamiz.service.judge import Judges
from tamiz.service.people import Corrected
from tamiz.service.ripple import Rippling
from tamiz.service.trust import Trust

_LOG = logging.getLogger("tamiz.api")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much anybody may ask for. Bytes, seconds and counts; `rate` is requests per second and key, `burst` what may
    come at once. A batch of n tickets counts as n requests."""

    body_bytes: int = 2 * 1024 * 1024
    body_seconds: float = 20.0
    json_depth: int = 16
    json_members: int = 10_000
    concurrent: int = 256
    waiting: int = 128
    waiting_per_key: int = 16
    wait_seconds: float = 30.0
    stream_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    predicting: int = 32
    rate: float = 1000.0
    burst: float = 2000.0
    refused_rate: float = 5.0
    refused_burst: float = 50.0
    remembered: int = 10_000
    key_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """Is the service fit to take tickets? `checks` says so part by part: "ok", or what is wrong in a few words that
    anybody may read."""

    ready: bool = True
    checks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served:
    """One answered request, for metrics. `route` is the path's template, empty for an unknown one."""

    method: str
    route: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that nobody foresaw: the number that the client was told, the kind of error, and where it happened (never
    its message, which may quote a ticket)."""

    incident: str
    kind: str
    where: Sequence[str]


def log_failure(failure: Failure) -> None:
    """One line in the log."""
    _LOG.error("incident %s: %s at %s", failure.incident, failure.kind, " < ".join(failure.where))


@dataclass(frozen=True, slots=True)
class Host:
    """The administrator of this machine: the SHA-256 (hex) of the token that the lock file holds, and what he is called in
    the audit trail."""

    digest: str
    name: str


def _healthy() -> Health:
    return Health()


def _no_metrics() -> str:
    return ""


@dataclass(frozen=True)
class Parts:
    """What an app needs. `wake` is called after tickets were accepted, `bell` rung when a ticket has changed.

    Without `ripples` earlier answers are decided again with the defaults.
    Without `admin` there is nothing below /admin, without `memory` no ticket resembles another; `host` may do that with the token of the lock file, for every tenant.
    Without `trust` corrections are weighed by its defaults.
    `open_to` is who a request without a key is taken for: only for a service that listens on loopback, where it is
    refused to anybody who calls it by another name.
    """

    store: Store
    judges: Judges
    clock: Clock
    bits: Bits
    wake: Callable[[], None] = lambda: None
    bell: Bell = field(default_factory=Bell)
    limits: Limits = field(default_factory=Limits)
    metrics: Callable[[], str] = _no_metrics
    health: Callable[[], Health] = _healthy
    models: Callable[[str], Sequence[ModelInfo]] = lambda tenant: ()
    served: Callable[[Served], None] = lambda served: None
    accepted: Callable[[Accepted], None] = lambda accepted: None
    corrected: Callable[[Corrected], None] = lambda corrected: None
    failed: Callable[[Failure], None] = log_failure
    admin: Admin | None = None
    host: Host | None = None
    memory: Memory | None = None
    flights: Flights = field(default_factory=Flights)
    trust: Trust | None = None
    ripples: Rippling | None = None
    open_to: tuple[str, Role] | None = None
    version: str = ""
    docs: bool = False
