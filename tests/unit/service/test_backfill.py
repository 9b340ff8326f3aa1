"""Solved tickets of the past: kept once each, read by a model behind what is alive, and never asked of a language model."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from tamiz.domain.errors import BadCorrectionError, ConfigError, DataError, DuplicateError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Written
from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Source
from tamiz.jobs import LoopSettings, Worker
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.service.accept import ENRICH, TRIAGE, Submission, accept
from tamiz.service.backfill import LANE, MOST_ROWS, MOST_TEXT, Chunk, Past, cut, fitting, left, remember
from tamiz.service.judge import Judge
from tamiz.service.work import Triaging
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.memory_store import MemoryStore
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter
from tamiz.text import canonicalize

TAXONOMY = default_taxonomy()
TENANT = "default"
CATEGORY = TAXONOMY.field(TAXONOMY.primary)
SURE = {f.name: (f.classes[0], 0.9) for f in TAXONOMY.predicted}
CHILD = next(f for f in TAXONOMY.choices if f.parent == CATEGORY.name)
DERIVED = next(f for f in TAXONOMY.choices if f.matrix)


class House:
    """A store, and workers that take one step when told."""

    def __init__(self, store=None) -> None:
        self.store, self.clock, self.bits = store or MemoryStore(), ManualClock(), Random(1).getrandbits
        writer = ScriptedWriter(TAXONOMY, lambda question: Written({}, 0.0, "a summary"))
        model = ScriptedModel(TAXONOMY, lambda text: SURE)
        self.judge = Judge(model, Policy(), canonicalize, Cascade(writer, summary=SummaryMode.LLM))
        self.done = []

    def remember(self, *tickets: Past, tenant: str = TENANT, **more):
        chunk = Chunk(tickets, **more)
        return remember(self.store, self.clock, self.bits, TAXONOMY, tenant, chunk, "ana")

    def work(self, kind: str = TRIAGE, batch: int = 8) -> int:
        handler = Triaging(
            self.store, lambda tenant: self.judge, self.clock, self.bits, self.done.append, kind == ENRICH
        )
        loop = LoopSettings(batch=batch)
        return Worker(self.store, {kind: handler}, "w", self.clock, Random(0), loop).step()

    def tickets(self, tenant: str = TENANT):
        return self.store.read(lambda tx: tx.tickets.page(tenant, TicketQuery()))

    def audit(self):
        return self.store.read(lambda tx: tx.audit.after(TENANT))


def past(number: int = 1, body: str = "The VPN drops.", **values: str | None) -> Past:
    return Past(f"INC{number}", "VPN", body, values or {CATEGORY.name: CATEGORY.keys[0]})


@pytest.fixture(params=["memory", "sqlite"])
def house(request, tmp_path):
    if request.param == "memory":
        yield House()
        return
    pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
    pytest.importorskip("cryptography", reason="the vault needs cryptography")
    from tamiz.store.sqlite import SqliteStore

    store = SqliteStore(tmp_path / "store")
    yield House(store)
    store.close()


def test_a_solved_ticket_is_kept_with_what_people_said_of_it(house) -> None:
    came = house.clock.now() - timedelta(days=90)
    given = {CATEGORY.name: CATEGORY.keys[0], CHILD.name: CHILD.allowed(CATEGORY.keys[0])[0]}
    told = house.remember(Past("INC1", "VPN", "drops", given, came), desk="itsm", note="backfill of a.csv")
    assert (told.added, told.there, told.other) == (1, 0, ())
    [ticket] = house.tickets()
    assert (ticket.status, ticket.received_at, ticket.revision) == (Status.CORRECTED, came, 0)
    assert (ticket.source.desk, ticket.source.external_id, ticket.source.past) == ("itsm", "INC1", True)
    words = house.store.read(lambda tx: tx.tickets.corrections(TENANT))
    assert [(one.field, one.value, one.by, one.at, one.note) for one in words] == [
        (name, value, "history", came, "backfill of a.csv") for name, value in given.items()
    ]
    assert [(one.actor, one.act, one.subject, dict(one.detail)) for one in house.audit()] == [
        ("ana", "backfill", "itsm", {"tickets": "1", "account": "history"})
    ]


def test_what_is_there_is_not_kept_again(house) -> None:
    assert house.remember(past(1), past(2)).added == 2
    told = house.remember(past(1), past(2), past(3), past(3))
    assert (told.added, told.there, told.other) == (1, 3, ())
    assert house.remember(past(1), past(2)).there == 2
    assert (len(house.tickets()), left(house.store, TENANT), len(house.audit())) == (3, 3, 2)
    assert house.remember(past(1), desk="other").added == 1
    assert house.remember(past(1), tenant="b").added == 1


def test_another_content_under_a_known_id_is_told_and_changes_nothing(house) -> None:
    house.remember(past(1))
    before = house.tickets()
    for _ in range(2):  # once with something new beside it, once without
        told = house.remember(past(1, "Something else."), past(2))
        assert told.other == ("INC1",)
    assert len(house.tickets()) == 2
    live = house.store.read(lambda tx: tx.tickets.by_source(TENANT, "history", "INC1"))
    assert live.version == before[0].version


def test_a_live_ticket_of_the_desk_stays_as_it_is(house) -> None:
    accept(
        house.store, house.clock, house.bits, Submission(RawMessage("", "x"), source=Source("itsm", "INC1"))
    ).result()
    told = house.remember(past(1), desk="itsm")
    assert (told.added, told.there, told.other) == (0, 1, ())


def test_live_tickets_go_first_and_no_language_model_is_asked(house) -> None:
    house.remember(*(past(number) for number in range(3)))
    live = accept(house.store, house.clock, house.bits, Submission(RawMessage("VPN", "down"))).result()
    assert house.work(batch=1) == 1
    assert [done.record.id for done in house.done] == [live.ticket_id]
    assert house.work(ENRICH) == 1
    assert house.work() == 3
    assert left(house.store, TENANT) == house.work(ENRICH) == 0
    assert house.store.read(lambda tx: tx.jobs.states()) == []
    old = [one for one in house.tickets() if one.source.past]
    assert {(one.status, one.revision) for one in old} == {(Status.CORRECTED, 1)}


def test_a_ticket_does_not_come_from_the_future(house) -> None:
    later = house.clock.now() + timedelta(days=1)
    house.remember(Past("1", "", "x", {CATEGORY.name: CATEGORY.keys[0]}, later))
    assert house.tickets()[0].received_at == house.clock.now()


WRONG = [
    (Past("", "a", "b", {CATEGORY.name: CATEGORY.keys[0]}), DataError, "its id is empty"),
    (Past("a\nb", "a", "b", {CATEGORY.name: CATEGORY.keys[0]}), DataError, "not printable"),
    (Past("1", " ", "\n", {CATEGORY.name: CATEGORY.keys[0]}), DataError, "has no text"),
    (Past("1", "", "x" * (MOST_TEXT + 1), {CATEGORY.name: CATEGORY.keys[0]}), DataError, "1,000,001 bytes"),
    (Past("1", "", "\U0001f600" * (MOST_TEXT // 3), {CATEGORY.name: CATEGORY.keys[0]}), DataError, "bytes"),
    (Past("1", "a", "b", {}), DataError, "names no field"),
    (Past("1", "a", "b", {"colour": "red"}), DataError, "there is no field 'colour'"),
    (Past("1", "a", "b", {CATEGORY.name: "red"}), DataError, "'red' is no value of category"),
]


@pytest.mark.parametrize(("wrong", "error", "told"), WRONG, ids=[case[2] for case in WRONG])
def test_what_cannot_be_kept_is_refused_with_its_chunk(wrong, error, told) -> None:
    house = House()
    with pytest.raises(error, match=told):
        house.remember(past(7), wrong)
    assert house.tickets() == []


def test_a_chunk_has_a_size_a_desk_and_an_account() -> None:
    house = House()
    with pytest.raises(DataError, match=f"{MOST_ROWS} are the most"):
        house.remember(*(past(number) for number in range(MOST_ROWS + 1)))
    for more in ({"desk": "No Desk"}, {"desk": ""}, {"account": " "}, {"account": "a\nb"}):
        with pytest.raises(ConfigError):
            house.remember(past(), **more)
    with pytest.raises(BadCorrectionError, match="note"):
        house.remember(past(), note="\0")


def test_values_that_do_not_go_together_are_told_apart() -> None:
    above = CATEGORY.keys[0]
    strange = next(key for key in CHILD.keys if key not in CHILD.allowed(above))
    rows, columns = TAXONOMY.field(DERIVED.matrix.rows), TAXONOMY.field(DERIVED.matrix.columns)
    cell = DERIVED.matrix.at(rows.keys[0], columns.keys[0])
    other = next(key for key in DERIVED.keys if key != cell)
    severe = {rows.name: rows.keys[0], columns.name: columns.keys[0]}
    kept, dropped = fitting(
        TAXONOMY, {**severe, DERIVED.name: other, CATEGORY.name: above, CHILD.name: strange}
    )
    assert kept == {**severe, CATEGORY.name: above}
    assert list(dropped) == [one.name for one in TAXONOMY.choices if one in (CHILD, DERIVED)]
    assert f"below {CATEGORY.name} '{above}'" in dropped[CHILD.name]
    assert fitting(TAXONOMY, {DERIVED.name: other}) == ({DERIVED.name: other}, {})


def test_chunks_are_small_and_lose_nobody() -> None:
    tickets = [past(number, "x" * (900_000 if number == 7 else number)) for number in range(350)]
    parts = list(cut(tickets))
    assert [one for part in parts for one in part] == tickets
    assert max(map(len, parts)) == 100
    assert [len(part) for part in parts][:3] == [7, 1, 100]
    assert list(cut([])) == []


def test_a_race_with_another_process_is_looked_at_again() -> None:
    class Racing(MemoryStore):
        """Refuses the first write as PostgreSQL does where another process was faster."""

        races = 1

        def write(self, work):
            if self.races:
                self.races -= 1
                raise DuplicateError(what="ticket")
            return super().write(work)

    assert House(Racing()).remember(past()).added == 1


def test_jobs_stand_in_a_lane_of_their_own(house) -> None:
    house.remember(past())
    [lease] = house.store.write(
        lambda tx: tx.jobs.lease(
            [TRIAGE], "w", 9, house.clock.now(), house.clock.now() + timedelta(seconds=9)
        )
    )
    assert lease.job.lane == LANE
