"""Desks in the settings: every mistake is named, keys come from the environment alone, and without desks nothing is there."""

from __future__ import annotations

import io
import json
import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

for package in ("sqlalchemy", "alembic", "cryptography", "prometheus_client"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.bootstrap.desks import find_seats
from tamiz.bootstrap.server import Service, mourner, open_service
from tamiz.bootstrap.settings import FILE_NAME, Settings, load_settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.outbox import EffectState
from tamiz.domain.records import Job, Lease
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage, Source
from tamiz.observe.logs import ROOT, to_stream
from tamiz.service.accept import PUSH, Submission, accept
from tamiz.testing.desk_server import DeskServer
from tamiz.testing.fake_desk import FakeDesk
from tamiz.testing.manual_clock import ManualClock

TAXONOMY = default_taxonomy()
FIELD = TAXONOMY.primary
LABEL, OTHER = TAXONOMY.field(FIELD).keys[:2]
DESK = '[[desks]]\nname = "it"\nkind = "fake"\nurl = "http://127.0.0.1:9"\n'
SECRET_WORDS = "the launch code is hunter2"


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    (folder / FILE_NAME).write_text(text, "utf-8")
    found = load_settings({"TAMIZ_HOME": str(folder / "home"), **environ}, folder)
    return found.model_copy(
        update={"serve": found.serve.model_copy(update={"policy": folder / "policy.toml"})}
    )


MISTAKES = [
    (DESK.replace('kind = "fake"\n', ""), "desks.0.kind", "required"),
    (DESK.replace("http:", "ftp:"), "desks.0.url", "http"),
    (DESK.replace("127.0.0.1:9", "["), "desks.0.url", "http"),
    (DESK.replace("127.0.0.1", "ana:hunter2@desk"), "desks.0", "TAMIZ_DESKS_DEFAULT_IT_KEY"),
    (DESK + 'key = "hunter2"\n', "desks.0", "TAMIZ_DESKS_DEFAULT_IT_KEY"),
    (DESK + "colour = 1\n", "desks.0.colour", "not permitted"),
    (DESK.replace('"it"', '"Our Desk"'), "desks.0.name", "pattern"),
    (DESK.replace('"it"', '"api"'), "desks.0.name", "no desk"),
    (DESK + DESK, "desks.0.name", "another desk"),
    (DESK + DESK.replace('"it"', '"c"\ntenant = "a_b"') + DESK.replace('"it"', '"b_c"\ntenant = "a"'), "desks.1.name", "TAMIZ_DESKS_A_B_C_KEY"),
    ("[desks]\nname = 'it'\n", "desks", "tuple"),
    ("[push]\nquiescence = 0\n", "push.quiescence", "greater"),
]  # fmt: skip


@pytest.mark.parametrize("text, key, mistake", MISTAKES)
def test_a_wrong_desk_is_named(tmp_path, text, key, mistake) -> None:
    with pytest.raises(ConfigError, match=mistake) as caught:
        loaded(tmp_path, text)
    assert caught.value.facts["key"] == key
    assert "hunter2" not in str(caught.value)


NO_SUCH = [
    (DESK.replace('"fake"', '"abacus"'), "desks.0.kind", "fake"),
    (DESK + 'writes = ["colour"]\n', "desks.0.writes", FIELD),
    (DESK + 'defaults = { colour = "red" }\n', "desks.0.defaults", FIELD),
]


@pytest.mark.parametrize("text, key, mistake", NO_SUCH)
def test_a_service_is_not_opened_over_what_there_is_not(tmp_path, text, key, mistake) -> None:
    chosen = loaded(tmp_path, text)
    with pytest.raises(ConfigError, match=mistake) as caught:
        find_seats(chosen.desks, lambda tenant: TAXONOMY, ManualClock())
    assert caught.value.facts["key"] == key


def test_a_desk_is_its_tenants_and_its_key_comes_from_the_environment(tmp_path) -> None:
    text = DESK + f'tenant = "acme-1"\nwrites = ["{FIELD}"]\ndefaults = {{ {FIELD} = "None" }}\n'
    chosen = loaded(tmp_path, text, TAMIZ_DESKS_ACME_1_IT_KEY="hunter2", TAMIZ_PUSH_QUIESCENCE="7.5")
    assert chosen.desks[0].key.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(chosen)
    assert chosen.push.quiescence == 7.5
    seats = find_seats(chosen.desks, lambda tenant: TAXONOMY, ManualClock())
    assert seats(DEFAULT_TENANT, "it") is seats("acme-1", "other") is None
    seat = seats("acme-1", "it")
    assert seat is not None
    assert (seat.fields, seat.free) == (frozenset({FIELD}), {FIELD: frozenset({"None"})})


# Whole services


@contextmanager
def opened(folder: Path, text: str, rule: str = "", **environ: str) -> Iterator[Service]:
    rule = rule or f'[[rules]]\nname = "all"\nset = {{ {FIELD} = "{LABEL}" }}\n'
    (folder / "policy.toml").write_text(rule, "utf-8")
    service = open_service(loaded(folder, text, **environ))
    service.start()
    try:
        yield service
    finally:
        service.stop(5.0)


def handed_in(service: Service, name: str, desk: str = "it") -> str:
    submission = Submission(RawMessage("VPN", SECRET_WORDS), source=Source(desk, name, "v1"))
    bits = random.SystemRandom().getrandbits
    return accept(service.store, service.clock, bits, submission).result().ticket_id


def until(service: Service, true: Callable[[], bool]) -> None:
    ends, pause = service.clock.monotonic() + 60.0, threading.Event()
    while not true():
        assert service.clock.monotonic() < ends, "not in time"
        pause.wait(0.02)


def status(service: Service, ticket: str) -> Status:
    record = service.store.read(lambda tx: tx.tickets.get(DEFAULT_TENANT, ticket))
    assert record is not None
    return record.status


def states(service: Service, ticket: str) -> list[EffectState]:
    return [one.state for one in service.store.read(lambda tx: tx.outbox.of_ticket(DEFAULT_TENANT, ticket))]


def test_without_desks_there_is_no_worker_and_no_row(tmp_path) -> None:
    with opened(tmp_path, "") as service:
        ticket = handed_in(service, "IT-1")
        until(service, lambda: status(service, ticket) is not Status.PENDING)
        assert all(PUSH not in state.kinds for state in service.pool.states())
        assert states(service, ticket) == []
        assert service.store.read(lambda tx: tx.jobs.states()) == []


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = to_stream(stream)
    yield stream
    logging.getLogger(ROOT).removeHandler(handler)


def test_what_is_applied_is_written_and_told_without_a_word_of_the_ticket(tmp_path, logs) -> None:
    desk = FakeDesk(ManualClock(), "it")
    desk.put("IT-1")
    desk.put("IT-2", fields={FIELD: OTHER})  # a person's choice
    desk.put("IT-3", fields={FIELD: "To be sorted"})  # nobody's
    with DeskServer(desk, key="k") as server:
        text = DESK.replace("http://127.0.0.1:9", server.url) + f'defaults = {{ {FIELD} = "To be sorted" }}\n'
        with opened(tmp_path, text, TAMIZ_DESKS_DEFAULT_IT_KEY="k") as service:
            tickets = [handed_in(service, f"IT-{number}") for number in (1, 2, 3)]
            elsewhere = handed_in(service, "IT-1", "other")
            until(
                service,
                lambda: (
                    all(states(service, one) not in ([], [EffectState.PLANNED]) for one in tickets)
                    and status(service, elsewhere) is not Status.PENDING
                    and not service.store.read(lambda tx: tx.jobs.states())
                ),
            )
            assert states(service, elsewhere) == []
            scraped = service.scrape()
    assert [desk.shown(f"IT-{n}").fields[FIELD] for n in (1, 2, 3)] == [LABEL, OTHER, LABEL]
    assert [one.actor for one in desk.ledger] == ["tamiz", "tamiz"]
    assert 'tamiz_pushes_total{desk="it",outcome="done"} 2.0' in scraped
    assert 'tamiz_pushes_total{desk="it",outcome="skipped"} 1.0' in scraped
    told = [json.loads(line) for line in logs.getvalue().splitlines()]
    pushes = {one["ticket"]: one["outcome"] for one in told if one["event"] == "push"}
    assert pushes == dict(zip(tickets, ("done", "skipped", "done"), strict=True))
    assert "hunter2" not in logs.getvalue() + scraped


def test_only_the_fields_that_the_settings_name_are_written(tmp_path) -> None:
    desk = FakeDesk(ManualClock(), "it")
    desk.put("IT-1")
    urgency = next(f for f in TAXONOMY.predicted if f.ordered)
    rule = f'[[rules]]\nname = "all"\nset = {{ {FIELD} = "{LABEL}", {urgency.name} = "{urgency.keys[0]}" }}\n'
    with DeskServer(desk) as server:
        text = DESK.replace("http://127.0.0.1:9", server.url) + f'writes = ["{urgency.name}"]\n'
        with opened(tmp_path, text, rule) as service:
            ticket = handed_in(service, "IT-1")
            until(service, lambda: states(service, ticket) == [EffectState.DONE])
    assert [dict(one.values) for one in desk.ledger] == [{urgency.name: urgency.keys[0]}]


def test_a_desk_that_never_answers_keeps_no_ticket_waiting(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60.0)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with opened(tmp_path, DESK.replace("http://127.0.0.1:9", url)) as service:
            first = handed_in(service, "IT-1")
            line = silent.accept()[0]  # a push hangs on it from now on
            rest = [handed_in(service, f"IT-{number}") for number in range(2, 12)]
            until(service, lambda: all(status(service, one) is not Status.PENDING for one in rest))
            assert states(service, first) == [EffectState.PLANNED]
            line.close()


def test_a_revoked_key_pauses_the_desk_and_is_told(tmp_path) -> None:
    desk = FakeDesk(ManualClock(), "it")
    desk.put("IT-1")
    with (
        DeskServer(desk, key="another") as server,
        opened(tmp_path, DESK.replace("http://127.0.0.1:9", server.url)) as service,
    ):
        ticket = handed_in(service, "IT-1")
        until(service, lambda: 'tamiz_desk_pauses_total{desk="it"} 1.0' in service.scrape())
        assert states(service, ticket) == [EffectState.PLANNED]


def test_a_buried_push_leaves_a_parked_effect_that_people_see(tmp_path) -> None:
    with opened(tmp_path, DESK) as service:  # nobody listens there
        ticket = handed_in(service, "IT-1")
        until(service, lambda: states(service, ticket) == [EffectState.PLANNED])
        lease = Lease(
            Job("j", DEFAULT_TENANT, PUSH, ticket, service.clock.now()), "w", 1, service.clock.now()
        )
        service.store.write(lambda tx: mourner(service.clock)(tx, lease))
        assert states(service, ticket) == [EffectState.PARKED]
        assert status(service, ticket) is Status.NEEDS_HUMAN
