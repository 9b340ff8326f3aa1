"""What the tests of the embedded store share."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

T0 = datetime(2025, 6, 1, tzinfo=UTC)

PREAMBLE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.store.sqlite import SqliteStore

folder, T0 = Path(sys.argv[1]), datetime(2025, 6, 1, tzinfo=UTC)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator:
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    from tamiz.store.sqlite import SqliteStore

    opened = SqliteStore(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def ticket() -> Callable:
    """Makes tickets by number, a second apart."""
    from tamiz.domain.ticket import RawMessage, Ticket

    def make(number: int, body: str = "The VPN drops.", tenant: str = "acme") -> Ticket:
        return Ticket(f"t{number:06}", RawMessage("VPN", body), T0 + timedelta(seconds=number), tenant)

    return make


@pytest.fixture
def child() -> Iterator[Callable]:
    """Starts Python code over a data folder in another process; whatever still runs at the end is killed."""
    started: list[subprocess.Popen] = []

    def start(code: str, folder: Path) -> subprocess.Popen:
        command = [sys.executable, "-W", "error", "-c", PREAMBLE + code, str(folder)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
