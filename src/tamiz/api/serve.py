"""The API over a running service: `serve(service, settings)` listens until it is told to stop."""

from __future__ import annotations

import gc
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Thread
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from tamiz import __version__
from tamiz.api.app import create_app
from tamiz.api.auth import digest_of, loopback
from tamiz.api.connections import Quiet, connections_at_most, patient
from tamiz.api.parts import Health, Host, Parts, Served
from tamiz.api.waiting import Bell
from tamiz.bootstrap.admin import ADDRESS, TOKEN
from tamiz.bootstrap.server import Service
from tamiz.bootstrap.settings import ServeSettings
from tamiz.bootstrap.who import user_name
from tamiz.domain.errors import ConfigError, StoreError
from tamiz.domain.records import Role
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.accept import TRIAGE
from tamiz.service.keys import secret
from tamiz.service.people import Corrected

COLLECT = (10_000, 20, 50)
"""New objects, and rounds over the young and the middle-aged, between two looks for dead cycles."""
STALE_SECONDS = 30.0
"""A worker without a sign of life for so long is reported, whatever it is doing."""

OPEN_TO = (DEFAULT_TENANT, Role.REVIEW)
TOKEN_PREFIX = "th_"


def serve(
    service: Service,
    settings: ServeSettings,
    *,
    unlocked: bool = False,
    ready: Callable[[str], None] = lambda url: None,
    behind: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> None:
    """Listen, work and, on SIGTERM or SIGINT, drain; returns when everything is put away. A second signal ends the grace.

    `unlocked` needs no keys and is refused but on loopback; `ready` is told the address; `behind` puts the app behind
    something that sees every request first. ConfigError where the address cannot be had.
    """
    if unlocked and not loopback(settings.host):
        raise ConfigError(
            key="serve.host", mistake=f"'{settings.host}' is not loopback, so it cannot be open without keys"
        )
    with _listening(settings) as listener:
        address = _address(listener)
        parts = parts_of(service)
        limits = replace(parts.limits, rate=settings.rate, burst=2 * settings.rate)
        open_to = OPEN_TO if unlocked else None
        host = _tell_token(service, parts, address)
        app = create_app(replace(parts, limits=limits, docs=settings.docs, open_to=open_to, host=host))
        server, draining = _server(service.hooks.around(behind(app)), settings, parts.bell), Event()

        def heard(number: int, frame: FrameType | None) -> None:
            """Before uvicorn listens to signals itself, when it raises them again, and while workers drain."""
            if draining.is_set():
                Thread(target=service.pool.stop, args=(0.0,), daemon=True).start()  # it takes locks
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, heard)
        service.start()
        _rarely_collect()
        ready(address)
        try:
            server.run([listener])
        finally:
            draining.set()
            service.stop(0.0 if server.hurried else settings.grace)


def _rarely_collect() -> None:
    """Have the interpreter look for dead cycles seldom: what lives as long as the service (word lists, models, caches of
    words) is half a million objects, and while all of them are looked at, for 50 to 100 ms, nobody gets an answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _tell_token(service: Service, parts: Parts, address: str) -> Host:
    """Write down, for this machine's administrator alone, where the service is and what opens it; keep what knows it."""
    token = f"{TOKEN_PREFIX}{secret(parts.bits)}"
    service.tell({ADDRESS: _reachable(address), TOKEN: token})
    return Host(digest_of(token), f"host:{user_name()}")


def parts_of(service: Service) -> Parts:
    """What the app needs, from a service."""
    bell = Bell()
    service.changed.append(bell.ring)

    def served(request: Served) -> None:
        service.metrics.served(request.method, request.route, request.status, request.seconds)

    def corrected(done: Corrected) -> None:
        for name, wrong in done.wrong.items():
            service.metrics.corrected(name, wrong, done.confidence.get(name))

    return Parts(
        store=service.store,
        judges=service.judges,
        clock=service.clock,
        bits=random.SystemRandom().getrandbits,
        wake=lambda: service.pool.wake(TRIAGE),
        bell=bell,
        metrics=service.scrape,
        health=lambda: health(service),
        models=lambda tenant: service.known(),
        admin=service.admin,
        memory=service.memory,
        flights=service.flights,
        trust=service.trust,
        ripples=service.ripples,
        served=served,
        accepted=service.hooks.accepted,
        corrected=corrected,
        version=__version__,
    )


def health(service: Service) -> Health:
    """Can tickets be taken, and are they worked on?"""
    checks = {"store": "ok", "workers": "ok"}
    try:
        service.store.read(lambda tx: tx.keys.by_digest(""))
    except StoreError as error:
        checks["store"] = type(error).__name__
    now = service.clock.now()
    for state in service.pool.states():
        if not state.running:
            checks["workers"] = "stopped"
        elif (now - state.beat).total_seconds() > STALE_SECONDS:
            checks["workers"] = "no sign of life"
    return Health(all(told == "ok" for told in checks.values()), checks)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _reachable(address: str) -> str:
    """The address by which this machine itself gets there."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _listening(settings: ServeSettings) -> socket.socket:
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=2048,
        )
    except OSError as error:
        raise ConfigError(
            key="serve.port", mistake=f"{settings.host}:{settings.port} cannot be had ({error.strerror})"
        ) from error


class _Server(uvicorn.Server):
    """A server that lets go of long polls and streams as soon as it is told to stop, so that nobody waits for them."""

    def __init__(self, config: uvicorn.Config, bell: Bell) -> None:
        super().__init__(config)
        self._bell = bell
        self.hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT; the second one ends the grace."""
        self._bell.close()
        self.hurried = self.force_exit = self.should_exit
        super().handle_exit(sig, frame)


def _server(app: ASGIApp, settings: ServeSettings, bell: Bell) -> _Server:
    quiet = Quiet(connections_at_most(Quiet.most))
    config = uvicorn.Config(
        app,
        http=patient(quiet),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.grace) or 1,
        timeout_keep_alive=30,
    )
    return _Server(config, bell)
