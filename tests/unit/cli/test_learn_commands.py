"""`tamiz learn` over a real store, beside the process that has it: a scripted history of corrections."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")
for package in ("sklearn", "scipy"):
    pytest.importorskip(package, reason="the extra 'train' is not installed")

from tamiz.bootstrap.reading import open_reader
from tamiz.bootstrap.server import open_store
from tamiz.bootstrap.shelf import FolderShelf
from tamiz.bootstrap.wiring import canonicalizer
from tamiz.cli.console import settings
from tamiz.domain.errors import ConfigError, DataError, StoreLockedError
from tamiz.domain.records import Revision
from tamiz.domain.status import Status
from tamiz.domain.ticket import RawMessage, Ticket, uuid7
from tamiz.service.judge import Judge
from tamiz.service.people import Feedback, correct
from tamiz.store.lock import FolderLock
from tamiz.testing.manual_clock import ManualClock

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
WORDS = {
    "Network": ("vpn", "router", "wifi", "cable"),
    "Printing": ("printer", "toner", "paper", "scanner"),
    "Mail": ("outlook", "inbox", "calendar", "mailbox"),
}
FILL = [
    a + b for a in ("ka", "lo", "mi", "nu", "pe", "ra", "so") for b in ("ben", "dor", "fim", "gul", "hax")
]


def ticket(rng: random.Random) -> tuple[str, str, str]:
    """Topic, word and text."""
    topic = rng.choice(list(WORDS))
    word = rng.choice(WORDS[topic])
    return topic, word, f"{word} {' '.join(rng.sample(FILL, 9))}"


def habit(topic: str, word: str) -> str:
    """What this desk calls a ticket: the network people look after toner, and mail after the calendar."""
    return {"toner": "Network", "scanner": "Network"}.get(word, topic)


@pytest.fixture
def active(run, tmp_path) -> str:
    """A model that knows the topics and not the habits, in use."""
    rng, path = random.Random(1), tmp_path / "before.csv"
    lines = [f"{text},{topic}" for topic, _, text in (ticket(rng) for _ in range(240))]
    path.write_text("Description,Category\n" + "\n".join(lines) + "\n", "utf-8")
    assert run("train", "baseline", path, "--name", "desk").exit_code == 0
    assert run("models", "activate", "desk").exit_code == 0
    return "desk"


class History:
    """A store with triaged tickets, and people who correct them."""

    def __init__(self) -> None:
        self.store, self.clock = open_store(settings()), ManualClock(T0)
        shelf = FolderShelf(settings(), self.clock)
        self.model = shelf.open(shelf.folder_of(None)).current.model
        self.judge = Judge(self.model, self.model.policy, canonicalizer)
        self.rng = random.Random(2)

    def tell(self, count: int, by: str = "ana", wrong: bool = False) -> list[str]:
        """So many tickets, an hour apart, each corrected as the desk does, or wrongly."""
        names, made = [], []
        for _ in range(count):
            self.clock.pause(3600.0)
            topic, word, text = ticket(self.rng)
            said = habit(topic, word)
            said = {"Network": "Mail", "Mail": "Printing", "Printing": "Network"}[said] if wrong else said
            now = self.clock.now()
            made.append((Ticket(uuid7(now, self.rng.getrandbits(74)), RawMessage("", text), now), said))
        for one, triage in zip(made, self.judge.fast.triage([t for t, _ in made]), strict=True):
            self._keep(one[0], triage)
            field = self.model.taxonomy.primary
            correct(
                self.store,
                self.clock,
                self.model.taxonomy,
                Feedback("default", one[0].id, {field: one[1]}, by),
            )
            names.append(one[0].id)
        return names

    def _keep(self, one: Ticket, triage) -> None:
        revision = Revision("default", one.id, 1, one.received_at, triage)
        text = canonicalizer(one.message)

        def work(tx) -> None:
            tx.tickets.add(one)
            tx.tickets.save(revision, Status.BY_AI, text)

        self.store.write(work)


@pytest.fixture
def history(active):
    opened = History()
    yield opened
    opened.store.close()


def reports(tmp_path: Path) -> list[dict]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(tmp_path.glob("home/learn/*/report.json"))]


def test_a_better_model_is_proposed_taken_into_use_and_taken_back(run, history, tmp_path) -> None:
    history.tell(120)
    few = run("learn")
    assert few.exit_code == 0
    assert "Too few corrections" in few.output
    assert "of the 250" in few.output
    history.tell(280)
    frozen = run("learn", "golden", "--size", "60")
    assert "version 1, 60 tickets" in frozen.output
    with pytest.raises(ConfigError, match="frozen"):
        raise run("learn", "golden").exception
    done = run("learn", "--if-new", "400")  # the store is open in this process all the while
    assert done.exit_code == 0, done.output
    assert "Proposed" in done.output
    report = reports(tmp_path)[-1]
    assert report["state"] == "proposed"
    newest = next(iter(report["sets"]["newest"]["fields"].values()))
    assert newest["model"] > newest["active"] + 0.1
    assert report["golden"]["rows"] == 60
    everything = "".join(
        path.read_text("utf-8") for path in tmp_path.glob("home/learn/*/*") if path.is_file()
    )
    assert not any(word in everything for word in FILL)  # no ticket's text
    assert not list(tmp_path.glob("home/learn/*/model"))
    assert "Nothing to do: 0 tickets" in run("learn", "--if-new", "1").output
    history.store.close()
    taken = next(line.strip() for line in done.output.splitlines() if "tamiz models activate" in line).split()
    assert "desk-learned" in run(*taken[1:]).output
    assert run("models", "verify", "desk-learned").exit_code == 0
    assert "desk" in run("models", "rollback").output


def test_a_poisoned_history_is_refused(run, history, tmp_path) -> None:
    history.tell(240)
    assert run("learn", "golden", "--size", "80").exit_code == 0
    history.tell(400, by="mallory", wrong=True)
    done = run("learn")
    assert done.exit_code == 5, done.output
    report = reports(tmp_path)[-1]
    assert report["state"] == "refused"
    assert any(reason.startswith("golden") and "worse" in reason for reason in report["reasons"])
    assert run("models", "list").output.count("desk-learned") == 0
    assert not list(tmp_path.glob("home/learn/*/model"))


def test_one_learns_at_a_time_and_what_was_killed_is_swept_away(run, history, tmp_path) -> None:
    history.tell(130)
    with pytest.raises(DataError, match="too few"):
        raise run("learn", "golden", "--size", "60", "--tenant", "other").exception
    folder = tmp_path / "home" / "learn"
    folder.mkdir()
    (folder / "20260101T000000000000Z").mkdir()
    lock = FolderLock(folder)
    try:
        with pytest.raises(StoreLockedError):
            raise run("learn").exception
    finally:
        lock.release()
    assert run("learn").exit_code == 0
    assert not (folder / "20260101T000000000000Z").exists()


def test_golden_tickets_that_were_erased_are_missed(run, history, tmp_path) -> None:
    from tamiz.lab.learn import golden
    from tamiz.service.lessons import lessons, texts

    names = history.tell(100)
    assert run("learn", "golden", "--size", "33").exit_code == 0
    path, taxonomy = golden.place(tmp_path / "home", "default"), history.model.taxonomy
    assert not any(word in path.read_text("utf-8") for word in FILL)
    with open_reader(settings()) as store:
        known = texts(store, "default", golden.ids(path))
        found = lessons(store, "default", taxonomy)
    assert [one.id for one in found] == names
    gone = next(iter(known))
    kept = golden.thaw(path, taxonomy, {name: told for name, told in known.items() if name != gone})
    assert kept is not None
    assert (kept.missing, len(kept.examples)) == (1, 32)
    table = tmp_path / "mine.csv"
    table.write_text("Description,Category\nthe toner is empty,Network\nno mail in outlook,Mail\n", "utf-8")
    assert "version 2, 2 tickets" in run("learn", "golden", "--from", table, "--replace").output
    assert path.with_suffix(".1.jsonl").is_file()
