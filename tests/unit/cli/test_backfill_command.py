"""`tamiz backfill`, as somebody uses it for the first time: alone, and beside a running service."""

from __future__ import annotations

import csv
import re

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import ConfigError, DataError
from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.store.sqlite import SqliteStore

from .serving import Running

TAXONOMY = default_taxonomy()
ONE, TWO = TAXONOMY.field("category").keys[:2]
HEAD = ["Number", "Short description", "Description", "Category", "Urgency"]
TEXTS = [
    ("VPN", "The VPN drops every ten minutes since this morning"),
    ("Printer", "The printer on the second floor is jammed again"),
    ("Mail", "My mailbox is full and nothing can be sent any more"),
]


def rows(number: int) -> list[list[str]]:
    return [
        [f"INC{n}", TEXTS[n % 3][0], f"{TEXTS[n % 3][1]}, office {n}", (ONE, TWO)[n % 2], "High"]
        for n in range(number)
    ]


def written(path, more=(), number=6):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows(number), *more])
    return path


def kept(tmp_path):
    store = SqliteStore(tmp_path / "home" / "store")
    try:
        return store.read(lambda tx: tx.tickets.page("default", TicketQuery(limit=1000)))
    finally:
        store.close()


def test_a_dry_run_tells_and_keeps_nothing(run, tmp_path) -> None:
    path = written(tmp_path / "a.csv", [["INC9", "x", "y", "Gardening", ""]])
    told = run("backfill", path, "--dry-run")
    assert told.exit_code == 0, told.exception
    assert "category: Category; urgency: Urgency" in told.stderr
    assert "category 6, urgency 6" in told.stderr
    assert "1 × has no label that the taxonomy knows" in told.stderr
    assert "Nothing was kept; without --dry-run it would be 6 tickets." in told.stderr
    assert kept(tmp_path) == []
    assert not (tmp_path / "a.aside.csv").exists()


def test_a_repeated_import_adds_nothing_and_a_longer_file_its_new_rows(run, tmp_path) -> None:
    path = written(tmp_path / "a.csv", [["INC1", "x", "Something else", ONE, ""], ["INC9", "", "", ONE, ""]])
    first = run("backfill", path)
    assert "Imported: 6 of 8 rows." in first.stderr
    assert "6 wait for the model. `tamiz serve` reads them when it runs" in first.stderr
    assert "2 rows are put aside" in first.stderr
    with (tmp_path / "a.aside.csv").open(encoding="utf-8", newline="") as file:
        aside = list(csv.DictReader(file))
    assert [(one["line"], one["imported"]) for one in aside] == [("8", "no"), ("9", "no")]
    assert "Imported: 0 of 8 rows, 6 were there already." in run("backfill", path).stderr
    changed = [["INC7", "VPN", "A new one", ONE, ""], ["INC8", "VPN", "And another one", ONE, ""]]
    longer = written(tmp_path / "b.csv", changed)
    assert "Imported: 2 of 8 rows, 6 were there already." in run("backfill", longer).stderr
    changed[0][2] = "It says something else now"
    other = run("backfill", written(tmp_path / "c.csv", changed)).stderr
    assert "Imported: 0 of 8 rows, 7 were there already." in other
    assert "is known from an earlier import, with another content" in other
    assert (tmp_path / "c.aside.csv").read_text("utf-8").count("INC7") == 1
    assert {one.status for one in kept(tmp_path)} == {Status.CORRECTED}
    assert len(kept(tmp_path)) == 8


def test_the_model_reads_them_here_where_no_service_runs(run, tmp_path) -> None:
    told = run("backfill", written(tmp_path / "a.csv"), "--triage")
    assert told.exit_code == 0, told.exception
    assert "No imported ticket waits for the model." in told.stderr
    found = kept(tmp_path)
    assert {(one.status, one.revision, one.language) for one in found} == {(Status.CORRECTED, 1, "en")}
    assert not (tmp_path / "home" / "first-key").exists()
    assert "No imported ticket waits" in run("backfill", "--status").stderr


def test_what_goes_wrong_says_what_to_do(run, tmp_path) -> None:
    path = written(tmp_path / "a.csv", [["INC9", "", "", ONE, ""]])
    (tmp_path / "empty.csv").write_text("")
    cases = [
        ((), ConfigError, "name a file"),
        ((tmp_path / "nothing.csv",), DataError, "Check the path"),
        ((tmp_path / "empty.csv",), DataError, "the file is empty"),
        ((path, "--aside", path / "x.csv"), ConfigError, "Name a file that can with --aside"),
        ((path, "--column", "Category"), ConfigError, "of the form NAME=ROLE"),
        ((path, "--column", "Category=colour"), ConfigError, "there is no 'colour'"),
        ((path, "--column", "Category=ignore", "--column", "Urgency=ignore"), DataError, "no column labels"),
        ((path, "--desk", "No Desk"), ConfigError, "a-z 0-9"),
    ]
    for arguments, kind, words in cases:
        told = run("backfill", *arguments)
        assert isinstance(told.exception, kind), (arguments, told.exception)
        assert words in told.exception.one_line()
    assert kept(tmp_path) == []
    (tmp_path / "d.csv").write_text("Description,Category\nIt drops,Gardening\nIt jams,Cooking\n")
    told = run("backfill", tmp_path / "d.csv", "--column", "Category=category")
    assert "no row of it can be used" in told.exception.one_line()
    assert (tmp_path / "d.aside.csv").exists()


def test_it_goes_through_the_service_that_runs_and_the_past_is_found_there(run, tmp_path) -> None:
    path = written(tmp_path / "a.csv", number=250)
    service = Running(tmp_path)
    try:
        told = run("backfill", path, "--desk", "itsm")
        assert "Imported: 250 of 250 rows." in told.stderr, told.exception
        assert re.search(r"wait for the model behind all live tickets|No imported ticket waits", told.stderr)
        followed = run("backfill", path, "--desk", "itsm", "--triage").stderr
        assert "Imported: 0 of 250 rows, 250 were there already." in followed
        assert "No imported ticket waits for the model." in followed
        live = service.triaged(rows(1)[0][2])
        near = service.get(f"/tickets/{live['ticket_id']}/similar", service.key)[1]
    finally:
        assert service.stop() == 0
    assert live["triage"]["fields"]["category"]["value"] == ONE  # what people said of the same text before
    assert near["searched"] == 250
    assert {one["resolved_by"] for one in near["similar"]} == {"person"}
    assert {one["labels"]["category"] for one in near["similar"]} <= {ONE, TWO}
    assert len(kept(tmp_path)) == 251
