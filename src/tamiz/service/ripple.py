"""What a correction means for tickets that have their answer already: a plan that can be shown, and its execution.

A correction is felt by the tickets that come after it. Those before it are decided again here, from their receipts and
with what people say at this moment; no model is asked. A ticket of which a person said a word is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from tamiz.domain.errors import UnknownTicketError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Clock, Memory
from tamiz.domain.records import AuditEntry, Reuse, Revision, TicketRecord, WordQuery
from tamiz.domain.status import Status, status_of
from tamiz.domain.storage import Store, Tx
from tamiz.domain.triage import Decision, FieldTriage, Prediction, Recall, Receipt, Tier, Triage, Writing
from tamiz.domain.vectors import unpacked
from tamiz.pipeline.evidence import evidence_of
from tamiz.pipeline.recall import TOLD, Remembered
from tamiz.service.again import Kept, applied, decided, kept
from tamiz.service.judge import Judge, Judges
from tamiz.service.recall import HEARD, CachePolicy, Recollector, without
from tamiz.service.reuse import served

AFFECTED = frozenset({Status.BY_AI, Status.BY_CACHE, Status.NEEDS_HUMAN})
"""Tickets that a model has answered and no person has."""
NEAREST = 300
"""Tickets near a corrected one that are decided again."""
_TOGETHER = 100


class Cause(StrEnum):
    """Why a ticket is looked at: the corrected ticket's answer was served to it, or it lies near."""

    SERVED = "served"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Said:
    """A field's value, and what may be done with it."""

    value: str | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class Shift:
    """A field as it stands, and as it would be decided now."""

    before: Said
    after: Said


@dataclass(frozen=True, slots=True)
class Affected:
    """A ticket at some version that would be decided otherwise: its status now and `then`, the fields that change, and why
    it was looked at: whose answer it had, or what it lies near, and the cosine similarity of the two."""

    ticket_id: str
    version: int
    cause: Cause
    source_id: str
    similarity: float
    status: Status
    then: Status
    fields: Mapping[str, Shift]


