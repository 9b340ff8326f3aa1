"""The time of an answer tells nothing: not whether another tenant's ticket exists, and not how much of a key was right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

for package in ("fastapi", "httpx", "sqlalchemy", "alembic", "cryptography"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.records import Role
from tamiz.store.sqlite import SqliteStore

from .rig import Service, generous, running

PAIRS = 400
FAIR = 0.1
"""How far from 1/2 the share of pairs may be in which one kind took longer: five standard errors of what chance gives."""


@pytest.fixture
def service(tmp_path: Path, runner: asyncio.Runner) -> Iterator[Service]:
    with (
        closing(SqliteStore(tmp_path / "data")) as store,
        running(runner, store=store, limits=generous()) as one,
    ):
        yield one


def longer(one: Callable[[int], None], other: Callable[[int], None]) -> float:
    """The share of all pairs in which `one` took longer than `other` (Mann and Whitney 1947), asked in random order."""
    random, took = Random(3), ([], [])
    for number in range(PAIRS):
        for which in random.sample((0, 1), 2):
            ask = (one, other)[which]
            started = time.perf_counter()
            ask(number)
            took[which].append(time.perf_counter() - started)
    wins = sum((a > b) + (a == b) / 2 for a in took[0] for b in took[1])
    return wins / PAIRS**2


def test_anothers_ticket_takes_as_long_as_none(service: Service) -> None:
    theirs = [service.submit(tenant="b") for _ in range(20)]
    for address in ("/tickets/{}", "/tickets/{}/feedback"):

        def ask(ticket: str, address: str = address) -> None:
            if address.endswith("feedback"):
                answer = service.post(address.format(ticket), {"fields": {"category": "Access"}}, tenant="a")
            else:
                answer = service.get(address.format(ticket), tenant="a")
            assert answer.status_code == 404

        none = [f"{ticket[:-12]}{n:012x}" for n, ticket in enumerate(theirs)]
        share = longer(
            lambda n, ask=ask: ask(theirs[n % 20]), lambda n, ask=ask, none=none: ask(none[n % 20])
        )
        print(f"\n{address}: another's ticket took longer than none in {share:.3f} of all pairs")
        assert abs(share - 0.5) < FAIR


def test_a_key_that_is_nearly_right_takes_as_long_as_one_that_is_not(service: Service) -> None:
    """Keys are found by their SHA-256: no byte of a key is ever compared with one of another."""
    real = service.keys["b", Role.ADMIN]
    random = Random(5)

    def refused(key: str) -> None:
        assert service.get("/labels", role=None, headers={"X-API-Key": key}).status_code == 401

    def nearly(number: int) -> None:
        refused(f"{real[:-4]}{number + 0x1000:04x}"[: len(real)])

    def wholly(number: int) -> None:
        refused(f"tz_{random.getrandbits(4 * len(real)):x}"[: len(real)].ljust(len(real), "0"))

    assert service.get("/labels", role=None, headers={"X-API-Key": real}).status_code == 200
    share = longer(nearly, wholly)
    print(f"\na key that is nearly right took longer than a random one in {share:.3f} of all pairs")
    assert abs(share - 0.5) < FAIR


def test_what_another_tenant_asked_is_answered_as_slowly_as_what_nobody_asked(service: Service) -> None:
    """Measured on the real service by `tamiz.lab.bench.tenants`."""
    texts = [f"The label printer {number} in the warehouse prints blank labels" for number in range(40)]
    for text in texts[:20]:
        service.submit("b", subject="Printer", body=text)
    service.work()

    def predict(text: str) -> None:
        assert service.post("/predict", {"subject": "Printer", "body": text}, tenant="a").status_code == 200

    share = longer(lambda n: predict(texts[n % 20]), lambda n: predict(texts[20 + n % 20]))
    print(
        f"\n/predict: what another tenant asked took longer than what nobody asked in {share:.3f} of all pairs"
    )
    assert abs(share - 0.5) < FAIR
