"""Starts services, kills them, and hears what becomes of them. All waits are for events, with a deadline."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import urlsplit

from .plan import Plan

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which something that did not happen is taken for a hang; machines are slow at times."""

News = dict[str, Any]


def environment(**more: str) -> dict[str, str]:
    """That of this process, with the sources of the project within reach from any folder."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}


def until(true: Callable[[], bool], what: str) -> None:
    """Look again and again until it is true; AssertionError where it is not in time."""
    ends, pause = time.monotonic() + PATIENCE, Event()
    while not true():
        assert time.monotonic() < ends, f"not in time: {what}"
        pause.wait(0.02)


class Service:
    """A process that serves. `began` is the monotonic time at which it was ordered; `news` what it said, by event."""

    def __init__(self, pid: int, began: float, send: Callable[[int], None]) -> None:
        self.pid, self.began = pid, began
        self._send = send
        self._news: dict[str, News] = {}
        self._changed = Condition()

    def hear(self, news: News) -> None:
        """The first news of each event are kept."""
        with self._changed:
            self._news.setdefault(news["event"], news)
            self._changed.notify_all()

    def wait(self, *events: str, seconds: float = PATIENCE) -> News | None:
        """The news of the first of these events that has come, nothing where none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: any(event in self._news for event in events), seconds)
            return next((self._news[event] for event in events if event in self._news), None)

    @property
    def url(self) -> str:
        """Its address, empty if it ended before it had one."""
        news = self.wait("listening", "ended")
        assert news is not None, "a service neither listens nor ends"
        return str(news.get("url", ""))

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it is still there."""
        self._send(number)

    def ended(self, seconds: float = PATIENCE) -> int | None:
        """Its exit code once it has ended, negative for a signal; nothing where it has not in time."""
        news = self.wait("ended", seconds=seconds)
        return None if news is None else int(news["code"])

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        assert self.ended() == -signal.SIGKILL

    def stop(self) -> int | None:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()


class Nursery:
    """The process that forks scripted services (see `serve_scripted`)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.serve_scripted"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = count()
        self._services: dict[int, Service] = {}
        self._born: dict[int, int] = {}
        self._early: dict[int, list[News]] = {}
        self._changed = Condition()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, plan: Plan) -> Service:
        """A new process; it may have ended already when this returns."""
        number, began = next(self._numbers), time.monotonic()
        self._order({"number": number, "plan": json.loads(plan.to_json())})
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._born, PATIENCE), "nothing was born"
            pid = self._born[number]
            service = Service(pid, began, lambda how: self._order({"signal": how, "pid": pid}))
            self._services[pid] = service
            for news in self._early.pop(pid, []):
                service.hear(news)
        return service

    @contextmanager
    def serving(self, plan: Plan) -> Iterator[Service]:
        """A service that is killed at the end if it still runs."""
        service = self.start(plan)
        try:
            yield service
        finally:
            service.signal(signal.SIGKILL)
            service.ended()

    def close(self) -> None:
        """End it, and with it whatever it has started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._listener.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with self._changed:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._heard(json.loads(line))

    def _heard(self, news: News) -> None:
        pid = news["pid"]
        with self._changed:
            if news["event"] == "born":
                self._born[news["number"]] = pid
                self._services.pop(pid, None)  # of an earlier process with this id
            elif pid in self._services:
                self._services[pid].hear(news)
            else:
                self._early.setdefault(pid, []).append(news)
            self._changed.notify_all()


class RealService(Service):
    """`tamiz serve --open` as it is installed, with the model that ships."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tamiz", "serve", "--open", "--port", "0"],
            cwd=home,
            env=environment(TAMIZ_HOME=str(home)),
            stderr=subprocess.PIPE,
            text=True,
        )
        super().__init__(self._process.pid, time.monotonic(), self._process.send_signal)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                if line.startswith("Listening on "):
                    self.hear({"event": "listening", "url": line.split()[-1], "at": time.monotonic()})
        self.hear({"event": "ended", "code": self._process.wait(), "at": time.monotonic()})


class Caller:
    """One connection to a service, opened again where it broke."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)

    def ask(self, path: str, body: object = None, key: str = "") -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer. OSError or HTTPException where there was none."""
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        data = None if body is None else json.dumps(body)
        try:
            self._connection.request("GET" if data is None else "POST", path, data, headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._connection.close()
