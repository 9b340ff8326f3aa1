"""What a service does is heard: in the log, in the metrics, and in traces where they are wanted and can be had."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest

for package in ("prometheus_client", "sqlalchemy"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.bootstrap.observers import Observers, find_traces
from tamiz.bootstrap.settings import ServeSettings
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.records import Job, Lease, Record
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.jobs import Event as JobEvent
from tamiz.jobs import What
from tamiz.observe.logs import ROOT, json_process, to_stream
from tamiz.observe.metrics import Metrics
from tamiz.service.judge import Judge
from tamiz.service.trust import Alarm, Kind
from tamiz.store.events import Committed, Damage, LogDamaged
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted import ScriptedModel
from tamiz.text import canonicalize

COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    found = io.StringIO()
    handler = to_stream(found)
    yield found
    logging.getLogger(ROOT).removeHandler(handler)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def page(observers: Observers) -> str:
    return observers.metrics.text(list, ManualClock().now()).decode()


def test_slow_commits_and_damaged_logs_are_alarms(stream: io.StringIO) -> None:
    observers = Observers.of(ServeSettings(slow_commit=0.1), ManualClock(), {})
    for event in (
        Committed(0.05, 3),
        Committed(0.2, 1),
        LogDamaged(Damage.SHORTENED, 7, 9),
        LogDamaged(Damage.TORN, 7),
    ):
        observers.store(event)
    told = [(line["level"], line["event"]) for line in lines(stream)]
    alarms = ["slow commit", "store log shortened", "store log torn"]
    assert told == [("warning", event) for event in alarms]
    assert (lines(stream)[1]["frames"], lines(stream)[1]["expected"]) == (7, 9)
    text = page(observers)
    for sample in (
        "tamiz_slow_commits_total 1.0",
        'tamiz_store_log_damaged_total{kind="shortened"} 1.0',
        'tamiz_store_log_damaged_total{kind="torn"} 1.0',
        'tamiz_commit_seconds_count{outcome="kept"} 2.0',
    ):
        assert sample in text


class SlowMetrics(Metrics):
    """Metrics whose first page of models is written when another one has had the time to come."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.come = Event(), Event()

    def models(self, used: Collection[tuple[ModelInfo, str]], version: str) -> None:
        if not self.begun.is_set():
            self.begun.set()
            self.come.wait(0.2)
        super().models(used, version)
        self.come.set()


def test_poisoned_corrections_are_told_with_ids_and_counts(stream: io.StringIO) -> None:
    observers = Observers.of(ServeSettings(), ManualClock(), {})
    alarm = Alarm("acme", Kind.PHRASE, ("eve", "mallory"), 5, ("eve",), ManualClock().now())
    observers.alarmed(alarm)
    (line,) = lines(stream)
    assert (line["level"], line["event"], line["kind"]) == ("warning", "corrections alarm", "phrase")
    assert (line["accounts"], line["held"], line["tickets"]) == (["eve", "mallory"], ["eve"], 5)
    assert 'tamiz_correction_alarms_total{kind="phrase"} 1.0' in page(observers)


def test_models_that_change_at_once_are_all_told() -> None:
    metrics = SlowMetrics()

    def judges(tenant: str) -> Judge:
        model = ScriptedModel(replace(default_taxonomy(), name=tenant), lambda text: {})
        return Judge(model, Policy(), canonicalize)

    judging = Observers(metrics, ManualClock()).judging(judges)
    first = Thread(target=judging, args=("a",))
    first.start()
    assert metrics.begun.wait(10.0)
    judging("b")
    first.join()
    text = metrics.text(list, ManualClock().now()).decode()
    assert 'taxonomy="a"' in text
    assert 'taxonomy="b"' in text


