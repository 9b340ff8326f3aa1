"""What the system remembers of tickets like the ones at hand, from the store as it is at this moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tamiz.domain.budget import upper_bound
from tamiz.domain.ports import Match, Memory, Neighbour, Remembering
from tamiz.domain.records import Record, TicketRecord
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import NONE, Taxonomy
from tamiz.domain.ticket import CanonicalText, Ticket
from tamiz.domain.triage import Distribution, Prediction, Recall, Tier, Vote, Writing
from tamiz.domain.vectors import digest, open_digest, packed, told_space, unpacked
from tamiz.pipeline.cascade import question
from tamiz.pipeline.evidence import Evidence
from tamiz.pipeline.recall import (
    BUDGET,
    NOTHING,
    TOLD,
    Entry,
    Guard,
    Remembered,
    Request,
    overruled,
    refused,
    unfit,
    worded,
)
from tamiz.pipeline.vote import Voice, examples
from tamiz.pipeline.vote import votes as vote
from tamiz.service.judge import Judge
from tamiz.service.voices import heard, solved
from tamiz.service.words import SAME, words

NEAREST, FEW = 16, 1
"""Tickets whose answer may be served: so many of the nearest are looked at where that may spare a language model, and where
it spares nothing."""
VOICES, HEARD = 20, 0.4
"""Corrected tickets that may vote, and the cosine from which on they are heard at all."""
NEWEST = 2_000
"""Judged reuses that count; older ones say little of the model's present tickets."""
PROVEN = Record(906, 0)
"""What the checks were measured to let pass before any tenant's own record exists, counted as re-runs count: answers served
to other words, and those of another primary label, in 20,000 synthetic tickets of held-out scenarios with repeats, foils and
opposites (`tamiz.lab.bench.cache`). Of the same answers 6 had another severity, and 22 were to another request."""
OWN = 500
"""Judged reuses of the tenant's own from which nothing else counts."""
SURE = 0.99
"""How much a person's word on the same request counts."""
DELTA = 0.05


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """When earlier answers are served: never, to the same text, or to other words too (`verified`); how alike is alike;
    which share of served answers may be wrong; which share of them is worked out again, to know."""

    exact: bool = True
    verified: bool = True
    guard: Guard = Guard()  # noqa: RUF009 - frozen
    budget: float = 0.01
    again: float = 0.05

    def holds(self, record: Record) -> bool:
        """Is the budget held, by a one-sided exact bound on the wrong share (Clopper and Pearson 1934) at level 0.95?"""
        before = PROVEN if record.judged < OWN else Record(0, 0)
        wrong, judged = record.wrong + before.wrong, record.judged + before.judged
        return upper_bound(wrong, judged, DELTA) <= self.budget


@dataclass(frozen=True, slots=True)
class _Asked:
    """A ticket for which an earlier answer is looked for."""

    request: Request
    prediction: Prediction
    votes: Mapping[str, Vote]
    guard: Guard


