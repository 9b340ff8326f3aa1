"""The place of the poisoning campaign: tickets in a store on disk, accounts that correct them, and what other tickets come to."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from tamiz.domain.gate import decide
from tamiz.domain.ports import Model, Remembering
from tamiz.domain.records import Revision, Vector, WordQuery
from tamiz.domain.status import status_of
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Prediction, Receipt, Triage
from tamiz.domain.vectors import packed, told_space
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.pipeline.vote import votes
from tamiz.service.people import Feedback, correct
from tamiz.service.revert import Wanted, perform_revert, plan_revert
from tamiz.service.trust import Alarm, Caps, Trust
from tamiz.service.voices import heard
from tamiz.service.words import trust_of
from tamiz.store.sqlite import SqliteStore
from tamiz.testing.manual_clock import ManualClock

TENANT = "default"
KEEP, NEAREST = 100_000, 20
BETWEEN = 61.0
"""Seconds between two words of an attack: slow enough that no cap catches it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A ticket: its text, what it is, and what the model says."""

    text: str
    label: str
    prediction: Prediction


@dataclass
class House:
    """Rows by number; the first are in the store, others are held out. Triggered ones are the last of both."""

    model: Model
    store: Store
    rows: list[Row]
    held_out: list[int]
    triggered: list[int]
    triggered_out: list[int]
    clock: ManualClock = field(default_factory=ManualClock)
    alarms: list[Alarm] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = Spaces(self.store, KEEP, ExactIndex)
        self.trust = Trust(self.store, self.clock, self.memory, Caps(), self.alarms.append)
        self.field, self.hash = self.model.taxonomy.primary, self.model.info.content_hash
        f = self.model.taxonomy.field(self.field)
        known = {row.label for row in self.rows}
        self.labels = [label for label in f.classes if label in known]

    @classmethod
    @contextmanager
    def opened(
        cls,
        model: Model,
        rows: Sequence[Row],
        carried: Sequence[Row],
        victims: Sequence[Row],
        remembered: int,
    ) -> Iterator[Self]:
        """A house over a new folder."""
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder))
            try:
                start, end = len(rows), len(rows) + len(carried)
                places = (list(range(remembered, start)), list(range(start, end)))
                out = list(range(end, end + len(victims)))
                house = cls(model, store, [*rows, *carried, *victims], *places, out)
                for i in (*range(remembered), *house.triggered):
                    house._kept(i)
                yield house
            finally:
                store.close()

    def begin(self, count: int, rng: random.Random) -> None:
        """Three honest accounts look at some tickets and say what they are."""
        for number, i in enumerate(rng.sample(range(len(self.held_out)), count)):
            self.say(i, self.rows[i].label, f"honest-{number % 3}", True)

    def add(self, row: Row) -> int:
        """A ticket more in the store."""
        self.rows.append(row)
        self._kept(len(self.rows) - 1)
        return len(self.rows) - 1

    def say(self, i: int, label: str, account: str, governed: bool) -> None:
        """An account says what a ticket is."""
        self.clock.pause(BETWEEN)
        taxonomy = self.model.taxonomy
        f = taxonomy.field(self.field)
        values: dict[str, str | None] = {self.field: label}
        if f.parent:
            values[f.parent] = next(one for one in taxonomy.field(f.parent).keys if label in f.allowed(one))
        feedback = Feedback(TENANT, _name(i), values, account)
        if governed:
            self.trust.correct(taxonomy, feedback)
        else:
            correct(self.store, self.clock, taxonomy, feedback)

    def answers(self, numbers: Sequence[int]) -> dict[int, str]:
        """What each of these tickets would come to at this moment, people's words taken into account."""
        found, taxonomy = dict[int, str](), self.model.taxonomy
        for i in numbers:
            prediction = self.rows[i].prediction
            data = packed(prediction.embedding)
            near = self.memory.search(TENANT, told_space(self.hash), data, NEAREST).matches
            voices = self.store.read(partial(heard, tenant=TENANT, matches=near))
            model = self.model
            known = model.resembling(prediction.embedding, NEAREST) if isinstance(model, Remembering) else ()
            voted = votes(voices, prediction, taxonomy, known=known)
            vote = voted.get(self.field)
            own = prediction.distributions[self.field]
            found[i] = (own if vote is None else vote.of(own)).best[0]
        return found

    def sequence(self) -> int:
        """The number of the newest word."""
        newest = self.store.read(lambda tx: tx.words.find(TENANT, WordQuery(newest_first=True, limit=1)))
        return newest[0].sequence if newest else 0

    def take_back(self, after: int) -> None:
        """Take back what every account said since a word: one plan and its execution for each."""
        said = self.store.read(lambda tx: tx.words.find(TENANT, WordQuery(after=after, limit=10**6)))
        taxonomy = self.model.taxonomy
        for account in sorted({one.by for one in said}):
            plan = plan_revert(self.store, self.clock, taxonomy, TENANT, Wanted(account))
            perform_revert(self.store, self.clock, taxonomy, plan, "root")

    def held(self) -> set[str]:
        """The accounts that are held back."""
        return set(self.store.read(lambda tx: trust_of(tx, TENANT)))

    def _kept(self, i: int) -> None:
        row, taxonomy, info = self.rows[i], self.model.taxonomy, self.model.info
        told = row.prediction.distributions
        receipt = Receipt(info.name, self.hash, info.classes_hash, info.text_version, told)
        fields = decide(taxonomy, row.prediction, self.model.policy)
        triage = Triage(_name(i), "", "subject", fields, "en", receipt)

        self.clock.pause(1.0)
        now = self.clock.now()

        def work(tx: Tx) -> None:
            tx.tickets.add(Ticket(_name(i), RawMessage("", row.text), now, TENANT))
            view = CanonicalText(row.text, "", row.text, language="en")
            tx.tickets.save(Revision(TENANT, _name(i), 1, now, triage), status_of(triage, taxonomy), view)
            tx.vectors.add(Vector(TENANT, self.hash, _name(i), packed(row.prediction.embedding)), KEEP)

        self.store.write(work)


def _name(i: int) -> str:
    return f"t{i:06}"
