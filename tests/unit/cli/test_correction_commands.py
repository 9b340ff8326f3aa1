"""`tamiz corrections` while the service runs, through it, and afterwards in its store."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import ConfigError
from tamiz.domain.taxonomy_file import default_taxonomy

from .serving import Running, serving

TAXONOMY = default_taxonomy()
FIELD = TAXONOMY.field(TAXONOMY.primary)


@pytest.fixture
def service(tmp_path, run) -> Iterator[Running]:
    with serving(tmp_path) as one:
        yield one


@pytest.mark.parametrize("running", [True, False], ids=["through the service", "in the store"])
def test_an_account_is_held_lifted_and_taken_back(service: Running, run, running: bool) -> None:
    ticket = service.triaged("The VPN drops in the office")
    key = run("keys", "create", "reviews", "--role", "review").output.strip()
    label = FIELD.keys[-1]
    place = f"/tickets/{ticket['ticket_id']}"
    told = service.get(f"{place}/feedback", key, {"fields": {FIELD.name: label}})[1]
    assert told["corrected"] == {FIELD.name: label}
    if not running:
        service.stop()
    listed = run("corrections", "accounts").output
    (account,) = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed)
    assert re.search(r"reviews .* review .* believed", listed)
    assert f"{account} is held back\n" in run("corrections", "hold", account).stderr
    assert f"{account} is held back already\n" in run("corrections", "hold", account).stderr
    assert "held back since" in run("corrections", "accounts").output
    assert f"{account} is believed again\n" in run("corrections", "lift", account).stderr
    assert isinstance(run("corrections", "revert").exception, ConfigError)
    assert "There is nothing to take back." in run("corrections", "revert", "--by", "nobody").output
    shown = run("corrections", "revert", "--by", account, "--since", "1h", "--dry-run")
    assert (shown.exit_code, "1 corrections on 1 tickets." in shown.output, label in shown.output) == (
        0,
        True,
        True,
    )
    asked = run("corrections", "revert", "--id", "1")
    assert (asked.exit_code, "Take 1 corrections back?" in asked.output) == (1, True)
    assert (
        "Taken back: 1 of 1" in run("corrections", "revert", "--ticket", ticket["ticket_id"], "--yes").output
    )
    assert "There is nothing to take back." in run("corrections", "revert", "--by", account).output
    if running:
        now = service.get(place, service.key)[1]
        assert (now["status"], now["corrected"], now["triage"]) == (ticket["status"], {}, ticket["triage"])
