"""Triage leased tickets. Result and completion are one transaction, so a ticket is triaged once or its job is still there;
a result that comes after its lease has ended is refused by the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tamiz.domain.errors import LeaseLostError
from tamiz.domain.ports import Clock, Memory
from tamiz.domain.records import AuditEntry, Job, Lease, Record, Reuse, Revision, TicketRecord, Vector
from tamiz.domain.stages import Watch
from tamiz.domain.status import Status, status_of
from tamiz.domain.storage import Store, Tx
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import CanonicalText, RawMessage, Ticket, uuid7
from tamiz.domain.triage import Tier, Triage
from tamiz.domain.vectors import KEEP_TOLD, digest, open_digest, packed, told_space
from tamiz.pipeline.cascade import persons, question
from tamiz.pipeline.recall import Forgetful, Recollection
from tamiz.pipeline.triage import Stage
from tamiz.service.accept import ENRICH, Bits
from tamiz.service.again import applied
from tamiz.service.flights import Flights, SharedModel, SharedWriter
from tamiz.service.judge import Judge, Judges
from tamiz.service.recall import CachePolicy, Recollector
from tamiz.service.reuse import note, sampled, served
from tamiz.service.stages import Stages

WORKER = "worker"
"""The actor of what no person did."""

ENRICH_LANE = 1


@dataclass(frozen=True, slots=True)
class Done:
    """One ticket's new state, as hooks hear of it."""

    record: TicketRecord
    triage: Triage
    kind: str


@dataclass(frozen=True)
class Triaging:
    """The handler of the jobs `triage` (the encoder alone) and `enrich` (with the language model)."""

    store: Store
    judges: Judges
    clock: Clock
    bits: Bits
    told: Callable[[Done], None] = lambda done: None
    enrich: bool = False
    keep: int = 0
    """Embeddings that are kept of a tenant and model; 0: none."""
    saved: Callable[[Tx, TicketRecord, Revision], None] = lambda tx, record, revision: None
    """Runs in the transaction that saves a triage: what follows from it is kept together with it, or not at all."""
    watch: Watch = Watch()  # noqa: RUF009 - frozen
    memory: Memory | None = None
    """Where earlier tickets are found; without it every ticket is the first."""
    cache: CachePolicy = field(default_factory=CachePolicy)
    flights: Flights = field(default_factory=Flights)
    shown: int = 0
    """Solved tickets that a language model is shown."""
    cached: Callable[[str, Record, bool], None] = lambda tenant, record, holds: None
    """Hears of every look at a tenant's cache: its record, and whether it holds its budget."""

    def __call__(self, leases: Sequence[Lease]) -> None:
        """Triage the tickets of these leases and complete them. A lease that was lost meanwhile is passed over.

        Raises what the model or the store raises; leases that are not completed then stay with the worker loop.
        """
        by_tenant: dict[str, list[Lease]] = defaultdict(list)
        for lease in leases:
            by_tenant[lease.job.tenant].append(lease)
        for tenant, own in by_tenant.items():
            self._batch(self.judges(tenant), own)

    def _batch(self, judge: Judge, leases: Sequence[Lease]) -> None:
        keys = [(lease.job.tenant, lease.job.subject) for lease in leases]
        found = self.store.read(lambda tx: _known(tx, keys, judge.taxonomy))
        tickets = {ticket.id: ticket for ticket in found.tickets}
        wanted = [lease for lease in leases if lease.job.subject in tickets]
        for lease in leases:
            if lease.job.subject not in tickets:  # erased meanwhile, as a rule with its job
                with suppress(LeaseLostError):
                    self.store.write(_finished(lease))
        ids = [lease.job.subject for lease in wanted]
        stages = Stages(self.clock, self.watch, ids, f"{ENRICH} " if self.enrich else "")
        views, triages = self._triaged(judge, [tickets[name] for name in ids], found, stages)
        timings = stages.each(len(wanted))
        waiting: list[tuple[Triage, Future[TicketRecord]]] = []
        with stages("store"):
            for lease, triage in zip(wanted, triages, strict=True):
                view = views[tickets[lease.job.subject].message]
                waiting.append((triage, self.store.submit(self._saved(judge, lease, triage, view, timings))))
            for triage, future in waiting:
                try:
                    record = future.result()
                except LeaseLostError:
                    continue  # somebody else has the ticket now, and will save a result of its own
                self.told(Done(record, triage, ENRICH if self.enrich else "triage"))

    def _triaged(
        self, judge: Judge, tickets: Sequence[Ticket], found: _Known, stage: Stage
    ) -> tuple[Mapping[RawMessage, CanonicalText], list[Triage]]:
        """Triages, and the redacted texts that they rest on: each text is read once, and what is equal is asked once."""
        if not tickets:
            return {}, []
        tenant = tickets[0].tenant
        own = judge if self.enrich else judge.fast
        with stage("canonicalize"):
            views = {ticket.message: judge.view(ticket) for ticket in tickets}
        writer = own.cascade.writer
        shared = replace(
            own,
            model=SharedModel(own.model, tenant, self.flights),
            cascade=replace(own.cascade, writer=writer and SharedWriter(writer, tenant, self.flights)),
            canonicalize=views.__getitem__,
        )
        memory: Recollection = Forgetful()
        if self.memory is not None:
            again = frozenset(found.checks) if self.enrich else frozenset[str]()
            shown = self.shown if self.enrich else 0
            memory = Recollector(
                self.store, self.memory, tenant, judge, self.cache, again, shown, self.cached
            )
        return views, shared.triage(tickets, found.stood, stage, memory)

    def _saved(
        self,
        judge: Judge,
        lease: Lease,
        triage: Triage,
        view: CanonicalText,
        timings: Mapping[str, float],
    ) -> Callable[[Tx], TicketRecord]:
        moment, tenant = self.clock.now(), lease.job.tenant
        status = status_of(triage, judge.taxonomy, cached=served(triage))
        reuse = self._reuse(judge, tenant, triage, moment)
        follow_up = None if self.enrich else self._follow_up(judge, lease, triage, view, reuse)
        vector = self._vector(
            tenant, triage, digest(view.text) if follow_up is None else open_digest(view.text)
        )
        entry = AuditEntry(
            tenant, moment, WORKER, lease.job.kind, lease.job.subject, {"status": status.value}
        )

        def work(tx: Tx) -> TicketRecord:
            tx.jobs.finish(lease)
            ticket = tx.tickets.get(tenant, lease.job.subject)
            number = 1 if ticket is None else ticket.revision + 1
            revision = Revision(tenant, lease.job.subject, number, moment, triage, timings)
            record = tx.tickets.save(revision, status, view)
            if follow_up is not None and record.status is not Status.CORRECTED:
                tx.jobs.add(follow_up)
            if vector is not None:
                _keep(tx, vector, self.keep, record, first=number == 1)
            note(tx, tenant, triage, reuse, judge.taxonomy.primary)
            self.saved(tx, record, revision)
            tx.audit.add(entry)
            return record

        return work

    def _reuse(self, judge: Judge, tenant: str, triage: Triage, moment: datetime) -> Reuse | None:
        """The note of an answer that was served again, or might have been. A share of what spared a language model is
        worked out all the same; which ones follows from the ticket's id."""
        recall, model_hash = triage.receipt.recall, triage.receipt.model_hash
        if recall is None:
            return None
        spared = not self.enrich and judge.enriches and recall.tier is Tier.VERIFIED and not recall.by_person
        again = spared and sampled(triage.ticket_id, self.cache.again)
        ids = (tenant, triage.ticket_id, recall.ticket_id, model_hash)
        return Reuse(*ids, recall.tier, recall.similarity, moment, again)

    def _vector(self, tenant: str, triage: Triage, key: str) -> Vector | None:
        data = packed(triage.embedding) if self.keep else b""
        return Vector(tenant, triage.receipt.model_hash, triage.ticket_id, data, digest=key) if data else None

    def _follow_up(
        self, judge: Judge, lease: Lease, triage: Triage, view: CanonicalText, reuse: Reuse | None
    ) -> Job | None:
        if served(triage) and not (reuse and reuse.again):
            return None
        given = persons(triage.receipt.hits)
        if not judge.enriches or question(judge.cascade, view, triage.fields, judge.taxonomy, given) is None:
            return None
        moment = self.clock.now()
        job_id = uuid7(moment, self.bits(74))
        return Job(job_id, lease.job.tenant, ENRICH, lease.job.subject, moment, ENRICH_LANE)


