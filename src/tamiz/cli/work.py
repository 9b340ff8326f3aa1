"""`tamiz work`: workers as a process of their own, on a store that several processes may share."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import typer

from tamiz.cli.console import err, need_serving, settings
from tamiz.domain.errors import ConfigError

EXAMPLES = """Example:

  TAMIZ_STORE_URL=postgresql://tamiz@db/tamiz tamiz work"""


def command() -> None:
    """Triage what `tamiz serve` accepts elsewhere; needs a PostgreSQL store."""
    need_serving()
    from tamiz.bootstrap.server import Service, open_service
    from tamiz.observe.logs import json_process

    current = settings()
    if not current.store_url.get_secret_value():
        mistake = "is needed: a SQLite store belongs to the one process of `tamiz serve`, which has workers of its own"
        raise ConfigError(key="TAMIZ_STORE_URL", mistake=mistake)
    told, begun = threading.Event(), list[Service]()

    def stop(number: int, frame: FrameType | None) -> None:
        if told.is_set():  # a second time: the grace is over
            for one in begun:  # stopping takes locks
                threading.Thread(target=one.pool.stop, args=(0.0,), daemon=True).start()
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with json_process(current.serve.log_level):
        service = open_service(current)
        if service.first_key:
            err.print(f"The first key, for an admin, is in {service.first_key}", markup=False)
        service.start()
        begun.append(service)
        err.print("Working")
        told.wait()
        drained = service.stop(current.serve.grace)
    if not drained:
        raise typer.Exit(1)
