"""The control: accept, answer 202, and keep the work in memory. It has to lose tickets in the harness that Tamiz must
lose none in; a harness in which it does not is worth nothing.

Its results are written with as much care as those of Tamiz (write-ahead log, synchronous = FULL), and a stop finishes
what is queued: only the promise was given too early.
"""

from __future__ import annotations

import socket
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from time import sleep
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

RESULTS = "naive.sqlite"


class Desk:
    """Tickets in memory, results in a file."""

    def __init__(self, home: Path, seconds: float, tell: Callable[..., None]) -> None:
        self._path, self._seconds, self._tell = home / RESULTS, seconds, tell
        self._queue: Queue[tuple[str, str] | None] = Queue()
        self._keys: dict[str, str] = {}
        self._thread = Thread(target=self._work)
        self._thread.start()

    def accept(self, key: str, subject: str) -> str:
        """The id of a ticket that is now in memory."""
        if key not in self._keys:
            self._keys[key] = str(uuid.uuid4())
            self._queue.put((self._keys[key], subject))
        return self._keys[key]

    def close(self) -> None:
        """Finish what is queued."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        file = sqlite3.connect(self._path, isolation_level=None)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, subject TEXT)")
        worked = False
        while (ticket := self._queue.get()) is not None:
            sleep(self._seconds)  # the work of a model that thinks so long
            file.execute("INSERT INTO results VALUES (?, ?)", ticket)
            if not worked:
                worked = True
                self._tell("worked")
        file.close()


def serve_naive(home: Path, seconds: float, tell: Callable[..., None]) -> None:
    """Listen until told to stop."""
    desk = Desk(home, seconds, tell)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/classify")
    async def classify(request: Request) -> JSONResponse:
        told: dict[str, Any] = await request.json()
        return JSONResponse(
            {"ticket_id": desk.accept(request.headers["idempotency-key"], told["subject"])}, 202
        )

    config = uvicorn.Config(app, log_config=None, access_log=False)
    listener = socket.create_server(("127.0.0.1", 0))
    tell("listening", url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    uvicorn.Server(config).run([listener])
