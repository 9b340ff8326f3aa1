"""`tamiz keys` and `tamiz serve`: a key opens the real service, over real HTTP, until it is told to stop."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import ConfigError, StoreError, UnknownKeyError, UnknownTicketError

from .serving import Running

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_keys_are_made_listed_and_revoked(run) -> None:
    key = run("keys", "create", "desk", "--role", "review").output.strip()
    assert key.startswith("tz_")
    listed = run("keys", "list").output
    assert "desk" in listed
    assert key not in listed
    key_id = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed)
    assert key_id is not None
    assert run("keys", "revoke", key_id.group()).exit_code == 0
    assert isinstance(run("keys", "revoke", key_id.group()).exception, UnknownKeyError)
    assert run("keys", "create", "x", "--role", "king").exit_code == 2


@pytest.mark.parametrize(
    ("variable", "value", "mistake"),
    [
        ("TAMIZ_VAULT_KEY", "abc", "TAMIZ_VAULT_KEY"),
        ("TAMIZ_SERVE_PORT", "99999", "serve.port"),
        ("TAMIZ_STORE_URL", "not an address", "store.url"),
    ],
)
def test_a_wrong_setting_is_named(run, monkeypatch, variable, value, mistake) -> None:
    monkeypatch.setenv(variable, value)
    error = (
        run("serve", "--port", "0").exception if variable != "TAMIZ_SERVE_PORT" else run("serve").exception
    )
    assert isinstance(error, ConfigError)
    assert mistake in str(error)


def test_only_loopback_may_be_open(run) -> None:
    error = run("serve", "--open", "--host", "0.0.0.0", "--port", "0").exception
    assert isinstance(error, ConfigError)
    assert "loopback" in str(error)


def test_what_was_accepted_survives_a_kill_and_a_stop_is_clean(tmp_path, run, monkeypatch) -> None:
    first = Running(tmp_path)
    try:
        key_file = tmp_path / "home" / "first-key"
        assert key_file.stat().st_mode & 0o777 == 0o600
        key = key_file.read_text().strip()
        assert first.get("/tickets")[0] == 401
        accepted = [
            first.get("/classify", key, {"subject": "VPN", "body": f"is down, office {i}"}) for i in range(20)
        ]
        assert {status for status, _ in accepted} == {202}
        assert first.get("/health/ready")[0] == 200
    finally:
        first.stop(signal.SIGKILL)
    ticket_id = accepted[0][1]["ticket_id"]
    second = Running(tmp_path)
    try:
        for _, told in accepted:
            status, ticket = second.get(told["location"] + "?wait=20", key)
            assert (status, ticket["status"] != "Pending") == (200, True)
    finally:
        assert second.stop() == 0
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "home"))
    replayed = run("replay", ticket_id)
    assert replayed.exit_code == 0
    assert "decides the same" in replayed.output
    assert isinstance(run("replay", "none").exception, UnknownTicketError)
    copy = tmp_path / "copy.sqlite"
    assert run("store", "backup", copy).exit_code == 0
    assert run("store", "check", copy).exit_code == 0
    graph = tmp_path / "home" / "memory" / "of-another-time.graph"
    graph.parent.mkdir(exist_ok=True)
    graph.write_bytes(b"vectors")
    assert "Erased: 1 of 2" in run("store", "erase", ticket_id, "none").output
    assert not graph.exists()
    assert "Deleted: 0" in run("store", "retain", "--days", 3).output
    assert isinstance(run("replay", ticket_id).exception, UnknownTicketError)
    assert isinstance(run("store", "restore", copy).exception, StoreError)
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "other"))
    assert run("store", "restore", copy).exit_code == 0
    assert run("replay", ticket_id).exit_code == 0
    copy.write_bytes(copy.read_bytes()[:5000])
    assert run("store", "check", copy).exit_code == 5


def test_the_four_phases_end_as_they_must(tmp_path) -> None:
    service = Running(tmp_path, "--open")
    try:
        told = subprocess.run(
            [sys.executable, str(EXAMPLES / "four_phases.py"), service.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        assert "All four phases" in told.stdout
    finally:
        service.stop()


def test_a_key_may_be_called_anything_that_can_be_read(run) -> None:
    for name in ("[/b]", r"\[/b]", "[red]x"):
        assert run("keys", "create", name).exit_code == 0
    listed = run("keys", "list")
    assert (listed.exit_code, [name in listed.output for name in (" [/b]", r"\[/b]", "[red]x")]) == (
        0,
        [True] * 3,
    )


def test_a_port_that_there_is_not_is_refused_before_anything_is_opened(run, tmp_path) -> None:
    for port in ("65536", "-1"):
        assert run("serve", "--port", port).exit_code == 2
    assert not (tmp_path / "home").exists()
