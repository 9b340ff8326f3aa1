"""A store at work, told to be watched: python -m tests.chaos.powercut.workload FOLDER ACKS SYNCHRONOUS ROUNDS LOG_BYTES

Four threads accept tickets, one works on them, and now and then the store is copied and its log emptied. Each answer that
a client would have got is a line in the file ACKS, written when the client would have got it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Thread

from tamiz.bootstrap.clock import SystemClock
from tamiz.domain.errors import StoreUnavailableError
from tamiz.domain.records import Lease
from tamiz.domain.status import Status
from tamiz.domain.storage import Tx
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage
from tamiz.service.accept import TRIAGE, Submission, accept
from tamiz.store import sqlite
from tamiz.store.backup import backup

LANES = 4
CLOCK = SystemClock()


class Workload:
    """The threads over one store."""

    def __init__(self, store: sqlite.SqliteStore, acks: Path, rounds: int) -> None:
        self._store, self._rounds = store, rounds
        self._acks = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def run(self) -> None:
        """All of it."""
        lanes = [Thread(target=self._accept, args=(lane,)) for lane in range(LANES)]
        for lane in lanes:
            lane.start()
        for turn in range(self._rounds):
            self._tried(self._work)
            if turn % 20 == 10:
                self._tried(lambda turn=turn: self._copy(turn))
            if turn % 20 == 19:
                self._tried(self._scrub)
        for lane in lanes:
            lane.join()

    def _accept(self, lane: int) -> None:
        random = Random(lane)
        for number in range(self._rounds):
            message = RawMessage(f"Printer {lane}-{number}", "It jams. " * random.randint(1, 300))
            self._tried(lambda message=message: self._accepted(random, message))

    def _accepted(self, random: Random, message: RawMessage) -> None:
        self._tell(
            "accepted", accept(self._store, CLOCK, random.getrandbits, Submission(message)).result().ticket_id
        )

    def _work(self) -> None:
        now = CLOCK.now()
        taken = self._store.write(
            lambda tx: tx.jobs.lease([TRIAGE], "w", 6, now, now + timedelta(seconds=600))
        )
        for lease in taken:
            self._store.write(lambda tx, lease=lease: _finish(tx, lease))
            self._tell("finished", lease.job.subject)

    def _copy(self, turn: int) -> None:
        name = f"copy-{turn}.sqlite"
        backup(self._store.path.parent, self._store.path.with_name(name))
        self._tell("copied", name)

    def _scrub(self) -> None:
        self._store.scrub()

    def _tried(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreUnavailableError:
            self._tell("refused", "-")

    def _tell(self, what: str, name: str) -> None:
        os.write(self._acks, f"{what} {name}\n".encode())


def _finish(tx: Tx, lease: Lease) -> None:
    tx.jobs.finish(lease)
    tx.tickets.move(DEFAULT_TENANT, lease.job.subject, Status.NEEDS_HUMAN, CLOCK.now())


def main(folder: str, acks: str, synchronous: str, rounds: str, log_bytes: str) -> None:
    """The whole life of a store. A smaller log than usual makes for more checkpoints in fewer writes."""
    sqlite._WAL_BYTES = int(log_bytes)
    sqlite._WRITER_PRAGMAS["journal_size_limit"] = int(log_bytes) // 2
    store = sqlite.SqliteStore(Path(folder))
    store._writer.between(lambda c: c.execute(f"PRAGMA synchronous = {synchronous}").fetchall()).result()
    Workload(store, Path(acks), int(rounds)).run()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
