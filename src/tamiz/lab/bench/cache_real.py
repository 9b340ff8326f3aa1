"""The service itself on the tickets of a stream: does it decide as the simulation does, and what does its memory cost?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from tamiz.domain.ports import Memory, Model, ModelInfo, Question, Writer, Written
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import NONE, Taxonomy
from tamiz.domain.ticket import DEFAULT_TENANT, CanonicalText, RawMessage
from tamiz.domain.triage import Distribution, Prediction, Triage
from tamiz.jobs import LoopSettings, Worker
from tamiz.lab.bench.cache_rows import Rows
from tamiz.lab.bench.cache_stream import Arrival
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.pipeline.cascade import Cascade
from tamiz.service.accept import ENRICH, TRIAGE, Submission, accept
from tamiz.service.judge import Judge
from tamiz.service.recall import CachePolicy
from tamiz.service.work import Triaging, buried
from tamiz.store.sqlite import SqliteStore
from tamiz.testing.manual_clock import ManualClock

KEEP = 20_000


@dataclass
class Replayed:
    """A Model that answers what was computed before."""

    of: Model
    said: Mapping[str, Prediction]

    @property
    def info(self) -> ModelInfo:
        """The model's own."""
        return self.of.info

    @property
    def taxonomy(self) -> Taxonomy:
        """The model's own."""
        return self.of.taxonomy

    @property
    def policy(self) -> Any:
        """The model's own."""
        return self.of.policy

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text."""
        return [self.said[text] for text in texts]


@dataclass
class Oracle:
    """A Writer that knows the truth."""

    taxonomy: Taxonomy
    truth: Mapping[str, Arrival]
    info: ModelInfo = field(default_factory=lambda: ModelInfo("oracle", "oracle", "0" * 64, "", ""))
    told: str = ""
    calls: int = 0

    def write(self, question: Question) -> Written:
        """The true labels of what is asked."""
        self.calls += 1
        labels = self.truth[question.text].labels
        said = {}
        for name in question.fields:
            classes = self.taxonomy.field(name).classes
            label = labels.get(name) or NONE
            said[name] = Distribution(classes, tuple(float(each == label) for each in classes))
        return Written(said)


@dataclass
class Service:
    """A store, a memory and workers, all in this thread."""

    store: Store
    judge: Judge
    policy: CachePolicy
    keep: int = KEEP

    def __post_init__(self) -> None:
        self.clock, self.bits = ManualClock(), Random(0).getrandbits
        self.memory: Memory = Spaces(self.store, self.keep, ExactIndex)
        fast = Triaging(
            self.store, lambda tenant: self.judge, self.clock, self.bits, keep=self.keep,
            memory=self.memory, cache=self.policy,
        )  # fmt: skip
        self.worker = Worker(
            self.store,
            {TRIAGE: fast, ENRICH: replace(fast, enrich=True)},
            "bench",
            self.clock,
            Random(0),
            LoopSettings(),
            lambda tx, lease: buried(tx, lease, self.clock),
        )

    def take(self, message: RawMessage) -> str:
        """Accept a ticket and triage it to the end."""
        self.clock.pause(1.0)
        ticket_id = accept(self.store, self.clock, self.bits, Submission(message)).result().ticket_id
        while self.worker.step():
            pass
        return ticket_id

    def triage(self, ticket_id: str) -> Triage:
        """Its newest triage."""

        def found(tx: Tx) -> Triage:
            revision = tx.tickets.revision(DEFAULT_TENANT, ticket_id)
            assert revision is not None
            return revision.triage

        return self.store.read(found)


def tiers(model: Model, rows: Rows, guard_policy: CachePolicy) -> list[tuple[str, int]]:
    """How the service deals with every ticket: the tier ("" where it worked the ticket out), and whose answer it served."""
    arrivals = rows.arrivals
    said = {
        a.text.text: replace(p, embedding=tuple(unit.tolist()))
        for a, p, unit in zip(arrivals, rows.predictions, rows.units, strict=True)
    }
    truth = {a.text.text: a for a in arrivals}
    views: dict[str, CanonicalText] = {f"{n}": a.text for n, a in enumerate(arrivals)}
    writer: Writer = Oracle(model.taxonomy, truth)
    judge = Judge(Replayed(model, said), model.policy, lambda m: views[m.subject], Cascade(writer))
    found: list[tuple[str, int]] = []
    with tempfile.TemporaryDirectory() as folder, closing(SqliteStore(Path(folder))) as store:
        service = Service(store, judge, guard_policy)
        place: dict[str, int] = {}
        for number, arrival in enumerate(arrivals):
            ticket_id = service.take(RawMessage(f"{number}", arrival.text.body))
            place[ticket_id] = number
            recall = service.triage(ticket_id).receipt.recall
            tier = recall.tier.value if recall is not None else ""
            found.append((tier, place[recall.ticket_id] if recall is not None else number))
    return found


def agreement(real: Sequence[tuple[str, int]], tiers_of: Sequence[str], sources: Sequence[int]) -> int:
    """How many tickets were dealt with in the same way."""
    pairs = zip(real, zip(tiers_of, sources, strict=True), strict=True)
    return sum(a == b for a, b in pairs)
