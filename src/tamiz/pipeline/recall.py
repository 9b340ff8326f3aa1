"""May the answer to an earlier ticket be served again? Pure policy; what memory finds comes through the Recollection port.

A cosine says that two texts look alike, not that they ask the same. So an earlier answer is served only where nothing in
the words speaks against it, the model sees both texts alike, and the answer itself was settled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from tamiz.domain.ports import Neighbour
from tamiz.domain.taxonomy import NONE, Taxonomy
from tamiz.domain.ticket import CanonicalText, Ticket
from tamiz.domain.triage import Distribution, Prediction, Recall, Tier, Triage, Vote, Writing
from tamiz.text.contrast import between
from tamiz.text.contrast_reading import Reading, read
from tamiz.text.gist import gist

FAR, BUDGET, UNSETTLED, DISPUTED = "far", "budget", "unsettled", "disputed"
LANGUAGE, SCOPE, MODEL, UNSURE, CUT, TOLD = "language", "scope", "model", "unsure", "cut", "told"
"""Why an answer is not served, beside the kinds of `text.contrast`: the texts are not near enough; too many were wrong
lately; nobody is sure of the answer; it was wrong before; other languages; outside the model's reach; the model sees other
labels, or is not sure of them; one of the texts was cut; people said otherwise of tickets like this one."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How alike is alike enough. `similarity` is a cosine of embeddings; `margin` is by how much the best label of the
    primary field must lead, in probability, for both texts; `overlap` is the probability that the two must share on a
    field that is taken over; `scope` is how much both must look like tickets of the model's kind; `open` is False while
    too many served answers were wrong. The values were chosen on development tickets of `tamiz.lab.bench.cache`."""

    similarity: float = 0.85
    margin: float = 0.1
    overlap: float = 0.5
    scope: float = 0.5
    open: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """An earlier ticket as memory offers it: its canonical text and newest triage, what people whose word counts said of
    it, whether its answer is final (nothing is left to ask), and whether it was wrong for another ticket."""

    ticket_id: str
    similarity: float
    text: str
    triage: Triage
    told: Mapping[str, str | None] = field(default_factory=dict)
    final: bool = True
    disputed: bool = False
    embedding: Sequence[float] = ()

    @property
    def prediction(self) -> Prediction:
        """What the model said of its text."""
        receipt = self.triage.receipt
        return Prediction(receipt.distributions, receipt.scope, self.embedding)

    @property
    def root(self) -> str:
        """The ticket whose answer this one has: of the same text, an earlier one."""
        recall = self.triage.receipt.recall
        same = recall is not None and recall.tier is Tier.EXACT and not self.told
        return recall.ticket_id if recall is not None and same else self.ticket_id

    def recall(self, tier: Tier) -> Recall:
        """Where an answer came from that is taken from here."""
        return Recall(self.root, tier, self.similarity, bool(self.told))


@dataclass(frozen=True, slots=True)
class Remembered:
    """What memory says of one text: people's votes by field, the earlier ticket whose answer is served (or withheld) with
    what a language model wrote of it and its summary, why the nearest was refused, and solved tickets to show. `told` are
    the fields of the served answer that a person gave a value."""

    votes: Mapping[str, Vote] = field(default_factory=dict)
    recall: Recall | None = None
    writing: Writing | None = None
    summary: str = ""
    refusal: str = ""
    examples: tuple[Neighbour, ...] = ()
    told: frozenset[str] = frozenset()

    @property
    def served(self) -> bool:
        """Does an earlier answer stand for the ticket?"""
        return self.recall is not None and self.recall.tier is not Tier.WITHHELD


NOTHING = Remembered()


class Recollection(Protocol):
    """What memory says of a batch of tickets, given with their canonical texts; one answer each, in order. A ticket is never
    found for itself."""

    def known(self, tickets: Sequence[Ticket], texts: Sequence[CanonicalText]) -> list[Entry | None]:
        """Earlier tickets of the same text."""
        ...

    def remembered(
        self,
        tickets: Sequence[Ticket],
        texts: Sequence[CanonicalText],
        predictions: Sequence[Prediction],
        known: Sequence[Entry | None],
    ) -> list[Remembered]:
        """What is to be taken into account, once the model has spoken."""
        ...


class Forgetful:
    """The Recollection of who remembers nothing."""

    def known(self, tickets: Sequence[Ticket], texts: Sequence[CanonicalText]) -> list[Entry | None]:
        """Nothing."""
        return [None] * len(texts)

    def remembered(
        self,
        tickets: Sequence[Ticket],
        texts: Sequence[CanonicalText],
        predictions: Sequence[Prediction],
        known: Sequence[Entry | None],
    ) -> list[Remembered]:
        """Nothing."""
        return [NOTHING] * len(texts)


def unfit(entry: Entry) -> str:
    """Why an entry's answer is served to nobody, not even to the same text; empty where it may be. A person's word is
    enough by itself."""
    if entry.told:
        return ""
    if entry.disputed:
        return DISPUTED
    receipt = entry.triage.receipt
    served_itself = receipt.recall is not None and receipt.recall.tier is Tier.VERIFIED
    return UNSETTLED if served_itself or not entry.final else ""


@dataclass(frozen=True)
class Request:
    """A text that is held against several earlier ones, and read once for all of them."""

    text: CanonicalText

    @cached_property
    def reading(self) -> Reading:
        """What it says, as far as words tell."""
        return read(gist(self.text.text))


def worded(request: Request, other: str, language: str, similarity: float, guard: Guard) -> str:
    """What in the words speaks against one answer for a request and an earlier text; empty where nothing does. Asked first, as
    it needs nothing but the texts."""
    if similarity < guard.similarity:
        return FAR
    if request.text.language != language:
        return LANGUAGE
    differences = between(request.reading, read(gist(other)), similarity)
    return differences[0].kind.value if differences else ""


def refused(
    text: CanonicalText, prediction: Prediction, entry: Entry, taxonomy: Taxonomy, guard: Guard
) -> str:
    """Why the answer to an entry is not served to a text in other words, though nothing in the words speaks against it; empty
    where it may be."""
    if {*text.flags, *entry.triage.flags} & {"truncated"}:
        return CUT
    writing = entry.triage.receipt.writer
    taken = writing.distributions.keys() - entry.told.keys() if writing is not None else ()
    return unlike(prediction, entry.prediction, taken, taxonomy, guard, entry.told) or unfit(entry)


def unlike(
    now: Prediction,
    then: Prediction,
    taken: Collection[str],
    taxonomy: Taxonomy,
    guard: Guard,
    told: Mapping[str, str | None] = MappingProxyType({}),
) -> str:
    """Does the model see another ticket? It must agree on the primary field, surely so, and on every field that is `taken`
    over; the others are read anew from the text itself. Of a ticket of which a person `told` something it need not say the
    same as the person: it is enough that it is mistaken in the same way, or right by now."""
    if not told and min(now.scope, then.scope) < guard.scope:
        return SCOPE
    for name in {taxonomy.primary, *told} & now.distributions.keys():
        label, before = (each.distributions[name].best[0] for each in (now, then))
        word = told.get(name, "") or NONE if name in told else ""
        if label not in (before, word):
            return MODEL
    for name in taken:
        if _overlap(now.distributions[name], then.distributions[name]) < guard.overlap:
            return MODEL
    if not told and taxonomy.primary in now.distributions:
        for each in (now, then):
            if _lead(each, taxonomy.primary) < guard.margin:
                return UNSURE
    return ""


def _overlap(p: Distribution, q: Distribution) -> float:
    """The mass that two distributions share, 1 for the same."""
    return sum(min(a, b) for a, b in zip(p.probabilities, q.probabilities, strict=True))


def overruled(entry: Entry, prediction: Prediction, votes: Mapping[str, Vote], taxonomy: Taxonomy) -> bool:
    """Do people near the text say something else than the entry's answer?"""
    for name, vote in votes.items():
        if entry.told:
            told = entry.told.get(name, "") or NONE if name in entry.told else ""
            if told and told != vote.distribution.best[0]:
                return True
        elif vote.of(prediction.distributions[name]).best[0] != prediction.distributions[name].best[0]:
            return True
    return False


def _lead(prediction: Prediction, name: str) -> float:
    first, second, *_ = (*(p for _, p in prediction.distributions[name].top(2)), 0.0)
    return first - second
