"""Two common designs around the same model, to stand beside the service.

`memory` answers 202 and keeps the ticket in a queue in memory; a thread triages. `api` and `worker` are a web server
that hands tickets to Celery over Redis, and Celery's worker with late acknowledgement, as its guide advises for work
that must not be lost.

python -m tamiz.lab.bench.rivals memory|api|worker --port 8001 --redis redis://127.0.0.1:6379/0 --results FILE
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.live import open_judges
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Ticket
from tamiz.domain.triage import Triage
from tamiz.jobs import SteadyClock

BATCH = 32
Accept = Callable[[str, str, str], None]
Triager = Callable[[Sequence[Ticket]], list[Triage]]


def triager() -> Triager:
    """The starter model as the service runs it."""
    clock = SteadyClock(SystemClock())
    return open_judges(Settings(), starter_folder(), clock)(DEFAULT_TENANT).fast.triage


def ticket(number: str, subject: str, body: str) -> Ticket:
    """A ticket as these designs know it."""
    return Ticket(number, RawMessage(subject, body), datetime.now(UTC))


def told(triage: Triage) -> str:
    """What is kept of a triage."""
    return json.dumps(
        {name: [field.value, field.confidence, field.decision] for name, field in triage.fields.items()}
    )


def listen(port: int, accept: Accept) -> None:
    """Serve `POST /classify` until told to stop."""

    async def classify(request: Request) -> JSONResponse:
        form = await request.json()
        number = str(uuid.uuid4())
        accept(number, form["subject"], form["body"])
        return JSONResponse({"ticket_id": number}, 202)

    app = Starlette(routes=[Route("/classify", classify, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def memory(port: int, results: Path) -> None:
    """Accept into memory; results are kept with as much care as the service keeps them."""
    waiting: Queue[Ticket] = Queue()

    def work() -> None:
        triage = triager()
        with closing(sqlite3.connect(results, isolation_level=None)) as file:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = FULL")
            file.execute("CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, triage TEXT)")
            while True:
                batch = _batch(waiting)
                rows = [(one.id, told(done)) for one, done in zip(batch, triage(batch), strict=True)]
                file.execute("BEGIN")
                file.executemany("INSERT INTO results VALUES (?, ?)", rows)
                file.execute("COMMIT")

    Thread(target=work, daemon=True).start()
    listen(port, lambda number, subject, body: waiting.put(ticket(number, subject, body)))


def _batch(waiting: Queue[Ticket]) -> list[Ticket]:
    batch = [waiting.get()]
    try:
        while len(batch) < BATCH:
            batch.append(waiting.get_nowait())
    except Empty:
        pass
    return batch


def queue(redis: str) -> Any:
    """The Celery application; its one task is `triage`."""
    from celery import Celery

    app = Celery("rival", broker=redis, backend=redis)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=4,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    loaded: list[Triager] = []

    @app.task(name="triage")  # type: ignore[untyped-decorator]
    def triage(number: str, subject: str, body: str) -> str:
        if not loaded:
            loaded.append(triager())
        return told(loaded[0]([ticket(number, subject, body)])[0])

    return app


def api(port: int, redis: str) -> None:
    """Accept into Redis."""
    task = queue(redis).tasks["triage"]
    listen(port, lambda number, subject, body: task.apply_async((number, subject, body), task_id=number))


def worker(redis: str, processes: int) -> None:
    """Celery's worker, with so many processes."""
    queue(redis).worker_main(
        ["worker", f"--concurrency={processes}", "--without-gossip", "--without-mingle", "--loglevel=ERROR"]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("memory", "api", "worker"))
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--results", type=Path, default=Path("results.sqlite"))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    if asked.part == "memory":
        memory(asked.port, asked.results)
    elif asked.part == "api":
        api(asked.port, asked.redis)
    else:
        worker(asked.redis, asked.processes)


if __name__ == "__main__":
    main()
