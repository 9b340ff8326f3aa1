"""What Prometheus scrapes. Labels are names from the taxonomy and kinds of jobs: few values, nothing personal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tamiz.domain.records import QueueState
from tamiz.domain.triage import Decision, Triage

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        self._accepted = Counter(
            "tamiz_accepted_total", "Tickets accepted, new or repeated.", ["new"], registry=made
        )
        self._triaged = Counter(
            "tamiz_triaged_total",
            "Triages saved, by kind of job and status.",
            ["kind", "status"],
            registry=made,
        )
        self._fields = Counter(
            "tamiz_field_decisions_total",
            "Decisions per field and reason.",
            ["field", "decision", "reason"],
            registry=made,
        )
        self._corrections = Counter(
            "tamiz_corrections_total",
            "People's corrections, and whether the shown value was wrong.",
            ["field", "wrong"],
            registry=made,
        )
        self._jobs = Counter(
            "tamiz_job_events_total", "What happened to jobs.", ["kind", "event"], registry=made
        )
        self._stages = Histogram(
            "tamiz_stage_seconds", "Seconds per stage.", ["stage"], buckets=SECONDS, registry=made
        )
        self._asked = Counter(
            "tamiz_writer_answers_total", "Answers of the language model.", ["outcome"], registry=made
        )
        self._pushes = Counter(
            "tamiz_pushes_total",
            "What became of writes to desks: done, skipped, parked, again (surely not written) or unknown.",
            ["desk", "outcome"],
            registry=made,
        )
        self._pauses = Counter(
            "tamiz_desk_pauses_total", "How often a desk was left alone.", ["desk"], registry=made
        )
        self._refused = Counter("tamiz_models_refused_total", "Models that were not taken.", registry=made)
        self._queue = Gauge("tamiz_queue_jobs", "Jobs in the queue.", ["kind", "state"], registry=made)
        self._age = Gauge(
            "tamiz_queue_age_seconds",
            "How long the oldest waiting job has been due.",
            ["kind"],
            registry=made,
        )
        self._confidence = Histogram(
            "tamiz_confidence",
            "Confidence of shown values; against corrections it shows drift.",
            ["field"],
            buckets=tuple(i / 10 for i in range(1, 11)),
            registry=made,
        )

    def accepted(self, new: bool) -> None:
        """A ticket was accepted."""
        self._accepted.labels(str(new).lower()).inc()

    def triaged(self, kind: str, status: str, triage: Triage) -> None:
        """A triage was saved."""
        self._triaged.labels(kind, status).inc()
        for name, outcome in triage.fields.items():
            self._fields.labels(name, outcome.decision.value, outcome.reason.value or "none").inc()
            if outcome.decision in (Decision.APPLY, Decision.RECOMMEND):
                self._confidence.labels(name).observe(outcome.confidence)
        if triage.receipt.writer is not None:
            self._asked.labels("failed" if triage.receipt.writer.failure else "answered").inc()

    def corrected(self, field: str, wrong: bool) -> None:
        """A person gave a field a value."""
        self._corrections.labels(field, str(wrong).lower()).inc()

    def pushed(self, desk: str, outcome: str) -> None:
        """A step of an effect at a desk came to an end."""
        self._pushes.labels(desk, outcome).inc()

    def paused(self, desk: str) -> None:
        """A desk is left alone from now on."""
        self._pauses.labels(desk).inc()

    def job(self, kind: str, event: str) -> None:
        """Something happened to a job."""
        self._jobs.labels(kind, event).inc()

    def refused(self, model: str) -> None:
        """A model could not be taken into use."""
        self._refused.inc()

    def took(self, stage: str, seconds: float) -> None:
        """A stage took so long."""
        self._stages.labels(stage).observe(seconds)

    def text(self, states: Callable[[], Sequence[QueueState]], now: datetime) -> bytes:
        """The exposition format, with the queue as it is now."""
        self._queue.clear()  # a kind without jobs is not among the states
        self._age.clear()
        for state in states():
            for name, count in (("waiting", state.waiting), ("leased", state.leased), ("dead", state.dead)):
                self._queue.labels(state.kind, name).set(count)
            age = (now - state.oldest).total_seconds() if state.oldest else 0.0
            self._age.labels(state.kind).set(max(0.0, age))
        return generate_latest(self.registry)
