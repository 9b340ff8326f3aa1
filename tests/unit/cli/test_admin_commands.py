"""Commands that write work while the service runs, through it; without one they open the store."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import (
    BrokenArtifactError,
    ConfigError,
    ConflictError,
    ModelNotFoundError,
    NoEarlierModelError,
    StoreLockedError,
    UnknownKeyError,
)
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.store.lock import LOCK_FILE, FolderLock
from tamiz.store.sqlite import SqliteStore
from tamiz.testing.desk_process import DeskProcess

from .serving import Running, serving, variant

TAXONOMY = default_taxonomy()


@pytest.fixture
def service(tmp_path, run) -> Iterator[Running]:
    with serving(tmp_path) as one:
        yield one


def lock(service: Running) -> Path:
    return service.home / "store" / LOCK_FILE


def test_keys_and_desks_are_administered_while_the_service_runs(service: Running, run) -> None:
    facts = json.loads(lock(service).read_text("ascii"))
    assert lock(service).stat().st_mode & 0o777 == 0o600
    assert (facts["address"], len(facts["token"])) == (service.url, 46)
    key = run("keys", "create", "desk", "--role", "read").output.strip()
    assert service.get("/tickets", key)[0] == 200
    listed = run("keys", "list").output
    key_id = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed)[-1]
    assert run("keys", "revoke", key_id).exit_code == 0
    error = run("keys", "revoke", key_id).exception
    assert isinstance(error, UnknownKeyError)
    assert error.one_line() == f"There is no living key '{key_id}'. `tamiz keys list` shows them."
    assert "Nothing is parked" in run("desk", "parked").output
    assert "was not paused" in run("desk", "resume", "jira").output
    assert isinstance(run("desk", "retry", key_id, "triage:1").exception, ConflictError)
    assert service.stop() == 0
    assert facts["token"] not in service.told
    assert lock(service).read_text("ascii") == ""
    local = run("keys", "revoke", key_id).exception
    assert (type(local), str(local.one_line())) == (UnknownKeyError, error.one_line())
    assert run("keys", "list").output.count("desk") == 1


def test_models_are_changed_under_load(service: Running, run, tmp_path) -> None:
    variant(tmp_path, "mine")
    promised: list[str] = []
    for number, act in enumerate((("activate", "mine"), ("rollback",), ("activate", "mine"), ("rollback",))):
        tickets = [{"subject": "VPN", "body": f"drops in office {number}-{n}"} for n in range(40)]
        status, told = service.get("/tickets/batch", service.key, {"tickets": tickets})
        assert status == 202
        promised += [item["ticket_id"] for item in told["results"]]
        assert run("models", *act).exit_code == 0
    ends = {service.get(f"/tickets/{one}?wait=30", service.key)[1]["status"] for one in promised}
    assert service.stop() == 0
    assert ends <= {"Classified_By_AI", "Needs_Human"}
    store = SqliteStore(service.home / "store")
    try:
        found = [store.read(lambda tx, one=one: tx.tickets.revision("default", one)) for one in promised]
    finally:
        store.close()
    assert {revision.number for revision in found} == {1}
    hashes = {revision.triage.receipt.model: revision.triage.receipt.model_hash for revision in found}
    assert set(hashes) <= {"starter", "mine"}
    assert all(hashes[one.triage.receipt.model] == one.triage.receipt.model_hash for one in found)


def test_models_are_changed_while_the_service_runs(service: Running, run, tmp_path, monkeypatch) -> None:
    assert service.triaged("is down")["status"] != "Pending"
    variant(tmp_path, "mine")
    shown = run("models", "activate", "mine")
    assert "Active for default: mine@" in shown.stderr
    active = service.get("/models", service.key)[1]
    assert (active["active"]["name"], {one["name"] for one in active["known"]}) == (
        "mine",
        {"mine", "starter", "starter-llm"},
    )
    assert re.search(r"mine .* yes", run("models", "list").output)
    ticket = service.triaged("is down again")
    assert run("models", "rollback").stderr.strip() == "Active for default: starter"
    assert service.get("/models", service.key)[1]["active"]["name"] == "starter"
    assert isinstance(run("models", "rollback").exception, NoEarlierModelError)
    variant(tmp_path, "broken")
    assert run("models", "activate", "broken", "--tenant", "acme").exit_code == 0
    (next((service.home / "models" / "broken").glob("*")) / "encoder.json").write_text("{}", "utf-8")
    error = run("models", "activate", "broken").exception
    assert isinstance(error, BrokenArtifactError)
    assert "encoder.json has changed" in error.one_line()
    assert isinstance(run("models", "activate", "nope").exception, ModelNotFoundError)
    assert service.get("/models", service.key)[1]["active"]["name"] == "starter"
    assert service.stop() == 0
    refused = Running(tmp_path)
    refused.process.communicate(timeout=30)
    assert refused.process.returncode == BrokenArtifactError.exit_code
    assert "encoder.json has changed" in refused.told
    assert "Active for acme: starter" in run("models", "rollback", "--tenant", "acme").stderr
    assert run("replay", ticket["ticket_id"]).exit_code == 0


@pytest.mark.parametrize("running", [True, False], ids=["through the service", "in the store"])
def test_what_a_model_applied_is_taken_back(service: Running, run, tmp_path, running: bool) -> None:
    variant(tmp_path, "bold", applies=True)
    assert run("models", "activate", "bold").exit_code == 0
    tickets = [service.triaged(f"The VPN drops in office {n}") for n in range(3)]
    assert {ticket["status"] for ticket in tickets} == {"Classified_By_AI"}
    corrected = {"fields": {"urgency": "Low", "priority": None}}
    service.get(f"/tickets/{tickets[0]['ticket_id']}/feedback", service.key, corrected)
    if not running:
        service.stop()
    unknown = run("undo", "--model", "nope", "--since", "2h").exception
    assert isinstance(unknown, ModelNotFoundError)
    assert "known are: bold, starter" in unknown.one_line()
    assert isinstance(run("undo", "--model", "bold", "--since", "soon").exception, ConfigError)
    shown = run("undo", "--model", "bold", "--since", "2h", "--dry-run")
    assert (shown.exit_code, shown.output.count("asks a person") > 9) == (0, True)
    assert "3 tickets to take back" in shown.output
    asked = run("undo", "--model", "bold", "--since", "2h")
    assert (asked.exit_code, "Do this to 3 tickets?" in asked.output) == (1, True)
    one = run("undo", "--model", "bold", "--since", "1d", "--field", "category", "--yes")
    assert "Taken back: 3 of 3 tickets" in one.output
    done = run("undo", "--model", "bold", "--since", "1d", "--yes")
    assert "Taken back: 3 of 3 tickets" in done.output
    again = run("undo", "--model", "bold", "--since", "1d", "--yes")
    assert (again.exit_code, "Taken back" in again.output) == (0, False)
    if running:
        found = [service.get(f"/tickets/{one['ticket_id']}", service.key)[1] for one in tickets]
        assert {ticket["status"] for ticket in found[1:]} == {"Needs_Human"}
        assert found[1]["triage"]["fields"]["category"]["decision"] == "review"
        assert service.stop() == 0
    assert run("replay", tickets[1]["ticket_id"]).exit_code == 0


def test_what_a_model_wrote_to_a_desk_goes_back_and_what_a_rule_set_stays(run, tmp_path) -> None:
    fields = [f for f in TAXONOMY.choices if not f.parent and f.matrix is None]
    ruled, free = fields[0], fields[-1]
    rule = f'[[rules]]\nname = "all"\nset = {{ {ruled.name} = "{ruled.keys[0]}" }}\n'
    (tmp_path / "policy.toml").write_text(rule, "utf-8")
    with DeskProcess(tmp_path / "ledger.jsonl", "it") as desk:
        told = f'[[desks]]\nname = "it"\nkind = "fake"\nurl = "{desk.url}"\n'
        (tmp_path / "tamiz.toml").write_text(told, "utf-8")
        desk.put("IT-1", "VPN", "It drops.")
        variant(tmp_path, "bold", applies=True)
        service = Running(tmp_path)
        try:
            assert run("models", "activate", "bold").exit_code == 0
            service.triaged("It drops.", desk="it", external_id="IT-1")
            until(lambda: desk.shown("IT-1").fields.get(free.name))
            taken = run("undo", "--model", "bold", "--since", "1h", "--yes")
            assert "Taken back: 1 of 1 tickets" in taken.output
            assert "empty again" in taken.output
            until(lambda: desk.shown("IT-1").fields.get(free.name) is None)
            assert desk.shown("IT-1").fields[ruled.name] == ruled.keys[0]
            assert "Nothing is parked" in run("desk", "parked").output
        finally:
            service.stop()


def until(true: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if true():
            return
        pause.wait(0.1)
    raise AssertionError("not in time")


def test_a_service_without_keys_is_administered_all_the_same(run, tmp_path) -> None:
    service = Running(tmp_path, "--open")
    try:
        assert service.get("/tickets")[0] == 200
        assert service.get("/admin/keys")[0] == 401
        assert "first" in run("keys", "list").output
    finally:
        service.stop()


def test_commands_wait_for_one_another(run, tmp_path) -> None:
    assert run("keys", "list").exit_code == 0
    held = FolderLock(tmp_path / "home" / "store")
    threading.Timer(0.5, held.release).start()
    assert run("keys", "list").exit_code == 0


def test_what_somebody_else_holds_is_told(run, tmp_path) -> None:
    assert run("keys", "list").exit_code == 0
    held = FolderLock(tmp_path / "home" / "store")
    try:
        error = run("keys", "create", "x").exception
        assert isinstance(error, StoreLockedError)
        assert str(os.getpid()) in str(error)
    finally:
        held.release()


def test_what_a_killed_service_said_of_itself_leads_nobody_astray(service: Running, run) -> None:
    service.stop(signal.SIGKILL)
    assert "token" in json.loads(lock(service).read_text("ascii"))
    assert run("keys", "list").exit_code == 0


def test_a_service_that_does_not_answer_is_told(run, tmp_path) -> None:
    assert run("keys", "list").exit_code == 0
    held = FolderLock(tmp_path / "home" / "store")
    try:
        held.tell({"address": "http://127.0.0.1:9", "token": "th_x"})
        error: Any = run("keys", "list").exception
        assert (error.exit_code, "does not answer" in str(error)) == (7, True)
    finally:
        held.release()