@dataclass(frozen=True)
class Recollector:
    """The Recollection port for the tickets of one tenant. `whole` is the judge with all that may be asked: an answer is
    final where nothing is left to ask. The tickets of `again` are worked out whatever was found."""

    store: Store
    memory: Memory
    tenant: str
    whole: Judge
    policy: CachePolicy = field(default_factory=CachePolicy)
    again: frozenset[str] = frozenset()
    shown: int = 0
    """Solved tickets to show to a language model."""
    hook: Callable[[str, Record, bool], None] = lambda tenant, record, holds: None
    """Hears of the tenant's record, and whether it holds the budget."""

    @property
    def _model(self) -> str:
        return self.whole.model.info.content_hash

    @property
    def _taxonomy(self) -> Taxonomy:
        return self.whole.taxonomy

    def known(self, tickets: Sequence[Ticket], texts: Sequence[CanonicalText]) -> list[Entry | None]:
        """Earlier tickets of the same text: one that a person said a word of before all others, then one whose answer is
        final. StoreError."""
        if not self.policy.exact:
            return [None] * len(texts)
        pairs = [(text.text, ticket.id) for text, ticket in zip(texts, tickets, strict=True)]
        return self.store.read(lambda tx: [self._equal(tx, *pair) for pair in pairs])

    def remembered(
        self,
        tickets: Sequence[Ticket],
        texts: Sequence[CanonicalText],
        predictions: Sequence[Prediction],
        known: Sequence[Entry | None],
    ) -> list[Remembered]:
        """What is to be taken into account, ticket by ticket. StoreError."""
        record = self.store.read(lambda tx: tx.reuses.record(self.tenant, self._model, NEWEST))
        guard = replace(self.policy.guard, open=self.policy.holds(record))
        self.hook(self.tenant, record, guard.open)
        around = self._around(tickets, predictions, known)
        return [
            self._of(ticket.id, text, prediction, entry, guard, near)
            for ticket, text, prediction, entry, near in zip(
                tickets, texts, predictions, known, around, strict=True
            )
        ]

    def _around(
        self, tickets: Sequence[Ticket], predictions: Sequence[Prediction], known: Sequence[Entry | None]
    ) -> list[Sequence[Match]]:
        """The nearest of all tickets for each, none where they are not needed; looked for all at once."""
        asked = {
            place: packed(prediction.embedding)
            for place, (ticket, prediction, entry) in enumerate(zip(tickets, predictions, known, strict=True))
            if self.policy.verified and len(prediction.embedding) and not self._same(ticket.id, entry)
        }
        k = NEAREST if self.whole.enriches else FEW
        # One more, for the ticket itself may be among them.
        found = self.memory.search_all(self.tenant, self._model, list(asked.values()), k + 1) if asked else []
        near = {place: one.matches for place, one in zip(asked, found, strict=True)}
        return [
            [one for one in near.get(place, ()) if one.ticket_id != ticket.id][:k]
            for place, ticket in enumerate(tickets)
        ]

    def _same(self, ticket_id: str, known: Entry | None) -> Entry | None:
        """The earlier ticket of the same text, where its answer may be served."""
        return known if known is not None and ticket_id not in self.again and not unfit(known) else None

    def voted(self, text: CanonicalText, prediction: Prediction) -> Prediction:
        """A prediction with what people said of tickets like this one in it. StoreError."""
        return Evidence(prediction, votes=self.told("", text, prediction).votes).voted

    def told(self, ticket_id: str, text: CanonicalText, prediction: Prediction) -> Remembered:
        """What people alone say of a ticket that has an answer already: their votes, and the answer that one of them gave to
        the same request. StoreError."""
        known = self.store.read(lambda tx: self._equal(tx, text.text, ticket_id))
        same = known if known is not None and known.told and self.policy.exact else None
        found = self._of(ticket_id, text, prediction, same, self.policy.guard, ())
        person = found.recall is not None and found.recall.by_person
        return found if person else Remembered(found.votes)

    def stands(self, recall: Recall, prediction: Prediction, votes: Mapping[str, Vote]) -> bool:
        """May a model's answer that was served go on standing? Not where it was wrong for somebody, where a person has said
        a word of its ticket since, or where people say otherwise of tickets like this one. StoreError."""
        entry = self.store.read(lambda tx: self._entry(tx, recall.ticket_id, recall.similarity))
        if entry is None:
            return not recall.by_person
        fit = not (recall.by_person or entry.told or entry.disputed)
        return fit and not overruled(entry, prediction, votes, self._taxonomy)

    def _of(
        self,
        ticket_id: str,
        text: CanonicalText,
        prediction: Prediction,
        known: Entry | None,
        guard: Guard,
        near: Sequence[Match],
    ) -> Remembered:
        same = self._same(ticket_id, known)
        data = packed(prediction.embedding)
        if same is not None and (same.told or not data):
            return self._answer(same, Tier.EXACT)
        if not data:
            return NOTHING
        told = self._near(told_space(self._model), data, VOICES, ticket_id)
        voices, shown = self.store.read(lambda tx: self._read(tx, told, text.language))
        votes = self._votes(voices, prediction)
        if same is not None and not overruled(same, prediction, votes, self._taxonomy):
            found = self._answer(same, Tier.EXACT)
        elif self.policy.verified and ticket_id not in self.again:
            likely = {one.ticket_id: one for one in (*told, *near) if one.similarity >= guard.similarity}
            asked = _Asked(Request(text), prediction, votes, guard)
            found = (
                self.store.read(lambda tx: self._nearest(tx, asked, list(likely.values())))
                if likely
                else NOTHING
            )
        else:
            found = NOTHING
        return replace(found, votes={**votes, **found.votes}, examples=shown)

    def _near(self, space: str, data: bytes, k: int, but: str) -> list[Match]:
        found = self.memory.search(self.tenant, space, data, k).matches
        return [match for match in found if match.ticket_id != but]

    def _read(
        self, tx: Tx, told: Sequence[Match], language: str
    ) -> tuple[list[Voice], tuple[Neighbour, ...]]:
        near = [match for match in told if match.similarity >= HEARD][: 3 * self.shown]
        shown = solved(tx, self.tenant, near)
        return (
            self._heard(tx, told),
            examples(shown, self.shown, self._taxonomy.primary, language=language),
        )

    def _heard(self, tx: Tx, told: Sequence[Match]) -> list[Voice]:
        return heard(tx, self.tenant, [match for match in told if match.similarity >= HEARD])

    def _votes(self, voices: Sequence[Voice], prediction: Prediction) -> dict[str, Vote]:
        """What the voices say, beside the training tickets that the model remembers."""
        model, known = self.whole.model, list[Neighbour]()
        if voices and isinstance(model, Remembering):
            known = model.resembling(prediction.embedding, VOICES)
        return vote(voices, prediction, self._taxonomy, known=known)

    def _nearest(self, tx: Tx, asked: _Asked, likely: Sequence[Match]) -> Remembered:
        """The first of these whose answer may be served, the nearest first, and a person's before a model's."""
        reasons: dict[str, str] = {}
        fitting, told = list[Entry](), list[Entry]()
        for match in sorted(likely, key=lambda one: -one.similarity):
            reason, entry = self._fit(tx, asked, match)
            if entry is not None:
                (told if entry.told else fitting).append(entry)
            reasons[match.ticket_id] = reason
        if told:
            return self._answer(self._agreed(tx, told), Tier.VERIFIED)
        if fitting and asked.guard.open:
            return self._answer(fitting[0], Tier.VERIFIED)
        if fitting:
            return Remembered(recall=fitting[0].recall(Tier.WITHHELD), refusal=BUDGET)
        return Remembered(refusal=next(iter(reasons.values()), ""))

    def _agreed(self, tx: Tx, told: Sequence[Entry]) -> Entry:
        """Of the same request as people answered it: what most accounts say, of as many the latest word."""
        if len(told) == 1:
            return told[0]
        newest = {
            one.ticket_id: max(
                words(tx, self.tenant, one.ticket_id, SAME).values(), key=lambda word: word.sequence
            )
            for one in told
        }

        def weight(entry: Entry) -> tuple[int, int]:
            alike = [one for one in told if one.told == entry.told]
            accounts = {newest[one.ticket_id].by for one in alike}
            return len(accounts), newest[entry.ticket_id].sequence

        return max(told, key=weight)

    def _fit(self, tx: Tx, asked: _Asked, match: Match) -> tuple[str, Entry | None]:
        """Why a ticket's answer is not served, or the ticket. The words are compared before anything else is read."""
        record = tx.tickets.get(self.tenant, match.ticket_id)
        if record is None:
            return "", None
        text = f"{record.subject}\n{record.body}".strip()
        reason = worded(asked.request, text, record.language, match.similarity, asked.guard)
        entry = None if reason else self._entry(tx, match.ticket_id, match.similarity)
        if entry is None:
            return reason, None
        reason = refused(asked.request.text, asked.prediction, entry, self._taxonomy, asked.guard)
        if not reason and not entry.told and overruled(entry, asked.prediction, asked.votes, self._taxonomy):
            reason = TOLD
        return reason, None if reason else entry

    def _answer(self, entry: Entry, tier: Tier) -> Remembered:
        written = entry.triage.receipt.writer
        summary = entry.triage.summary if tier is Tier.EXACT and entry.triage.summary_source == "llm" else ""
        return Remembered(
            votes=told_votes(entry.told, self._taxonomy),
            recall=entry.recall(tier),
            writing=without(written, entry.told),
            summary=summary,
            told=frozenset(entry.told),
        )

    def _equal(self, tx: Tx, text: str, ticket_id: str) -> Entry | None:
        """The best of the tickets of the same text: what the model said of it holds for every one of them."""
        first: Entry | None = None
        told, all_of_them = told_space(self._model), self._model
        for space, key in (
            (told, digest(text)),
            (all_of_them, digest(text)),
            (all_of_them, open_digest(text)),
        ):
            for vector in tx.vectors.equal(self.tenant, space, key):
                entry = self._entry(tx, vector.ticket_id, 1.0) if vector.ticket_id != ticket_id else None
                if entry is None:
                    continue
                entry = replace(entry, embedding=unpacked(vector.data))
                first = first or entry
                if entry.told or (space != told and not unfit(entry)):
                    return entry
        return first

    def _entry(self, tx: Tx, ticket_id: str, similarity: float) -> Entry | None:
        """A ticket as an entry; None where it is gone, or its newest triage is another model's."""
        record = tx.tickets.get(self.tenant, ticket_id)
        revision = tx.tickets.revision(self.tenant, ticket_id) if record is not None else None
        if record is None or revision is None or revision.triage.receipt.model_hash != self._model:
            return None
        # A word that waits to be borne out turns no neighbourhood, but it counts for the very same request.
        told = {name: word.value for name, word in words(tx, self.tenant, ticket_id, SAME).items()}
        text = f"{record.subject}\n{record.body}".strip()
        entry = Entry(ticket_id, similarity, text, revision.triage, told)
        unheard = not told and bool(tx.tickets.corrected(self.tenant, ticket_id))
        disputed = unheard or bool(tx.reuses.disputed(self.tenant, [entry.root]))
        return replace(entry, final=bool(told) or self._final(record, entry), disputed=disputed)

    def _final(self, record: TicketRecord, entry: Entry) -> bool:
        """Is nothing left to ask? Of an answer that a language model helped to it counts which one it was."""
        writer, judge = entry.triage.receipt.writer, self.whole
        if judge.cascade.writer is None:
            return True
        if writer is not None:
            return not writer.failure and writer.model_hash == judge.cascade.writer.info.content_hash
        view = CanonicalText(entry.text, record.subject, record.body)
        return question(judge.cascade, view, entry.triage.fields, judge.taxonomy) is None


def told_votes(told: Mapping[str, str | None], taxonomy: Taxonomy) -> dict[str, Vote]:
    """People's words on the same request as votes; what is derived follows by itself."""
    votes = {}
    for f in taxonomy.predicted:
        label = told.get(f.name, NONE) or NONE if f.name in told else ""
        if label in f.classes:
            sure = tuple(float(label == each) for each in f.classes)
            votes[f.name] = Vote(SURE, Distribution(f.classes, sure))
    return votes


def without(writing: Writing | None, told: Collection[str]) -> Writing | None:
    """What a language model wrote, but for what a person said since."""
    if writing is None:
        return None
    left = {name: each for name, each in writing.distributions.items() if name not in told}
    return replace(writing, distributions=left, abstained=0.0 if told else writing.abstained)