def _keep(tx: Tx, vector: Vector, keep: int, record: TicketRecord, *, first: bool) -> None:
    """Keep an embedding, unless a triage before this one left the same: it would count twice among the newest."""
    space, ticket_id = (vector.tenant, vector.model_hash), vector.ticket_id
    if first or tx.vectors.of(*space, ticket_id) != vector.data:
        tx.vectors.add(vector, keep)
    else:
        tx.vectors.mark(*space, ticket_id, vector.digest)
    if record.status is Status.CORRECTED:  # a person was quicker
        tx.vectors.copy(*space, ticket_id, told_space(vector.model_hash), KEEP_TOLD)


def buried(tx: Tx, lease: Lease, clock: Clock) -> None:
    """What a dead job leaves: a ticket that has no triage is Failed and shown to people."""
    ticket = tx.tickets.get(lease.job.tenant, lease.job.subject)
    if ticket is not None and ticket.status is Status.PENDING:
        tx.tickets.move(ticket.tenant, ticket.id, Status.FAILED, clock.now())


@dataclass(frozen=True, slots=True)
class _Known:
    """Tickets, of those that were triaged before the severities that were applied, and those whose answer is to be
    compared with one that is worked out in full."""

    tickets: list[Ticket]
    stood: dict[str, dict[str, str]]
    checks: list[str]


def _known(tx: Tx, keys: Sequence[tuple[str, str]], taxonomy: Taxonomy) -> _Known:
    found = _Known(tx.tickets.raw(keys), {}, [])
    for ticket in found.tickets:
        before = tx.tickets.revision(ticket.tenant, ticket.id) if ticket.version > 1 else None
        found.stood[ticket.id] = applied(before.triage, taxonomy) if before is not None else {}
        reuse = tx.reuses.of(ticket.tenant, ticket.id) if before is not None else None
        if reuse is not None and (reuse.again or reuse.tier is Tier.WITHHELD):
            found.checks.append(ticket.id)
    return found


def _finished(lease: Lease) -> Callable[[Tx], None]:
    return lambda tx: tx.jobs.finish(lease)
