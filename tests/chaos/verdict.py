"""What a store holds after the last stop, against what clients were promised."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tamiz.bootstrap.wiring import STORE_FOLDER
from tamiz.domain.chain import verify
from tamiz.domain.outbox import Effect, EffectState
from tamiz.domain.records import TicketQuery
from tamiz.domain.status import Status
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.domain.triage import Decision
from tamiz.service.accept import TRIAGE
from tamiz.store.backup import check
from tamiz.store.sqlite import DATABASE, SqliteStore
from tamiz.store.tx import SqlTx

from .control_naive import RESULTS
from .load import Ledger


@dataclass(frozen=True)
class Kept:
    """A store at rest. `subjects`: ticket → its text; `triages` and `acts`: how often a ticket was triaged, by its
    revisions and by the audit trail; `waiting`: jobs that are not done; `dead`: tickets whose triage was buried; `problems`: what is wrong with the file.
    `external`: ticket → its id at the desk; `decided`: ticket → the values that its newest triage applies; `pushes`: how
    often the end of an effect stands in the audit trail, by ticket."""

    subjects: dict[str, str]
    statuses: dict[str, Status]
    triages: Counter[str]
    acts: Counter[str]
    waiting: int
    dead: set[str]
    problems: list[str] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    decided: dict[str, dict[str, str]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    pushes: Counter[str] = field(default_factory=Counter)


def kept(home: Path) -> Kept:
    """The store in a data folder that no process has open."""
    folder = home / STORE_FOLDER
    problems = check(folder / DATABASE)
    with closing(SqliteStore(folder)) as store:
        found = store.change(_all)
    return replace(found, problems=problems + _chain_problems(folder))


def _all(tx: SqlTx) -> Kept:
    records = tx.tickets.page(DEFAULT_TENANT, TicketQuery(limit=10_000_000))
    raw = tx.tickets.raw([(one.tenant, one.id) for one in records])
    triages = Counter(row[0] for row in tx.sql.all("SELECT ticket_id FROM triages"))
    acts = Counter(row[0] for row in tx.sql.all("SELECT subject FROM audit WHERE act = 'triage'"))
    waiting = sum(state.waiting + state.leased for state in tx.jobs.states())
    dead = {one.job.subject for one in tx.jobs.dead(DEFAULT_TENANT, 1_000_000) if one.job.kind == TRIAGE}
    statuses = {one.id: one.status for one in records}
    effects = [
        one for state in EffectState for one in tx.outbox.page(DEFAULT_TENANT, state, limit=10_000_000)
    ]
    told = tx.sql.all("SELECT subject FROM audit WHERE act LIKE 'push%'")
    return Kept(
        {one.id: one.message.subject for one in raw},
        statuses,
        triages,
        acts,
        waiting,
        dead,
        external={one.id: one.source.external_id for one in records if one.source.external_id},
        decided={one.id: _decided(tx, one.id) for one in records if one.source.external_id},
        effects=effects,
        pushes=Counter(row[0] for row in told),
    )


def _decided(tx: SqlTx, ticket: str) -> dict[str, str]:
    revision = tx.tickets.revision(DEFAULT_TENANT, ticket)
    outcomes = revision.triage.fields if revision else {}
    return {
        name: one.value
        for name, one in outcomes.items()
        if one.decision is Decision.APPLY and one.value is not None
    }


def _chain_problems(folder: Path) -> list[str]:
    with closing(SqliteStore(folder)) as store:
        entries = store.read(lambda tx: tx.audit.after(DEFAULT_TENANT, 0, 10_000_000))
    broken = verify(entries)
    return [] if broken is None else [f"the audit trail breaks at entry {broken}"]


def kept_by_control(home: Path) -> Kept:
    """The same of the control, whose results are all it has."""
    with closing(sqlite3.connect(home / RESULTS)) as file:
        subjects = dict(file.execute("SELECT id, subject FROM results").fetchall())
    once = Counter(subjects.keys())
    return Kept(subjects, dict.fromkeys(subjects, Status.BY_AI), once, once, 0, set())


@dataclass(frozen=True)
class Report:
    """`lost`: promised and not there. `duplicated`: one text as two tickets, or one key with two ids. `unfinished`: not
    in exactly one final state, or not triaged exactly once. `buried`: Failed after three crashes, in sight of people."""

    kills: int
    accepted: int
    repeats: int
    unanswered: int
    lost: int
    duplicated: int
    unfinished: int
    buried: int
    odd: int
    problems: list[str]

    def to_json(self, **more: object) -> str:
        """One line."""
        return json.dumps({**asdict(self), **more})

    @property
    def clean(self) -> bool:
        """Was every promise kept?"""
        return not (self.lost or self.duplicated or self.unfinished or self.odd or self.problems)


def judge(ledger: Ledger, found: Kept, kills: int) -> Report:
    """Compare the two."""
    promised = ledger.tickets
    texts = Counter(found.subjects.values())
    return Report(
        kills=kills,
        accepted=len(promised),
        repeats=ledger.repeats,
        unanswered=ledger.unanswered,
        lost=len(promised - found.subjects.keys()),
        duplicated=sum(number - 1 for number in texts.values())
        + sum(len(ids) - 1 for ids in ledger.accepted.values()),
        unfinished=found.waiting + sum(not _final(found, one) for one in promised & found.subjects.keys()),
        buried=len(found.dead),
        odd=len(ledger.odd),
        problems=found.problems,
    )


def _final(found: Kept, ticket: str) -> bool:
    """Triaged once, or dead and shown as failed; never both and never neither."""
    done = (found.triages[ticket], found.acts[ticket]) == (1, 1)
    if ticket in found.dead:
        return found.statuses[ticket] is Status.FAILED and not done
    return done and found.statuses[ticket] in (Status.BY_AI, Status.NEEDS_HUMAN)
