"""The fake desk does what it is told, once for each time that it is told, and fails as planned."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from tamiz.domain.desk import Change, Desk, DeskError, Draft, Trouble
from tamiz.testing.desk_faults import Fault, FaultPlan
from tamiz.testing.fake_desk import SIGNATURE, FakeDesk
from tamiz.testing.manual_clock import ManualClock

HIGH = Change({"priority": "High"}, marker="k")


def made(*faults: Fault | None, call: str = "update", **plan) -> tuple[FakeDesk, ManualClock]:
    clock = ManualClock()
    desk = FakeDesk(clock, faults=FaultPlan(Random(1), **plan).then(call, faults), page=2)
    desk.put("IT-1", subject="VPN", fields={"priority": None})
    return desk, clock


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
def test_faults_do_what_they_say(fault, read, at_once, later, again) -> None:
    desk, clock = made(fault)
    assert trouble(desk, lambda: desk.update("IT-1", HIGH)) is read
    assert desk.count("k") == at_once
    clock.pause(61.0)
    assert desk.count("k") == later
    assert trouble(desk, lambda: desk.update("IT-1", HIGH)) is again
    assert desk.count("k") == later + (again is None)  # it keeps nobody from writing twice


def test_a_write_that_expects_another_version_is_refused() -> None:
    desk, _ = made()
    first = desk.get("IT-1")
    second = desk.update("IT-1", Change({"priority": "Low"}, first.version))
    assert second.version != first.version
    stale = Change({"priority": "High"}, first.version)
    assert trouble(desk, lambda: desk.update("IT-1", stale)) is Trouble.CONFLICT
    assert desk.get("IT-1") == second


@pytest.mark.parametrize("compares, value", [(True, "Low"), (False, "High")])
def test_a_late_write_meets_a_persons_edit(compares, value) -> None:
    clock = ManualClock()
    desk = FakeDesk(clock, faults=FaultPlan().then("update", [Fault.LATE]), compares=compares)
    version = desk.put("IT-1").version
    assert (
        trouble(desk, lambda: desk.update("IT-1", Change({"priority": "High"}, version))) is Trouble.UNKNOWN
    )
    desk.edit("IT-1", {"priority": "Low"})
    clock.pause(61.0)
    assert desk.shown("IT-1").fields["priority"] == value


def test_markers_show_when_the_index_has_them() -> None:
    desk, clock = made(lag=30.0)
    desk.add_internal_note("IT-1", "text", "n1")
    opened = desk.create(Draft("s", "b"), "c1")
    assert desk.get("IT-1").markers == opened.markers == frozenset()
    clock.pause(30.0)
    assert desk.get("IT-1").markers == {"n1"}
    assert desk.get(opened.id).markers == {"c1"}
    assert [one.act for one in desk.ledger] == ["note", "create"]


def test_changes_come_page_by_page_oldest_first_and_late() -> None:
    desk, clock = made(lag=5.0)
    for number in range(2, 6):
        clock.pause(1.0)
        desk.put(f"IT-{number}")

    def ids() -> list[str]:
        found, cursor = [], ""
        while True:
            page = desk.list_changed(clock.start + timedelta(seconds=1), cursor)
            found += [one.id for one in page.tickets]
            cursor = page.cursor
            if not cursor:
                return found

    assert ids() == []
    clock.pause(3.0)
    assert ids() == ["IT-2", "IT-3"]
    clock.pause(2.0)
    assert ids() == ["IT-2", "IT-3", "IT-4", "IT-5"]


def test_webhooks_are_signed() -> None:
    desk, _ = made()
    headers, body = desk.webhooks[-1]
    assert desk.parse_webhook(headers, body).ticket_id == "IT-1"
    with pytest.raises(DeskError):
        desk.parse_webhook({SIGNATURE: "0" * 64}, body)
    with pytest.raises(DeskError):
        desk.parse_webhook(headers, body + b" ")


def test_people_close_and_delete() -> None:
    desk, _ = made()
    desk.close("IT-1")
    assert desk.get("IT-1").closed
    desk.delete("IT-1")
    assert trouble(desk, lambda: desk.get("IT-1")) is Trouble.GONE
    assert [(one.actor, one.act) for one in desk.ledger] == [("person", "close"), ("person", "delete")]
    assert desk.discover().compares


def test_a_digest_is_the_same_with_and_without_empty_fields() -> None:
    desk, _ = made()
    before = desk.get("IT-1").digest
    assert desk.edit("IT-1", {"other": None}).digest == before
    assert desk.edit("IT-1", {"other": "x"}).digest != before


def test_rates_are_kept_and_replayed_from_a_seed() -> None:
    rates = {Fault.RESET_AFTER: 0.2, Fault.THROTTLED: 0.1}

    def drawn(writes: bool) -> list[Fault | None]:
        plan = FaultPlan(Random(3), rates)
        return [plan.draw("update", writes=writes) for _ in range(2000)]

    assert drawn(True) == drawn(True)
    assert drawn(True).count(Fault.RESET_AFTER) == pytest.approx(400, abs=60)
    assert set(drawn(False)) == {None, Fault.THROTTLED}