def test_jobs_that_go_wrong_are_told_with_their_tickets(stream: io.StringIO) -> None:
    clock = ManualClock()
    observers = Observers.of(ServeSettings(), clock, {})
    leases = (Lease(Job("job-1", "a", "triage", "ticket-1", clock.now()), "w", 1, clock.now()),)
    for what in What:
        own = () if what is What.STALLED else leases
        observers.job(JobEvent(what, "w", "triage", own, reason="ValueError in f, line 3"))
    told = {line["event"]: line for line in lines(stream)}
    assert set(told) == {"job retried", "job buried", "job lost", "job stalled"}
    assert told["job buried"]["level"] == "error"
    assert told["job retried"]["tickets"] == ["ticket-1"]
    assert 'tamiz_job_events_total{event="retried",kind="triage"} 1.0' in page(observers)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**COLLECTOR, "OTEL_SDK_DISABLED": "true"},
        {**COLLECTOR, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nobody_asks_for_traces_and_there_are_none(stream: io.StringIO, environ: dict[str, str]) -> None:
    observers = Observers.of(ServeSettings(), ManualClock(), environ)
    assert observers.traces is None
    app = object()
    assert observers.around(app) is app
    observers.close()
    assert lines(stream) == []


@pytest.mark.parametrize("parts", [("tamiz_missing",), ("tamiz_missing.sdk",)])
def test_traces_that_cannot_be_made_are_told_once_and_nothing_fails(
    stream: io.StringIO, parts: tuple[str, ...]
) -> None:
    assert find_traces(COLLECTOR, parts) is None
    (line,) = lines(stream)
    assert line["level"] == "warning"
    assert "pip install 'tamiz[otel]'" in str(line["reason"])


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = """
import sys
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.observers import Observers
from tamiz.bootstrap.settings import ServeSettings
import tamiz.bootstrap.server
Observers.of(ServeSettings(), SystemClock(), {})
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


CRASHES = {
    "in a thread": "one = threading.Thread(target=fail)\none.start()\none.join()",
    "in a destructor": "class Grave:\n    def __del__(self): fail()\nGrave()",
    "in a task": "asyncio.run(leave())",
    "in a warning": "warnings.warn(SECRET)",
    "at the top": "fail()",
}


@pytest.mark.parametrize("place", CRASHES)
def test_an_error_that_nobody_caught_is_one_line_without_its_message(place: str) -> None:
    body = "\n".join(f"    {line}" for line in CRASHES[place].splitlines())
    code = f"""
import asyncio, gc, threading, warnings
from tamiz.observe.logs import json_process
SECRET = "my password is " + "hunter" + "2"

def fail(text=SECRET):
    raise ValueError(text)

async def leave():
    async def task():
        fail()
    task = asyncio.create_task(task())
    await asyncio.sleep(0.01)
    del task
    gc.collect()

with json_process():
{body}
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode == 0) == (place != "at the top")
    (line,) = [json.loads(one) for one in done.stderr.splitlines()]
    assert line.get("error") == (None if place == "in a warning" else "ValueError")
    assert "hunter2" not in done.stderr + done.stdout
    assert line["where"]


def test_afterwards_the_process_speaks_as_before() -> None:
    before = (sys.excepthook, sys.unraisablehook, list(logging.getLogger().handlers))
    with json_process():
        assert sys.excepthook is not before[0]
    assert (sys.excepthook, sys.unraisablehook, list(logging.getLogger().handlers)) == before


def test_a_cache_says_when_it_switches_itself_off_and_on(stream) -> None:
    observers = Observers(Metrics(), ManualClock())
    for tenant, record, holds in (
        ("a", Record(10, 0), True),
        ("b", Record(200, 9), False),
        ("b", Record(201, 9), False),
        ("a", Record(11, 0), True),
    ):
        observers.cache(tenant, record, holds)
    assert "tamiz_cache_serves 0.0" in page(observers)
    observers.cache("b", Record(900, 0), True)
    told = [(line["event"], line["tenant"], line["judged"], line["wrong"]) for line in lines(stream)]
    assert told == [("cache off", "b", 200, 9), ("cache on", "b", 900, 0)]
    assert "tamiz_cache_serves 1.0" in page(observers)
    assert "tamiz_cache_wrong_ratio 0.0" in page(observers)
