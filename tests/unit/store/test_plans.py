"""Leasing and paging walk an index from its end: no statement of theirs scans or sorts a table."""

from datetime import timedelta

import pytest

pytest.importorskip("sqlalchemy", reason="the SQLite store needs SQLAlchemy")
pytest.importorskip("alembic", reason="the SQLite store needs Alembic")
pytest.importorskip("cryptography", reason="the vault needs cryptography")

from datetime import UTC, datetime

from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.store.jobs import SqlJobs
from tamiz.store.paging import page

NOW = datetime(2025, 6, 1, tzinfo=UTC)


class Explained:
    """Stands where the repositories expect their SQL, runs the statements and notes how SQLite would."""

    def __init__(self, sql) -> None:
        self._sql = sql
        self.plans: list[str] = []

    def _note(self, statement: str, values: dict) -> None:
        plan = self._sql.all(f"EXPLAIN QUERY PLAN {statement}", **values)
        self.plans += [row[3] for row in plan]

    def run(self, statement: str, **values) -> int:
        self._note(statement, values)
        return self._sql.run(statement, **values)

    def run_many(self, statement: str, values: list[dict]) -> None:
        for one in values:
            self.run(statement, **one)

    def one(self, statement: str, **values):
        self._note(statement, values)
        return self._sql.one(statement, **values)

    def all(self, statement: str, **values):
        self._note(statement, values)
        return self._sql.all(statement, **values)


def _lease(sql) -> None:
    for now in (NOW, NOW + timedelta(hours=1)):
        SqlJobs(sql).lease(("triage", "push"), "w", 8, now, now + timedelta(minutes=1))


def _pages(sql) -> None:
    for query in (
        TicketQuery(),
        TicketQuery(after="t000003"),
        TicketQuery(statuses=frozenset({Status.NEEDS_HUMAN, Status.FAILED}), since=NOW),
        TicketQuery(desk="cli", until=NOW),
        TicketQuery(desk="cli", after="t000003", statuses=frozenset({Status.PENDING})),
    ):
        page(sql, "acme", query)


@pytest.mark.parametrize("work", [_lease, _pages])
def test_no_statement_scans_or_sorts(store, ticket, work) -> None:
    from tamiz.domain.records import Job

    def look(tx) -> list[str]:
        for number in range(5):
            tx.tickets.add(ticket(number))
            tx.jobs.add(Job(f"j{number}", "acme", "triage", f"t{number:06}", NOW, lane=number % 2))
        explained = Explained(tx.sql)
        work(explained)
        return explained.plans

    plans = store.change(look)
    lanes = ("SCAN lanes", "SCAN CONSTANT ROW")  # the few lanes themselves
    assert len(plans) > 5
    assert [plan for plan in plans if plan.startswith(("SCAN", "USE TEMP")) and plan not in lanes] == []