@dataclass(frozen=True, slots=True)
class RipplePlan:
    """What the words on a ticket (empty: nobody has said one) change elsewhere. `looked` is how many tickets were decided
    again; `applied` how many of the affected ones were saved so, None where that was not asked for."""

    ticket_id: str
    looked: int = 0
    affected: tuple[Affected, ...] = ()
    applied: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "ticket_id": self.ticket_id,
            "looked": self.looked,
            "affected": [_plain(one) for one in self.affected],
            "applied": self.applied,
        }


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan, and the triages that it comes to."""

    tenant: str
    plan: RipplePlan
    triages: Mapping[str, Triage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Candidate:
    cause: Cause
    source_id: str
    similarity: float


@dataclass(frozen=True)
class Rippling:
    """Plans ripples and does them. `saved` runs in the transaction of every new triage, as it does for one of a worker;
    `told` hears of every ticket that has changed."""

    store: Store
    clock: Clock
    judges: Judges
    memory: Memory | None = None
    cache: CachePolicy = CachePolicy()  # noqa: RUF009 - frozen
    saved: Callable[[Tx, TicketRecord, Revision], None] = lambda tx, record, revision: None
    told: Callable[[TicketRecord], None] = lambda record: None

    def __call__(self, tenant: str, ticket_id: str, by: str, *, apply: bool = False) -> RipplePlan:
        """The plan for a ticket, without one for the ticket that was corrected last; with `apply` it is done, too.

        UnknownTicketError. Of a ticket that the model in use has not read, nobody knows the neighbours.
        """
        ready = self.plan(tenant, ticket_id)
        return replace(ready.plan, applied=self.perform(ready, by)) if apply else ready.plan

    def plan(self, tenant: str, ticket_id: str = "") -> Ready:
        """What the words on a ticket change elsewhere; nothing is kept of it. Errors as above."""
        place = ticket_id or self.store.read(lambda tx: _last(tx, tenant))
        if not place:
            return Ready(tenant, RipplePlan(""))
        judge = self.judges(tenant)
        found = self._candidates(judge, tenant, place)
        records = self.store.read(lambda tx: _open(tx, judge, tenant, found))
        affected, triages = list[Affected](), dict[str, Triage]()
        for one in records:
            triage = self._anew(judge, tenant, one)
            if triage is not None:
                affected.append(_affected(judge, one, triage, found[one.record.id]))
                triages[one.record.id] = triage
        return Ready(tenant, RipplePlan(place, len(records), tuple(affected)), triages)

    def perform(self, ready: Ready, by: str) -> int:
        """Save what a plan came to, each ticket in a transaction of its own, and count them. A ticket that has changed since
        the plan was made is left alone."""
        planned, done = iter(ready.plan.affected), 0
        while some := list(islice(planned, _TOGETHER)):  # a store may commit them in one go
            for future in [self.store.submit(self._saving(ready, one, by)) for one in some]:
                record = future.result()
                if record is not None:
                    self.told(record)
                    done += 1
        return done

    def _candidates(self, judge: Judge, tenant: str, ticket_id: str) -> dict[str, _Candidate]:
        """The tickets that the correction of this one may concern, those that had its answer first. None without a memory."""
        model_hash = judge.model.info.content_hash
        served_to, vector = self.store.read(lambda tx: _reached(tx, tenant, ticket_id, model_hash))
        if self.memory is None:
            return {}
        near = self.memory.search(tenant, model_hash, vector, NEAREST + 1).matches if vector else ()
        found = {one.ticket_id: _Candidate(Cause.SERVED, one.source_id, one.similarity) for one in served_to}
        for match in near:
            if match.similarity >= HEARD:
                found.setdefault(match.ticket_id, _Candidate(Cause.NEAR, ticket_id, match.similarity))
        found.pop(ticket_id, None)
        return found

    def _anew(self, judge: Judge, tenant: str, one: Kept) -> Triage | None:
        """The triage that a ticket has with what people say now; None where that changes nothing. What another policy
        would change alone is no matter of people's words."""
        assert one.revision is not None
        assert self.memory is not None
        before = one.revision.triage
        judge = replace(judge, policy=judge.policy.with_modes(_asking(before.receipt)))
        recollector = Recollector(self.store, self.memory, tenant, judge, self.cache)
        text = one.view(judge)
        prediction = self._prediction(tenant, before)
        told = recollector.told(one.record.id, text, prediction)
        stands = served(before) and recollector.stands(_recall(before), prediction, told.votes)
        receipt = replace(before.receipt, floors={**before.receipt.floors, **applied(before, judge.taxonomy)})
        heard = replace(_remembering(receipt, told, stands=stands), policy=judge.policy.to_dict())
        _, then = decided(judge, one, text.text, evidence_of(receipt), before.summary)
        evidence, now = decided(judge, one, text.text, evidence_of(heard), before.summary)
        if not (_shifts(then, now) and _shifts(before.fields, now)):
            return None
        return replace(before, fields=now, receipt=replace(heard, hits=evidence.hits))

    def _prediction(self, tenant: str, triage: Triage) -> Prediction:
        """What the model said, with the embedding where it is still kept."""
        receipt = triage.receipt
        data = self.store.read(lambda tx: tx.vectors.of(tenant, receipt.model_hash, triage.ticket_id))
        return Prediction(receipt.distributions, receipt.scope, unpacked(data or b""))

    def _saving(self, ready: Ready, planned: Affected, by: str) -> Callable[[Tx], TicketRecord | None]:
        moment, tenant, triage = self.clock.now(), ready.tenant, ready.triages[planned.ticket_id]
        detail = {
            "source": ready.plan.ticket_id,
            "fields": ",".join(sorted(planned.fields)),
            "status": planned.then.value,
        }
        entry = AuditEntry(tenant, moment, by, "ripple", planned.ticket_id, detail)

        def work(tx: Tx) -> TicketRecord | None:
            record = tx.tickets.get(tenant, planned.ticket_id)
            if record is None or record.version != planned.version or record.status not in AFFECTED:
                return None
            revision = Revision(tenant, record.id, record.revision + 1, moment, triage)
            saved = tx.tickets.save(revision, planned.then)
            _note(tx, revision)
            self.saved(tx, saved, revision)
            tx.audit.add(entry)
            return saved

        return work


def _last(tx: Tx, tenant: str) -> str:
    """The ticket that was corrected last; empty where there is none."""
    words = tx.words.find(tenant, WordQuery(newest_first=True, limit=1))
    return words[0].ticket_id if words else ""


def _reached(tx: Tx, tenant: str, ticket_id: str, model_hash: str) -> tuple[list[Reuse], bytes]:
    """The tickets that had a ticket's answer, or the one that it had itself, and its embedding."""
    if tx.tickets.get(tenant, ticket_id) is None:
        raise UnknownTicketError(ticket=ticket_id)
    own = tx.reuses.of(tenant, ticket_id)
    roots = [ticket_id, *([own.source_id] if own is not None and own.tier is not Tier.WITHHELD else [])]
    found = [one for root in roots for one in tx.reuses.of_source(tenant, root)]
    served_to = [one for one in found if one.tier is not Tier.WITHHELD]
    return served_to, tx.vectors.of(tenant, model_hash, ticket_id) or b""


