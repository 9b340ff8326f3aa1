"""Clients that want every ticket accepted, however often the service dies, and the ledger of what they were promised."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Condition, Lock, Thread

from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.testing.desk_process import DeskProcess

from .harness import PATIENCE, Caller
from .plan import DESK

BODY = "It prints blank pages since this morning."
AGAIN = 0.1
"""Share of answered requests that are sent once more."""

FIELD = default_taxonomy().primary
PERSONS = default_taxonomy().field(FIELD).keys[-1]
CHOSEN = 0.1
"""Share of the desk's tickets in which a person has set this field to this value before we hear of them."""


@dataclass
class Ledger:
    """What clients hold. `accepted`: key → the ids that 202 answers named; `odd`: other answers; `chosen`: the desk's
    tickets in which a person has chosen a value."""

    accepted: dict[str, set[str]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    odd: list[tuple[int, object]] = field(default_factory=list)
    chosen: set[str] = field(default_factory=set)
    repeats: int = 0
    unanswered: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def tickets(self) -> set[str]:
        """Every id that was promised."""
        return {one for ids in self.accepted.values() for one in ids}


class Line:
    """A client's connection to the service of one start."""

    def __init__(self) -> None:
        self.start = 0
        self.caller: Caller | None = None

    def open(self, start: int, url: str) -> None:
        """To the service of that start."""
        self.start, self.caller = start, Caller(url)

    def close(self) -> None:
        """Hang up."""
        if self.caller is not None:
            self.caller.close()
            self.caller = None


class Load:
    """`clients` threads that send tickets one after the other, retry the ones without an answer under the same key, and
    do nothing while `allowance` is used up or there is no address. With a desk every ticket is one of the desk's, under
    its key."""

    def __init__(self, clients: int, seed: int, desk: DeskProcess | None = None) -> None:
        self.ledger, self._desk = Ledger(), desk
        self._url, self._start, self._allowance, self._stopping = "", 0, 0, False
        self._changed = Condition()
        self._first: float | None = None
        self._threads = [
            Thread(target=self._run, args=(n, Random(f"{seed}-{n}")), daemon=True) for n in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def aim(self, url: str, allowance: int) -> None:
        """There is a service at this address; so many more tickets may be sent to it."""
        with self._changed:
            self._url, self._allowance, self._first = url, allowance, None
            self._start += 1
            self._changed.notify_all()

    def first_answer(self, seconds: float) -> float | None:
        """Monotonic time of the first 202 since `aim`."""
        with self._changed:
            self._changed.wait_for(lambda: self._first is not None, seconds)
            return self._first

    def finish(self) -> None:
        """No new tickets; wait until every one that was begun has its answer."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a request was never answered"

    def _run(self, number: int, random: Random) -> None:
        turn, line = 0, Line()
        while self._may_begin():
            key, subject = f"{number}-{turn}", f"Printer {number}-{turn}"
            with self.ledger.lock:
                self.ledger.subjects[key] = subject
            ticket = {"subject": subject, "body": BODY, **self._opened(key, random)}
            self._insist(line, key, ticket)
            if random.random() < AGAIN:
                self._insist(line, key, ticket)
                with self.ledger.lock:
                    self.ledger.repeats += 1
            turn += 1
        line.close()

    def _opened(self, key: str, random: Random) -> dict[str, str]:
        """What the ticket is at the desk, once it is there."""
        if self._desk is None:
            return {}
        chosen = random.random() < CHOSEN
        if chosen:
            with self.ledger.lock:
                self.ledger.chosen.add(key)
        self._desk.put(key, fields={FIELD: PERSONS} if chosen else {})
        return {"desk": DESK, "external_id": key}

    def _may_begin(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._allowance > 0)
            self._allowance -= 1
            return not self._stopping

    def _insist(self, line: Line, key: str, body: dict[str, str]) -> None:
        """Ask until there is an answer: a lost connection is opened again, where nobody listens the next start counts."""
        while True:
            if line.caller is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._start > line.start)
                    line.open(self._start, self._url)
            try:
                status, told = line.caller.ask("/classify", body, key)
            except ConnectionRefusedError:
                line.close()
            except (OSError, http.client.HTTPException, ValueError):
                with self.ledger.lock:
                    self.ledger.unanswered += 1
            else:
                self._write(status, told, key)
                return

    def _write(self, status: int, told: dict[str, str], key: str) -> None:
        with self.ledger.lock:
            if status == 202:
                self.ledger.accepted.setdefault(key, set()).add(told["ticket_id"])
            else:
                self.ledger.odd.append((status, told))
        with self._changed:
            if self._first is None:
                self._first = time.monotonic()
                self._changed.notify_all()


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of at least one value does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
