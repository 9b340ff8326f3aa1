"""Logs and metrics: one line per event, few labels, and nothing that a ticket said."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest

pytest.importorskip("prometheus_client", reason="the extra 'serve' is not installed")

from prometheus_client.parser import text_string_to_metric_families

from tamiz.domain.gate import Policy
from tamiz.domain.records import QueueState
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.observe.logs import ROOT, log, to_stream
from tamiz.observe.metrics import Metrics
from tamiz.pipeline import triage
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted import ScriptedModel
from tamiz.text import canonicalize

TAXONOMY = default_taxonomy()


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = to_stream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger(ROOT).removeHandler(handler)


def test_a_log_line_is_one_json_object_whatever_stands_in_its_facts(lines) -> None:
    log("evil\nevent", ticket="a\r\n\x1b[31mb", jobs=("1", "2"), when=ManualClock().now())
    (told,) = lines()
    assert told["event"] == "evil\nevent"
    assert told["ticket"] == "a\r\n\x1b[31mb"
    assert told["jobs"] == ["1", "2"]
    assert told["level"] == "info"


def test_an_error_is_told_by_its_type_since_its_message_may_quote_a_ticket(lines) -> None:
    try:
        raise ValueError("my password is hunter2")
    except ValueError:
        logging.getLogger(f"{ROOT}.part").exception("it failed")
    (told,) = lines()
    assert told["error"] == "ValueError"
    assert "hunter2" not in json.dumps(told)


def test_metrics_count_what_happened_and_quote_nothing() -> None:
    metrics, clock = Metrics(), ManualClock()
    model = ScriptedModel(TAXONOMY, lambda text: {"category": ("Access", 0.9)})
    ticket = Ticket("t", RawMessage("", "my secret words"), clock.now())
    (found,) = triage([ticket], model, Policy(), canonicalize)
    metrics.accepted(new=True)
    metrics.triaged("triage", "Needs_Human", found)
    metrics.corrected("category", wrong=True)
    metrics.job("triage", "retried")
    metrics.took("waiting", 0.25)
    oldest = clock.now() - timedelta(seconds=90)
    text = metrics.text(lambda: [QueueState("triage", 3, 2, 1, oldest)], clock.now()).decode()
    samples = {
        (s.name, *sorted(s.labels.values())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["tamiz_accepted_total", "true"] == 1
    assert samples["tamiz_triaged_total", "Needs_Human", "triage"] == 1
    assert samples["tamiz_field_decisions_total", "category", "not_earned", "recommend"] == 1
    assert samples["tamiz_corrections_total", "category", "true"] == 1
    assert samples["tamiz_queue_jobs", "triage", "waiting"] == 3
    assert samples["tamiz_queue_age_seconds", "triage"] == 90.0
    assert "secret" not in text
    assert "tamiz_queue_jobs{" not in metrics.text(list, clock.now()).decode()