def _open(tx: Tx, judge: Judge, tenant: str, ids: Collection[str]) -> list[Kept]:
    """Those of these tickets that the model in use has answered, and no person has. Without the raw text nobody knows who
    asked, and so not which rules hold."""
    records = [record for name in ids if (record := tx.tickets.get(tenant, name)) is not None]
    found = kept(tx, tenant, [record for record in records if record.status in AFFECTED])
    hashes = judge.model.info.content_hash, judge.taxonomy.classes_hash
    return [one for one in found if one.ticket and one.revision and _hashes(one.revision) == hashes]


def _hashes(revision: Revision) -> tuple[str, str]:
    receipt = revision.triage.receipt
    return receipt.model_hash, receipt.classes_hash


def _recall(triage: Triage) -> Recall:
    recall = triage.receipt.recall
    assert recall is not None
    return recall


def _remembering(receipt: Receipt, told: Remembered, *, stands: bool) -> Receipt:
    """A receipt with what people say now. A person's answer to the same request takes the place of every other; a model's
    that was served goes where it does not stand any more, and with it what a language model wrote of another text."""
    own, recall = _of_its_own(receipt), receipt.recall
    if told.recall is not None:
        same = recall is not None and recall.ticket_id == told.recall.ticket_id
        wrote = receipt.writer if same else own or told.writing
        written = without(wrote, told.told)
        return replace(receipt, votes=told.votes, recall=told.recall, writer=written, refusal="")
    if recall is None or recall.tier is Tier.WITHHELD or stands:
        return replace(receipt, votes=told.votes)
    return replace(receipt, votes=told.votes, recall=None, writer=own, refusal=TOLD)


def _asking(receipt: Receipt) -> dict[str, str]:
    """The fields that asked a person whatever the model said, as those do whose values were taken back: they go on asking."""
    fields = Policy.from_dict(receipt.policy).fields
    return {name: Decision.REVIEW.value for name, own in fields.items() if own.mode is Decision.REVIEW}


def _of_its_own(receipt: Receipt) -> Writing | None:
    """What a language model wrote of this very text."""
    recall = receipt.recall
    return None if recall is not None and recall.tier is Tier.VERIFIED else receipt.writer


def _affected(judge: Judge, one: Kept, triage: Triage, why: _Candidate) -> Affected:
    assert one.revision is not None
    return Affected(
        one.record.id,
        one.record.version,
        why.cause,
        why.source_id,
        why.similarity,
        one.record.status,
        status_of(triage, judge.taxonomy, cached=served(triage)),
        _shifts(one.revision.triage.fields, triage.fields),
    )


def _shifts(before: Mapping[str, FieldTriage], after: Mapping[str, FieldTriage]) -> dict[str, Shift]:
    """The fields whose value or decision is another one."""
    both = {name: (_said(before[name]), _said(after[name])) for name in after}
    return {name: Shift(was, now) for name, (was, now) in both.items() if was != now}


def _said(outcome: FieldTriage) -> Said:
    return Said(outcome.value, outcome.decision)


def _note(tx: Tx, revision: Revision) -> None:
    """Say where the answer comes from by now. What was judged of the one before stays in the record."""
    recall, tenant, ticket_id = revision.triage.receipt.recall, revision.tenant, revision.ticket_id
    if recall is None or recall.tier is Tier.WITHHELD:
        return
    before = tx.reuses.of(tenant, ticket_id)
    if before is None or not (before.verdict or before.source_id == recall.ticket_id):
        model_hash = revision.triage.receipt.model_hash
        place = (tenant, ticket_id, recall.ticket_id, model_hash)
        tx.reuses.put(Reuse(*place, recall.tier, recall.similarity, revision.at))


def _plain(one: Affected) -> dict[str, Any]:
    return {
        "ticket_id": one.ticket_id,
        "version": one.version,
        "cause": one.cause.value,
        "source_id": one.source_id,
        "similarity": round(one.similarity, 4),
        "status": one.status.value,
        "then": one.then.value,
        "fields": {name: _both(shift) for name, shift in one.fields.items()},
    }


def _both(shift: Shift) -> dict[str, Any]:
    both = {"before": shift.before, "after": shift.after}
    return {when: {"value": said.value, "decision": said.decision.value} for when, said in both.items()}
