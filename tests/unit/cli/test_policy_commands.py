"""`tamiz policy`, `tamiz replay` and `tamiz store erase --person` over a real store and the shipped model."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.server import open_store
from tamiz.bootstrap.tenants import TenantJudges
from tamiz.cli.console import settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.records import TicketQuery
from tamiz.domain.ticket import RawMessage
from tamiz.service.accept import TRIAGE, Submission, accept
from tamiz.service.work import Triaging

POLICY = """shadow = true
[fields.category]
budget = 0.01
[[rules]]
name = "VIP"
requester = ["@board.example.org"]
at_least = { urgency = "High" }
"""
MESSAGES = (
    RawMessage("Mouse", "My mouse is broken", requester="eva@board.example.org"),
    RawMessage("Share", "Please give Ana Pérez (ANA@example.org) access to the share"),
    RawMessage("VPN", "The VPN drops every ten minutes", requester="ana@example.org"),
    RawMessage("Printer", "The printer jams", requester="carl@example.org"),
)


@pytest.fixture
def filled(run, tmp_path) -> list[str]:
    """A store with four triaged tickets, and the policy file."""
    (tmp_path / "policy.toml").write_text(POLICY, "utf-8")
    store, clock, bits = open_store(settings()), SystemClock(), random.Random(0).getrandbits
    try:
        judges = TenantJudges(settings(), store, clock)
        found = [accept(store, clock, bits, Submission(message)).result().ticket_id for message in MESSAGES]
        now = clock.now()
        leases = store.write(lambda tx: tx.jobs.lease([TRIAGE], "w", 10, now, now + timedelta(seconds=60)))
        Triaging(store, judges, clock, bits)(leases)
    finally:
        store.close()
    return found


def kept() -> int:
    store = open_store(settings())
    try:
        return len(store.read(lambda tx: tx.tickets.page("default", TicketQuery())))
    finally:
        store.close()


def test_a_policy_is_checked_shown_and_rehearsed(run, filled, tmp_path) -> None:
    checked = run("policy", "check")
    assert checked.exit_code == 0
    assert "budgets: 1, rules: 1" in checked.output
    assert "In shadow" in checked.output
    assert "has not earned the right" in checked.output
    shown = run("policy", "show").output
    assert "apply, in shadow" in shown
    assert "1.0%" in shown
    assert "rule: VIP" in shown
    assert "0 of 4 tickets" in run("policy", "check", "--on", 10).output
    other = tmp_path / "other.toml"
    other.write_text(
        POLICY.replace("board", "nobody").replace("shadow = true", "[modes]\nimpact = 'off'"), "utf-8"
    )
    told = run("policy", "check", other, "--on", 10).output
    assert "4 of 4 tickets would be decided otherwise" in told
    assert "None (off)" in told


def test_a_wrong_policy_is_told_with_its_line(run, tmp_path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(POLICY.replace("category", "colour"), "utf-8")
    error = run("policy", "check", path).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith("wrong.toml:2: fields.colour: there is no such field; there are category, ")
    assert isinstance(run("policy", "show", tmp_path / "none.toml").exception, ConfigError)


def test_a_replay_says_what_a_decision_rests_on(run, filled) -> None:
    found = run("replay", filled[0])
    assert found.exit_code == 0
    for said in (
        "decides the same",
        "rule 'VIP': urgency = High",
        "outside shadow mode",
        "model starter",
        "predict ",
    ):
        assert said in found.output
    data = json.loads(run("replay", filled[0], "--json").output)
    parts = {"canonicalize", "recall", "predict", "remember", "decide"}
    assert set(data["timings_ms"]) == {"triage", *parts}
    assert data["receipt"]["policy"]["shadow"] is True
    assert data["receipt"]["neighbours"] == []
    assert "eva" not in json.dumps(data)


def test_a_person_is_shown_asked_for_and_erased(run, filled, tmp_path) -> None:
    shown = run("store", "erase", "--person", "ana@example.org", "--name", "Ana Perez")
    assert shown.exit_code == 1, "nobody said yes"
    assert "2 of 4 tickets" in shown.output
    assert filled[1] in shown.output
    assert kept() == 4
    report = tmp_path / "erased.json"
    done = run("store", "erase", "--person", "ana@example.org", "--yes", "--report", report)
    assert done.exit_code == 0
    assert "Erased: 2 of 2. Looked again: 0 left." in done.output
    assert kept() == 2
    told = json.loads(report.read_text("utf-8"))
    assert told["tickets"] == {filled[1]: ["text"], filled[2]: ["requester"]}
    assert "ana" not in report.read_text("utf-8").casefold().replace("tenant", "")
    again = run("store", "erase", "--person", "ana@example.org", "--yes")
    assert again.exit_code == 0
    assert "0 of 2 tickets." in again.output


@pytest.mark.parametrize("arguments", [(), ("--person", "x"), ("some-id", "--person", "ana@example.org")])
def test_it_takes_ids_or_a_person_who_can_be_told_apart(run, arguments) -> None:
    assert isinstance(run("store", "erase", *arguments).exception, ConfigError)
