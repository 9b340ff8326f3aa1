"""The fake desk does what it is told, once for each time that it is told, and fails as planned: in this process, over HTTP
through its connector, and as a process of its own."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from threading import Thread

import pytest

from tamiz.domain.desk import Change, Desk, DeskError, Draft, Trouble
from tamiz.testing.desk_faults import Fault, FaultPlan
from tamiz.testing.desk_process import DeskProcess
from tamiz.testing.desk_server import DeskServer
from tamiz.testing.desk_wire import SECRET, SIGNATURE, signature
from tamiz.testing.fake_desk import FakeDesk
from tamiz.testing.http_desk import MOST, HttpDesk
from tamiz.testing.manual_clock import ManualClock

HIGH = Change({"priority": "High"}, marker="k")


@dataclass(frozen=True)
class Made:
    """A desk, the port to it, and its time."""

    desk: FakeDesk
    port: Desk
    clock: ManualClock


Make = Callable[..., Made]


@pytest.fixture(params=["in process", "over HTTP"])
def made(request) -> Iterator[Make]:
    servers: list[DeskServer] = []

    def make(*faults: Fault | None, call: str = "update", compares: bool = True, **plan) -> Made:
        clock = ManualClock()
        chosen = FaultPlan(Random(1), **plan).then(call, faults)
        desk = FakeDesk(clock, faults=chosen, page=2, compares=compares)
        desk.put("IT-1", subject="VPN", fields={"priority": None})
        if request.param == "in process":
            return Made(desk, desk, clock)
        servers.append(DeskServer(desk, key="k").__enter__())
        return Made(desk, HttpDesk(servers[-1].url, clock, key="k"), clock)

    yield make
    for server in servers:
        server.__exit__()


def trouble(desk: Desk, work) -> Trouble | None:
    try:
        work()
    except DeskError as error:
        return desk.classify_error(error).trouble
    return None


# fault, how it is read, applied at once, applied within a minute, and what the same call meets after that
FAULTS = [
    (None, None, 1, 1, None),
    (Fault.RESET_BEFORE, Trouble.UNKNOWN, 0, 0, None),
    (Fault.RESET_AFTER, Trouble.UNKNOWN, 1, 1, None),
    (Fault.LATE, Trouble.UNKNOWN, 0, 1, None),
    (Fault.THROTTLED, Trouble.QUOTA, 0, 0, None),
    (Fault.UNAVAILABLE, Trouble.RETRY, 0, 0, None),
    (Fault.CONFLICT, Trouble.CONFLICT, 0, 0, None),
    (Fault.GONE, Trouble.GONE, 0, 0, None),
    (Fault.INVALID, Trouble.INVALID, 0, 0, None),
    (Fault.REVOKED, Trouble.AUTH, 0, 0, Trouble.AUTH),
]


@pytest.mark.parametrize("fault, read, at_once, later, again", FAULTS)
def test_faults_do_what_they_say(made: Make, fault, read, at_once, later, again) -> None:
    it = made(fault)
    assert trouble(it.port, lambda: it.port.update("IT-1", HIGH)) is read
    assert it.desk.count("k") == at_once
    it.clock.pause(61.0)
    assert it.desk.count("k") == later
    assert trouble(it.port, lambda: it.port.update("IT-1", HIGH)) is again
    assert it.desk.count("k") == later + (again is None)  # it keeps nobody from writing twice


@pytest.mark.parametrize("as_date", [False, True])
def test_a_desk_says_when_to_come_back(made: Make, as_date) -> None:
    it = made(Fault.THROTTLED, as_date=as_date)
    with pytest.raises(DeskError) as caught:
        it.port.update("IT-1", HIGH)
    outcome = it.port.classify_error(caught.value)
    assert (outcome.trouble, outcome.after) == (Trouble.QUOTA, 120.0)


def test_a_write_that_expects_another_version_is_refused(made: Make) -> None:
    it = made()
    first = it.port.get("IT-1")
    second = it.port.update("IT-1", Change({"priority": "Low"}, first.version))
    assert second.version != first.version
    stale = Change({"priority": "High"}, first.version)
    assert trouble(it.port, lambda: it.port.update("IT-1", stale)) is Trouble.CONFLICT
    assert it.port.get("IT-1") == second == it.desk.shown("IT-1")


@pytest.mark.parametrize("compares, value", [(True, "Low"), (False, "High")])
def test_a_late_write_meets_a_persons_edit(made: Make, compares, value) -> None:
    it = made(Fault.LATE, compares=compares)
    version = it.port.get("IT-1").version
    late = Change({"priority": "High"}, version)
    assert trouble(it.port, lambda: it.port.update("IT-1", late)) is Trouble.UNKNOWN
    it.desk.edit("IT-1", {"priority": "Low"})
    it.clock.pause(61.0)
    assert it.desk.shown("IT-1").fields["priority"] == value


def test_markers_show_when_the_index_has_them(made: Make) -> None:
    it = made(lag=30.0)
    it.port.add_internal_note("IT-1", "text", "n1")
    opened = it.port.create(Draft("s", "b", {"priority": "Low"}), "c1")
    assert it.port.get("IT-1").markers == opened.markers == frozenset()
    it.clock.pause(30.0)
    assert it.port.get("IT-1").markers == {"n1"}
    assert it.port.get(opened.id).markers == {"c1"}
    assert it.port.get(opened.id).fields == {"priority": "Low"}
    assert [one.act for one in it.desk.ledger] == ["note", "create"]


def test_changes_come_page_by_page_oldest_first_and_late(made: Make) -> None:
    it = made(lag=5.0)
    for number in range(2, 6):
        it.clock.pause(1.0)
        it.desk.put(f"IT-{number}")

    def ids() -> list[str]:
        found, cursor = [], ""
        while True:
            page = it.port.list_changed(it.clock.start + timedelta(seconds=1), cursor)
            found += [one.id for one in page.tickets]
            cursor = page.cursor
            if not cursor:
                return found

    assert ids() == []
    it.clock.pause(3.0)
    assert ids() == ["IT-2", "IT-3"]
    it.clock.pause(2.0)
    assert ids() == ["IT-2", "IT-3", "IT-4", "IT-5"]


def test_webhooks_are_signed(made: Make) -> None:
    it = made()
    headers, body = it.desk.webhooks[-1]
    assert it.port.parse_webhook(headers, body).ticket_id == "IT-1"
    with pytest.raises(DeskError):
        it.port.parse_webhook({SIGNATURE: "0" * 64}, body)
    with pytest.raises(DeskError):
        it.port.parse_webhook(headers, body + b" ")
    with pytest.raises(DeskError):
        it.port.parse_webhook({SIGNATURE: "ñ" * 64}, body)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"ticket": 7, "event": "x", "delivery": "d"}', b"\xff"]
)
def test_a_signed_webhook_may_say_nothing(made: Make, body: bytes) -> None:
    with pytest.raises(DeskError):
        made().port.parse_webhook({SIGNATURE: signature(SECRET, body)}, body)


def test_people_close_and_delete(made: Make) -> None:
    it = made()
    it.desk.close("IT-1")
    assert it.port.get("IT-1").closed
    it.desk.delete("IT-1")
    assert trouble(it.port, lambda: it.port.get("IT-1")) is Trouble.GONE
    assert [(one.actor, one.act) for one in it.desk.ledger] == [("person", "close"), ("person", "delete")]
    assert it.port.discover().compares


def test_a_digest_is_the_same_with_and_without_empty_fields(made: Make) -> None:
    it = made()
    before = it.port.get("IT-1").digest
    assert before == it.desk.shown("IT-1").digest
    assert it.desk.edit("IT-1", {"other": None}).digest == before
    assert it.desk.edit("IT-1", {"other": "x"}).digest != before == digest_without_other(it)


def digest_without_other(it: Made) -> str:
    it.desk.edit("IT-1", {"other": None})
    return it.port.get("IT-1").digest


def test_ids_of_any_kind_reach_the_desk(made: Make) -> None:
    it = made()
    for name in ("IT/1", "a b?c=d", "ñ#1", "..", "%2e"):
        it.desk.put(name, subject=name)
        assert it.port.get(name).subject == name


def test_rates_are_kept_and_replayed_from_a_seed() -> None:
    rates = {Fault.RESET_AFTER: 0.2, Fault.THROTTLED: 0.1}

    def drawn(writes: bool) -> list[Fault | None]:
        plan = FaultPlan(Random(3), rates)
        return [plan.draw("update", writes=writes) for _ in range(2000)]

    assert drawn(True) == drawn(True)
    assert drawn(True).count(Fault.RESET_AFTER) == pytest.approx(400, abs=60)
    assert set(drawn(False)) == {None, Fault.THROTTLED}


# Over HTTP alone


def test_a_wrong_key_is_refused_and_nothing_is_done() -> None:
    desk = FakeDesk(ManualClock())
    desk.put("IT-1")
    with DeskServer(desk, key="right") as server:
        port = HttpDesk(server.url, ManualClock(), key="wrong")
        assert trouble(port, lambda: port.update("IT-1", HIGH)) is Trouble.AUTH
    assert desk.calls == []


def test_where_nobody_listens_surely_nothing_was_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = HttpDesk(url, ManualClock())
    assert trouble(port, lambda: port.update("IT-1", HIGH)) is Trouble.RETRY


HEAD = b"HTTP/1.1 200 OK\r\n"
STRANGE = [
    ("no word", b""),
    ("no HTTP", b"hello\r\n\r\n"),
    ("a page", HEAD + b"Content-Type: text/html\r\n\r\n<html>Sign in</html>"),
    ("an end in the middle", HEAD + b"Content-Length: 1000\r\n\r\n{"),
    ("no end", HEAD + b"\r\n" + b" " * (MOST + 1)),
    ("another shape", HEAD + b'\r\n{"id": 7}'),
]


@pytest.mark.parametrize("told", [case[1] for case in STRANGE], ids=[case[0] for case in STRANGE])
def test_after_a_strange_answer_nobody_knows_what_was_done(told) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_tell, args=(listener, told))
        thread.start()
        port = HttpDesk(f"http://127.0.0.1:{listener.getsockname()[1]}", ManualClock())
        assert trouble(port, lambda: port.update("IT-1", HIGH)) is Trouble.UNKNOWN
        thread.join()


def _tell(listener: socket.socket, told: bytes) -> None:
    with listener.accept()[0] as line:
        line.recv(65_536)
        try:
            line.sendall(told)
        except ConnectionError:
            return  # it had heard enough


def test_a_desk_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = HttpDesk(f"http://127.0.0.1:{listener.getsockname()[1]}", ManualClock(), seconds=0.1)
        assert trouble(port, lambda: port.get("IT-1")) is Trouble.UNKNOWN


BAD = [("PATCH", "/tickets/IT-1", b"["), ("POST", "/tickets", b"{}"), ("GET", "/tickets?since=soon", None)]


@pytest.mark.parametrize("method, path, body", BAD)
def test_what_is_no_request_changes_nothing(method, path, body) -> None:
    desk = FakeDesk(ManualClock())
    desk.put("IT-1")
    with DeskServer(desk) as server, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(server.url + path, body, method=method), timeout=10)
    with caught.value as error:
        assert error.code == 400
        assert json.load(error)["reason"]
    assert desk.ledger == ()


def test_a_desk_of_its_own_keeps_its_ledger_through_a_kill(tmp_path) -> None:
    path, clock = tmp_path / "ledger.jsonl", ManualClock()
    with DeskProcess(path, key="k") as desk:
        desk.put("IT-1", "VPN", "It drops.", {"priority": None})
        port = HttpDesk(desk.url, clock, key="k")
        assert port.get("IT-1") == desk.shown("IT-1")
        desk.edit("IT-1", {"urgency": "Low"}, actor="ana")
        desk.fail({Fault.RESET_AFTER: 1.0})
        assert trouble(port, lambda: port.update("IT-1", HIGH)) is Trouble.UNKNOWN
        living = desk.ledger
        desk.process.kill()
        desk.process.wait()
        assert desk.ledger == living
    assert [(one.actor, dict(one.values), one.marker) for one in desk.ledger] == [
        ("ana", {"urgency": "Low"}, ""),
        ("tamiz", {"priority": "High"}, "k"),
    ]
