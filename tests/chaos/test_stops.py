"""Being told to stop under load, twice, or killed while stopping: nothing that was accepted is lost."""

from __future__ import annotations

import http.client
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.store.sqlite_read import DATABASE

from .campaign import drain
from .harness import Caller, Nursery, Service, until
from .plan import Plan
from .verdict import Kept, kept

IN_FLIGHT = 100


class Crowd:
    """So many clients that ask at the same moment; `accepted` are the ids that they were promised."""

    def __init__(self, service: Service, number: int) -> None:
        self.accepted: list[str] = []
        self.answered = 0
        self._start = Barrier(number + 1)
        self._threads = [Thread(target=self._ask, args=(service.url, n), daemon=True) for n in range(number)]
        for thread in self._threads:
            thread.start()

    def let_go(self) -> None:
        """Now."""
        self._start.wait()

    def wait(self) -> list[str]:
        """Until all are answered or have lost their connection."""
        for thread in self._threads:
            thread.join()
        return self.accepted

    def _ask(self, url: str, number: int) -> None:
        caller = Caller(url)
        self._start.wait()
        try:
            status, told = caller.ask(
                "/classify", {"subject": f"Late {number}", "body": "It jams."}, f"late-{number}"
            )
        except (OSError, http.client.HTTPException):
            return  # nothing was promised
        finally:
            caller.close()
        if status == 202:
            self.accepted.append(told["ticket_id"])


def queued(service: Service, number: int) -> list[str]:
    """That many tickets, accepted in one request."""
    caller = Caller(service.url)
    tickets = [{"subject": f"Early {n}", "body": "It jams."} for n in range(number)]
    status, told = caller.ask("/tickets/batch", {"tickets": tickets})
    caller.close()
    assert status == 202
    return [item["ticket_id"] for item in told["results"]]


def jobs(home: Path) -> list[tuple[str, int]]:
    """State and crashes of every job that is left."""
    with closing(sqlite3.connect(home / STORE_FOLDER / DATABASE)) as file:
        return file.execute("SELECT state, crashes FROM jobs").fetchall()


def finished(nursery: Nursery, home: Path) -> Kept:
    """What the next start makes of it."""
    with nursery.serving(Plan(str(home))) as service:
        drain(service)
        assert service.stop() == 0
    return kept(home)


def held(found: Kept, promised: list[str]) -> bool:
    """Is every promised ticket there, and triaged once?"""
    return all((found.triages[one], found.acts[one]) == (1, 1) for one in promised) and not found.problems


def test_a_stop_with_a_hundred_in_flight_loses_nothing_and_ends_well(nursery: Nursery, home: Path) -> None:
    with nursery.serving(Plan(str(home), seconds=0.02, grace=2.0)) as service:
        promised, crowd = queued(service, IN_FLIGHT), Crowd(service, IN_FLIGHT)
        crowd.let_go()
        assert service.stop() == 0
        promised += crowd.wait()
    left = jobs(home)
    assert left
    assert set(left) == {("ready", 0)}
    assert held(finished(nursery, home), promised)


def test_a_second_stop_harms_nothing(nursery: Nursery, home: Path) -> None:
    with nursery.serving(Plan(str(home), seconds=0.05, grace=3.0)) as service:
        promised = queued(service, 20)
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)
        assert service.ended() == 0
    assert all(state == "ready" for state, _ in jobs(home))
    assert held(finished(nursery, home), promised)


def test_a_second_stop_ends_the_grace_at_once(nursery: Nursery, home: Path) -> None:
    with nursery.serving(Plan(str(home), seconds=15.0, grace=60.0)) as service:
        promised = queued(service, 2)
        until(lambda: any(state == "leased" for state, _ in jobs(home)), "work has begun")
        service.signal(signal.SIGTERM)
        until(lambda: refused(service), "it takes no more connections")
        assert any(state == "leased" for state, _ in jobs(home))
        told = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.ended() == 0
        assert time.monotonic() - told < 10.0
    assert {state for state, _ in jobs(home)} == {"ready"}
    assert len(promised) == 2


def test_a_kill_while_stopping_is_a_kill_like_any_other(nursery: Nursery, home: Path) -> None:
    with nursery.serving(Plan(str(home), seconds=0.3, grace=30.0)) as service:
        promised = queued(service, 20)
        until(lambda: any(state == "leased" for state, _ in jobs(home)), "work has begun")
        service.signal(signal.SIGTERM)
        until(lambda: refused(service), "it takes no more connections")
        service.kill()
    assert any(state == "leased" for state, _ in jobs(home))
    assert held(finished(nursery, home), promised)


def refused(service: Service) -> bool:
    """Does it take no connections any more?"""
    caller = Caller(service.url)
    try:
        caller.ask("/health/live")
    except (OSError, http.client.HTTPException):
        return True
    finally:
        caller.close()
    return False
