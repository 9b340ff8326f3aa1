"""Kill -9 at named places and at any moment: what was accepted is there, once, triaged once, and written to its desk once.

The short version makes two dozen kills; TAMIZ_KILLS sets how many there are (`make chaos`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random

from tamiz.testing.desk_faults import Fault
from tamiz.testing.desk_process import DeskProcess

from .campaign import Campaign, drain, kill_often, orders
from .desk_verdict import weigh_writes
from .failpoints import ACCEPTING, POINTS, STARTING
from .harness import Caller, Nursery, RealService
from .load import Load
from .plan import DESK, POISON, Plan
from .verdict import judge, kept, kept_by_control
from .watched_desk import LATE

LEDGER = "desk.jsonl"
FAULTS = {
    Fault.RESET_BEFORE: 0.03,
    Fault.RESET_AFTER: 0.03,
    Fault.LATE: 0.05,
    Fault.UNAVAILABLE: 0.02,
    Fault.CONFLICT: 0.02,
}
KILLS = int(os.environ.get("TAMIZ_KILLS", "0"))
SEED = 20_240_611


def told(name: str, campaign: Campaign, report: str) -> None:
    """The figures, for whoever runs the long version."""
    print(f"\n{name}: {report}\n{campaign.times()} died at {dict(sorted(campaign.died.items()))}")


def everywhere() -> list[str]:
    """Each place once, and two random moments. A ticket that was in hand at a kill comes first and alone: every life is
    long enough for another one."""
    often = {**dict.fromkeys(POINTS, 2), **dict.fromkeys(STARTING, 1), **dict.fromkeys(ACCEPTING, 6)}
    return [f"{name}:{count}" for name, count in often.items()] + ["", ""]


@contextmanager
def broken_desk(home: Path) -> Iterator[DeskProcess]:
    """A desk that loses and delays what it is asked. What it applies late it applies whatever has come meanwhile, so that
    only patience helps."""
    with DeskProcess(home / LEDGER, DESK, compares=False) as desk:
        desk.fail(FAULTS, SEED, late=LATE)
        yield desk


def test_kills_lose_and_double_nothing(nursery: Nursery, home: Path) -> None:
    failpoints = orders(KILLS, Random(SEED)) if KILLS else everywhere()
    with broken_desk(home) as desk:
        campaign = kill_often(nursery.start, Plan(str(home), desk=desk.url), failpoints, SEED, desk)
        ledger = desk.ledger
    found = kept(home)
    report = judge(campaign.load.ledger, found, campaign.kills)
    writes = weigh_writes(found, ledger, campaign.load.ledger.chosen)
    told("kills", campaign, f"{report.to_json()}\ndesk: {writes.to_json()}")
    assert report.clean, report
    assert writes.clean, writes
    assert report.accepted > campaign.kills
    assert writes.decided > 0.9 * report.accepted
    assert writes.applied > 0.8 * writes.decided
    assert writes.again
    # Three kills in a row can find the same innocent ticket in hand, where no process lives long enough to finish one.
    # Some 5 % of the kills bury or park something; with two dozen kills more than five do in one campaign of a thousand.
    assert report.buried + writes.parked <= max(5, campaign.kills // 10)
    assert campaign.died.keys() - {"at rest"} == {*POINTS, "any moment"}


def test_the_control_loses_tickets_in_the_same_harness(nursery: Nursery, home: Path) -> None:
    kills = max(6, KILLS // 10)
    plan = Plan(str(home), "naive", seconds=0.002)
    campaign = kill_often(nursery.start, plan, [""] * kills, SEED)
    report = judge(campaign.load.ledger, kept_by_control(home), campaign.kills)
    told("control", campaign, report.to_json())
    assert report.lost > kills


def test_the_control_writes_to_the_desk_twice_in_the_same_harness(nursery: Nursery, home: Path) -> None:
    kills = max(6, KILLS // 10)
    places = ("call:sent:5", "call:answered:5", "")
    with broken_desk(home) as desk:
        plan = Plan(str(home), "blind", desk=desk.url)
        failpoints = islice(cycle(places), kills)
        campaign = kill_often(nursery.start, plan, failpoints, SEED, desk)
        ledger = desk.ledger
    found = kept(home)
    report = judge(campaign.load.ledger, found, campaign.kills)
    writes = weigh_writes(found, ledger, campaign.load.ledger.chosen)
    told("blind control", campaign, f"{report.to_json()}\ndesk: {writes.to_json()}")
    assert report.clean, report
    assert writes.twice > kills
    assert writes.overwritten


def test_the_service_as_it_is_installed_survives_kills(home: Path) -> None:
    kills = max(1, KILLS // 25)

    campaign = kill_often(lambda plan: RealService(home), Plan(str(home)), [""] * kills, SEED)
    report = judge(campaign.load.ledger, kept(home), campaign.kills)
    told("installed", campaign, report.to_json())
    assert report.clean, report
    assert report.accepted


def test_a_start_killed_five_times_in_a_row_converges(nursery: Nursery, home: Path) -> None:
    load = Load(2, SEED)
    with nursery.serving(Plan(str(home), failpoint="work:leased:2")) as service:
        load.aim(service.url, 60)
        assert service.ended() is not None
    for place in (*STARTING, "lease:inside"):
        with nursery.serving(Plan(str(home), failpoint=f"{place}:1")) as service:
            assert service.wait("listening", "ended") is service.wait("ended")
    with nursery.serving(Plan(str(home))) as service:
        load.aim(service.url, 0)
        load.finish()
        drain(service)
        assert service.stop() == 0
    report = judge(load.ledger, kept(home), 6)
    assert report.clean, report
    assert report.buried == 0


def test_a_ticket_that_kills_its_worker_is_dead_after_three_and_hurts_nobody(
    nursery: Nursery, home: Path
) -> None:
    plan = Plan(str(home), seconds=0.03)
    bodies = ["It jams."] * 10 + [f"It says {POISON} again."] + ["It jams."] * 10
    with nursery.serving(plan) as service:
        caller = Caller(service.url)
        tickets = [{"subject": f"Printer {number}", "body": body} for number, body in enumerate(bodies)]
        _, told = caller.ask("/tickets/batch", {"tickets": tickets})
        caller.close()
        assert service.ended() == -signal.SIGKILL
    accepted = [item["ticket_id"] for item in told["results"]]
    for death in (2, 3):
        with nursery.serving(plan) as service:
            assert service.ended() == -signal.SIGKILL, f"death {death}"
    with nursery.serving(plan) as service:
        drain(service)
        assert service.stop() == 0
    found, poison = kept(home), accepted[10]
    assert found.dead == {poison}
    assert found.statuses[poison] == "Failed"
    assert {found.triages[one] for one in accepted if one != poison} == {1}
