"""Logs and metrics: one line per event, few labels, and nothing that a ticket said."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest

pytest.importorskip("prometheus_client", reason="the extra 'serve' is not installed")

from prometheus_client.parser import text_string_to_metric_families

from tamiz.domain.errors import ProviderUnavailableError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Question, Written
from tamiz.domain.records import QueueState
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage, Ticket
from tamiz.domain.triage import Recall, Receipt, Tier, Triage, Writing
from tamiz.observe.logs import ROOT, log, to_stream
from tamiz.observe.metrics import Metrics
from tamiz.observe.windows import Coverage, Drift
from tamiz.observe.writer import WatchedWriter
from tamiz.pipeline import triage
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter
from tamiz.text import canonicalize

TAXONOMY = default_taxonomy()


def samples_of(text: str) -> dict[tuple[str, ...], float]:
    return {
        (s.name, *sorted(s.labels.values())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


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
    samples = samples_of(text)
    assert samples["tamiz_accepted_total", "true"] == 1
    assert samples["tamiz_triaged_total", "Needs_Human", "triage"] == 1
    assert samples["tamiz_field_decisions_total", "category", "not_earned", "recommend"] == 1
    assert samples["tamiz_corrections_total", "category", "true"] == 1
    assert samples["tamiz_queue_jobs", "triage", "waiting"] == 3
    assert samples["tamiz_queue_age_seconds", "triage"] == 90.0
    assert "secret" not in text
    assert "tamiz_queue_jobs{" not in metrics.text(list, clock.now()).decode()


def test_two_scrapers_at_once_both_see_the_whole_queue() -> None:
    metrics, clock = Metrics(), ManualClock()
    other = Thread(target=lambda: metrics.text(list, clock.now()))

    def states() -> Iterator[QueueState]:
        yield QueueState("triage", 3)
        other.start()
        other.join(0.2)  # it waits for its turn
        yield QueueState("push", 1)

    samples = samples_of(metrics.text(states, clock.now()).decode())  # type: ignore[arg-type]
    other.join()
    assert samples["tamiz_queue_jobs", "triage", "waiting"] == 3
    assert samples["tamiz_queue_jobs", "push", "waiting"] == 1


def test_a_library_is_told_of_by_its_name_and_place_only(lines) -> None:
    handler = to_stream(stream := io.StringIO())
    logger = logging.getLogger("asyncio.tests")
    logger.addHandler(handler)
    try:
        logger.error("my password is %s", "hunter2", exc_info=ValueError("hunter2"))
    finally:
        logger.removeHandler(handler)
        logging.getLogger(ROOT).removeHandler(handler)
    told = json.loads(stream.getvalue())
    assert (told["logger"], told["error"]) == ("asyncio.tests", "ValueError")
    assert told["where"].startswith("test_observe:")
    assert "hunter2" not in stream.getvalue()


def test_invented_methods_make_no_new_label() -> None:
    metrics, clock = Metrics(), ManualClock()
    for number in range(50):
        metrics.served(f"BREW{number}", "/classify" if number % 2 else "", 405, 0.01)
    metrics.served("GET", "/tickets/{ticket_id}", 200, 0.01)
    counts = {
        labels: value
        for labels, value in samples_of(metrics.text(list, clock.now()).decode()).items()
        if labels[0] == "tamiz_request_seconds_count"
    }
    assert counts == {
        ("tamiz_request_seconds_count", "/classify", "4xx", "other"): 25,
        ("tamiz_request_seconds_count", "4xx", "other", "unknown"): 25,
        ("tamiz_request_seconds_count", "/tickets/{ticket_id}", "2xx", "GET"): 1,
    }


def test_commits_models_and_damage_are_on_the_page() -> None:
    metrics, clock = Metrics(), ManualClock()
    metrics.committed(0.02, 12, kept=True, slow=False)
    metrics.committed(0.7, 3, kept=True, slow=True)
    metrics.committed(0.1, 1, kept=False, slow=False)
    metrics.log_damaged("torn")
    for name in ("old", "new"):
        model = ScriptedModel(TAXONOMY, lambda text: {})
        metrics.models([(replace(model.info, name=name), TAXONOMY.name)], "0.1.0")
    samples = samples_of(metrics.text(list, clock.now()).decode())
    assert samples["tamiz_commit_seconds_count", "kept"] == 2
    assert samples["tamiz_commit_seconds_count", "refused"] == 1
    assert samples["tamiz_committed_closures_total",] == 16
    assert samples["tamiz_slow_commits_total",] == 1
    assert samples["tamiz_store_log_damaged_total", "torn"] == 1
    (info,) = [labels for labels in samples if labels[0] == "tamiz_model_info"]
    assert {"new", TAXONOMY.name, "0.1.0", TAXONOMY.classes_hash} <= set(info)


def test_coverage_is_the_share_of_the_latest_triages() -> None:
    coverage = Coverage(size=4)
    for applied in (True, True, False, True, False):
        coverage.add("category", applied)
    assert coverage.shares() == {"category": 0.5}


def test_drift_is_confidence_minus_what_people_confirmed_of_the_latest() -> None:
    drift = Drift(size=4)
    for confirmed in (True, True, False, False, False):
        drift.add("category", 0.75, confirmed)
    drift.add("urgency", 0.5, confirmed=True)
    assert drift.gaps() == {"category": (0.5, 4), "urgency": (-0.5, 1)}
    metrics, clock = Metrics(), ManualClock()
    metrics.corrected("category", wrong=True, confidence=0.9)
    metrics.corrected("category", wrong=False)
    samples = samples_of(metrics.text(list, clock.now()).decode())
    assert samples["tamiz_calibration_gap_ratio", "category"] == 0.9
    assert samples["tamiz_calibration_judged", "category"] == 1
    assert samples["tamiz_corrections_total", "category", "false"] == 1


def test_a_language_model_is_timed_and_its_failures_are_counted_by_kind() -> None:
    metrics, clock = Metrics(), ManualClock()
    answers = iter([Written({}, 0.0, "VPN is down"), ProviderUnavailableError(provider="p", reason="away")])

    def answer(question: Question) -> Written:
        clock.pause(2.0)
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    writer = WatchedWriter(ScriptedWriter(TAXONOMY, answer), clock, metrics.asked)
    assert writer.write(Question("x")).summary == "VPN is down"
    with pytest.raises(ProviderUnavailableError):
        writer.write(Question("x"))
    name = writer.info.name
    assert (writer.taxonomy, writer.told) == (TAXONOMY, writer.writer.told)
    samples = samples_of(metrics.text(list, clock.now()).decode())
    assert samples["tamiz_provider_seconds_sum", name] == 4.0
    assert samples["tamiz_provider_failures_total", *sorted((name, "ProviderUnavailableError"))] == 1


def test_hits_and_refusals_of_the_cache_are_counted_by_their_reasons() -> None:
    metrics = Metrics()

    def told(**memory) -> None:
        receipt = Receipt("m", "h", "c", "1", **memory)
        metrics.triaged("triage", "Classified_By_Cache", Triage("t", "s", "subject", {}, "en", receipt))

    told(recall=Recall("x", Tier.EXACT))
    told(recall=Recall("x", Tier.VERIFIED, 0.95, by_person=True), writer=Writing("w", "h"))
    told(recall=Recall("x", Tier.WITHHELD, 0.95), refusal="budget")
    told(refusal="number")
    page = metrics.text(list, ManualClock().now()).decode()
    for line in (
        'tamiz_cache_hits_total{by="model",tier="exact"} 1.0',
        'tamiz_cache_hits_total{by="person",tier="verified"} 1.0',
        'tamiz_cache_refusals_total{reason="budget"} 1.0',
        'tamiz_cache_refusals_total{reason="number"} 1.0',
    ):
        assert line in page
    assert "withheld" not in page
    assert "tamiz_writer_answers_total{" not in page  # what was written before is no new answer
