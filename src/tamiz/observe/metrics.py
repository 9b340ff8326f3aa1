"""What Prometheus scrapes. Labels are names from the taxonomy, kinds, routes and configured models: few values, nothing
personal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tamiz.domain.ports import ModelInfo
from tamiz.domain.records import QueueState
from tamiz.domain.triage import Decision, Triage
from tamiz.observe.windows import Coverage, Drift

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PATIENT = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
"""Bounds in seconds for what waits for a language model."""
TENTHS = tuple(i / 10 for i in range(1, 11))
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other method is counted as `other`: a client may invent as many as it likes."""


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._coverage, self._drift = Coverage(), Drift()
        self._exchanging = Lock()  # what is cleared and set anew is never seen half, also by a second scraper
        self._count_tickets()
        self._count_jobs()
        self._count_store()
        self._count_memory()
        self._count_desks()
        self._time_steps()
        self._describe_models()

    def accepted(self, new: bool) -> None:
        """A ticket was accepted."""
        self._accepted.labels(str(new).lower()).inc()

    def triaged(self, kind: str, status: str, triage: Triage) -> None:
        """A triage was saved."""
        self._triaged.labels(kind, status).inc()
        for name, outcome in triage.fields.items():
            self._fields.labels(name, outcome.decision.value, outcome.reason.value or "none").inc()
            self._coverage.add(name, outcome.decision is Decision.APPLY)
            if outcome.decision in (Decision.APPLY, Decision.RECOMMEND):
                self._confidence.labels(name).observe(outcome.confidence)
        recall, refusal = triage.receipt.recall, triage.receipt.refusal
        if recall is not None and not refusal:
            self._hits.labels(recall.tier.value, "person" if recall.by_person else "model").inc()
        if refusal:
            self._refusals.labels(refusal).inc()
        if triage.receipt.writer is not None and (recall is None or refusal):
            self._asked.labels("failed" if triage.receipt.writer.failure else "answered").inc()

    def corrected(self, field: str, wrong: bool, confidence: float | None = None) -> None:
        """A person gave a field a value; `confidence` is the model's where the value before was its."""
        self._corrections.labels(field, str(wrong).lower()).inc()
        if confidence is not None:
            self._drift.add(field, confidence, not wrong)

    def alarmed(self, kind: str) -> None:
        """Somebody's corrections gave an alarm."""
        self._alarms.labels(kind).inc()

    def pushed(self, desk: str, outcome: str) -> None:
        """A step of an effect at a desk came to an end."""
        self._pushes.labels(desk, outcome).inc()

    def paused(self, desk: str) -> None:
        """A desk is left alone from now on."""
        self._pauses.labels(desk).inc()

    def job(self, kind: str, event: str) -> None:
        """Something happened to a job."""
        self._jobs.labels(kind, event).inc()

    def cache(self, serves: bool, wrong: float) -> None:
        """Do the caches of all tenants hold their budgets, and what is the largest share of wrong answers?"""
        self._served.set(float(serves))
        self._wrong.set(wrong)

    def refused(self, model: str) -> None:
        """A model could not be taken into use."""
        self._refused.inc()

    def took(self, stage: str, seconds: float) -> None:
        """A stage took so long."""
        self._stages.labels(stage).observe(seconds)

    def served(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the path's template, empty for an unknown one."""
        known = method if method in METHODS else "other"
        self._requests.labels(known, route or "unknown", f"{status // 100}xx").observe(seconds)

    def committed(self, seconds: float, closures: int, kept: bool, slow: bool) -> None:
        """A transaction of so many closures was written to the disk, or could not be."""
        self._commits.labels("kept" if kept else "refused").observe(seconds)
        self._closures.inc(closures)
        if slow:
            self._slow.inc()

    def log_damaged(self, kind: str) -> None:
        """The store's log was not whole when it was opened."""
        self._damaged.labels(kind).inc()

    def asked(self, provider: str, seconds: float, failure: str = "") -> None:
        """A language model was asked; `failure` is the type of its error, empty for none."""
        self._provider.labels(provider).observe(seconds)
        if failure:
            self._failures.labels(provider, failure).inc()

    def models(self, used: Collection[tuple[ModelInfo, str]], version: str) -> None:
        """Which models triage from now on, each for which taxonomy, in which version of Tamiz."""
        with self._exchanging:
            self._info.clear()
            for info, taxonomy in used:
                names = (info.name, info.kind, info.content_hash, info.classes_hash, info.text_version)
                self._info.labels(*names, taxonomy, version).set(1)

    def text(self, states: Callable[[], Sequence[QueueState]], now: datetime) -> bytes:
        """The exposition format, with the queue as it is now."""
        found = states()
        with self._exchanging:
            self._set_queue(found, now)
            for field, share in self._coverage.shares().items():
                self._covered.labels(field).set(share)
            for field, (gap, number) in self._drift.gaps().items():
                self._gap.labels(field).set(gap)
                self._judged.labels(field).set(number)
            return generate_latest(self.registry)

    def _set_queue(self, states: Sequence[QueueState], now: datetime) -> None:
        self._queue.clear()  # a kind without jobs is not among the states
        self._age.clear()
        for state in states:
            for name, count in (("waiting", state.waiting), ("leased", state.leased), ("dead", state.dead)):
                self._queue.labels(state.kind, name).set(count)
            age = (now - state.oldest).total_seconds() if state.oldest else 0.0
            self._age.labels(state.kind).set(max(0.0, age))

    def _count_tickets(self) -> None:
        self._accepted = self._counter("tamiz_accepted_total", "Tickets accepted, new or repeated.", "new")
        self._triaged = self._counter(
            "tamiz_triaged_total", "Triages saved, by kind of job and status.", "kind", "status"
        )
        self._fields = self._counter(
            "tamiz_field_decisions_total",
            "Decisions per field and reason; the decision review is an abstention.",
            "field",
            "decision",
            "reason",
        )
        self._corrections = self._counter(
            "tamiz_corrections_total",
            "People's corrections, and whether the shown value was wrong.",
            "field",
            "wrong",
        )
        self._alarms = self._counter(
            "tamiz_correction_alarms_total", "Alarms over people's corrections, by what was seen.", "kind"
        )
        self._covered = self._gauge(
            "tamiz_coverage_ratio", "Share of the latest 1000 triages that apply the field.", "field"
        )
        self._confidence = Histogram(
            "tamiz_confidence",
            "Confidence of shown values.",
            ["field"],
            buckets=TENTHS,
            registry=self.registry,
        )
        self._gap = self._gauge(
            "tamiz_calibration_gap_ratio",
            "Mean confidence minus share confirmed, over the latest 500 values that people judged.",
            "field",
        )
        self._judged = self._gauge(
            "tamiz_calibration_judged", "Values behind tamiz_calibration_gap_ratio.", "field"
        )

    def _count_jobs(self) -> None:
        self._jobs = self._counter("tamiz_job_events_total", "What happened to jobs.", "kind", "event")
        self._queue = self._gauge("tamiz_queue_jobs", "Jobs in the queue.", "kind", "state")
        self._age = self._gauge(
            "tamiz_queue_age_seconds", "How long the oldest waiting job has been due.", "kind"
        )

    def _count_desks(self) -> None:
        self._pushes = self._counter(
            "tamiz_pushes_total",
            "What became of writes to desks: done, skipped, parked, again (surely not written) or unknown.",
            "desk",
            "outcome",
        )
        self._refused = self._counter("tamiz_models_refused_total", "Models that were not taken.")
        self._pauses = self._counter("tamiz_desk_pauses_total", "How often a desk was left alone.", "desk")

    def _count_memory(self) -> None:
        self._hits = self._counter(
            "tamiz_cache_hits_total",
            "Tickets that got the answer of an earlier one: how it was found, and whose answer it was.",
            "tier",
            "by",
        )
        self._refusals = self._counter(
            "tamiz_cache_refusals_total", "Near tickets whose answer was not served, by reason.", "reason"
        )
        self._served = self._gauge(
            "tamiz_cache_serves", "1 while no tenant's cache is over its error budget, else 0."
        )
        self._served.set(1)
        self._wrong = self._gauge(
            "tamiz_cache_wrong_ratio", "Largest share of wrong ones among the judged reuses of a tenant."
        )

    def _count_store(self) -> None:
        self._commits = self._histogram("tamiz_commit_seconds", "Seconds until the disk kept it.", "outcome")
        self._closures = self._counter("tamiz_committed_closures_total", "Closures in these commits.")
        self._slow = self._counter("tamiz_slow_commits_total", "Commits beyond serve.slow_commit.")
        self._damaged = self._counter(
            "tamiz_store_log_damaged_total", "Starts that found the log shortened or its end torn.", "kind"
        )

    def _time_steps(self) -> None:
        self._stages = self._histogram("tamiz_stage_seconds", "Seconds per stage and batch.", "stage")
        self._requests = self._histogram(
            "tamiz_request_seconds", "Seconds per request.", "method", "route", "status"
        )
        self._provider = self._histogram(
            "tamiz_provider_seconds", "Seconds per question to a language model.", "provider", buckets=PATIENT
        )

    def _describe_models(self) -> None:
        self._asked = self._counter(
            "tamiz_writer_answers_total", "Triages with an answer of the language model.", "outcome"
        )
        self._failures = self._counter(
            "tamiz_provider_failures_total", "Failed questions by type of error.", "provider", "kind"
        )
        names = ("name", "kind", "hash", "classes", "text", "taxonomy", "version")
        self._info = self._gauge("tamiz_model_info", "The models that triage.", *names)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, *labels: str, buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        return Histogram(name, about, labels, buckets=buckets, registry=self.registry)
