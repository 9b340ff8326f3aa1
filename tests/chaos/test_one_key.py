"""Fifty clients with one Idempotency-Key, over real sockets and across a kill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .harness import Caller, Nursery, Service
from .plan import Plan
from .verdict import kept

BODY = {"subject": "VPN", "body": "It drops every hour."}


def sent(service: Service, body: dict[str, str], key: str) -> tuple[int, dict[str, str]]:
    """One request on a connection of its own."""
    caller = Caller(service.url)
    try:
        return caller.ask("/classify", body, key)
    finally:
        caller.close()


def test_one_key_makes_one_ticket_however_often_it_is_sent(nursery: Nursery, home: Path) -> None:
    with nursery.serving(Plan(str(home))) as service, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: sent(service, BODY, "one"), range(50)))
        service.kill()
    assert {status for status, _ in answers} == {202}
    assert len({told["ticket_id"] for _, told in answers}) == 1
    with nursery.serving(Plan(str(home))) as service:
        assert sent(service, BODY, "one") == answers[0]
        status, _ = sent(service, {**BODY, "body": "It is fine now."}, "one")
        assert status == 409
        assert service.stop() == 0
    assert list(kept(home).subjects) == [answers[0][1]["ticket_id"]]
