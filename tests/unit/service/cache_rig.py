"""A service in one thread that remembers: texts are near where their embeddings are."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin

import numpy as np

from tamiz.domain.ports import Written
from tamiz.domain.records import Record, Reuse, Verdict
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.triage import Distribution, Tier
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.pipeline.recall import Guard
from tamiz.service.accept import ENRICH, TRIAGE
from tamiz.service.flights import Flights
from tamiz.service.people import Feedback, correct
from tamiz.service.recall import CachePolicy
from tamiz.service.work import Triaging
from tamiz.testing.scripted_writer import ScriptedWriter

from .test_service import TENANT, House

TAXONOMY = default_taxonomy()
MODEL = "0" * 16
SURE = {f.name: (f.classes[0], 0.9) for f in TAXONOMY.predicted}
OPEN = {**SURE, "urgency": ("Medium", 0.4)}
ASKED = "Outlook does not open since this morning"
OTHER = "since this morning Outlook does not open"
"""The same request."""
CACHE = CachePolicy(guard=Guard(similarity=0.9, margin=0.2))


def towards(angle: float) -> tuple[float, float]:
    """A unit vector; the cosine of two is that of the difference of their angles."""
    return cos(angle), sin(angle)


def wrote(label: str = "Medium", abstained: float = 0.0) -> ScriptedWriter:
    """A language model that gives the urgency a label."""
    classes = TAXONOMY.field("urgency").classes
    said = Distribution(classes, tuple(0.9 if one == label else 0.1 / (len(classes) - 1) for one in classes))
    return ScriptedWriter(TAXONOMY, lambda question: Written({"urgency": said}, abstained, "Outlook is shut"))


class Remembering(House):
    """`angles` says where a text lies; all others lie at 0. `says` may give a text labels of its own."""

    keep = 1000

    def __init__(self, said=None, writer=None, cache=CACHE, angles=(), says=()) -> None:
        super().__init__(said or SURE, writer)
        self.cache, self.flights, self.angles, self.says = cache, Flights(), dict(angles), dict(says)
        self.memory = Spaces(self.store, self.keep, ExactIndex)
        self.judge.model.embedding = lambda text: np.asarray(
            towards(self.angles.get(text, 0.0))
        )  # as encoders do
        script = self.judge.model.script
        self.judge.model.script = lambda text: self.says.get(text) or script(text)

    def handler(self, kind) -> Triaging:
        return replace(super().handler(kind), memory=self.memory, cache=self.cache, flights=self.flights)

    def ask(self, text: str, *, enrich: bool = True, **more) -> str:
        """A ticket, triaged to the end."""
        ticket_id = self.accept(RawMessage("", text), **more)
        self.work(TRIAGE)
        if enrich:
            self.work(ENRICH)
        return ticket_id

    def correct(self, ticket_id: str, by: str = "ana", **values) -> None:
        correct(self.store, self.clock, TAXONOMY, Feedback(TENANT, ticket_id, values, by))

    def status(self, ticket_id: str) -> str:
        return self.ticket(ticket_id).status.value

    def receipt(self, ticket_id: str):
        return self.revision(ticket_id).triage.receipt

    def value(self, ticket_id: str, name: str = "category"):
        return self.revision(ticket_id).triage.fields[name].value

    def reuse(self, ticket_id: str) -> Reuse | None:
        return self.store.read(lambda tx: tx.reuses.of(TENANT, ticket_id))

    def record(self) -> Record:
        return self.store.read(lambda tx: tx.reuses.record(TENANT, MODEL, 1000))

    def judged(self, verdict: Verdict, times: int) -> None:
        """So many verdicts on answers to other tickets."""
        now = self.clock.now()
        for number in range(times):
            ticket_id = f"{verdict.value}-{number}"
            reuse = Reuse(TENANT, ticket_id, "x", MODEL, Tier.VERIFIED, 0.95, now, verdict=verdict)
            ticket = Ticket(ticket_id, RawMessage("", "something else"), now)
            self.store.write(lambda tx, one=ticket: tx.tickets.add(one))
            self.store.write(lambda tx, one=reuse: tx.reuses.put(one))

    @property
    def predicted(self) -> list[str]:
        """Every text that the model was asked."""
        return [text for call in self.judge.model.calls for text in call]
