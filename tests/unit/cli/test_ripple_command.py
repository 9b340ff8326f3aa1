"""`tamiz corrections ripple` while the service runs, through it, and afterwards in its store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.taxonomy_file import default_taxonomy

from .serving import Running, serving

TAXONOMY = default_taxonomy()
FIELD = TAXONOMY.field(TAXONOMY.primary)
BODY = "My badge does not open the turnstile any more"


@pytest.fixture
def service(tmp_path, run) -> Iterator[Running]:
    with serving(tmp_path) as one:
        yield one


@pytest.mark.parametrize("running", [True, False], ids=["through the service", "in the store"])
def test_a_correction_is_shown_and_done_in_the_tickets_before_it(
    service: Running, run, running: bool
) -> None:
    assert "Nobody has corrected a ticket." in run("corrections", "ripple").output
    first, same = (service.triaged(BODY) for _ in range(2))
    assert same["recall"]["ticket_id"] == first["ticket_id"]
    before = first["compact"][FIELD.name]
    after = next(label for label in FIELD.keys if label != before)
    place = f"/tickets/{first['ticket_id']}"
    service.get(f"{place}/feedback", service.key, {"fields": {FIELD.name: after}})
    if not running:
        service.stop()
    shown = run("corrections", "ripple")
    for text in (
        same["ticket_id"],
        "had its answer",
        f"{FIELD.name}: {before} → {after}",
        "change 1 of them",
    ):
        assert text in shown.output
    assert "Nothing was changed" in shown.stderr
    done = run("corrections", "ripple", first["ticket_id"], "--apply")
    assert "Decided anew: 1 of 1 tickets" in done.stderr
    assert "change 0 of them" in run("corrections", "ripple", "--apply").output
    assert isinstance(run("corrections", "ripple", "nothing").exception, UnknownTicketError)
    if running:
        status, found = service.get(f"/tickets/{same['ticket_id']}", service.key)
        assert (status, found["compact"][FIELD.name], found["recall"]["by_person"]) == (200, after, True)
        service.stop()
    replayed = run("replay", same["ticket_id"])
    assert replayed.exit_code == 0, replayed.output
    assert "Triage 2: the receipt decides the same" in replayed.output
    assert f"a person's answer to ticket {first['ticket_id']}" in replayed.output
    assert f"people said {after} in {FIELD.name}" in replayed.output
