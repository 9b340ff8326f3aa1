"""Traces: a request's span, and below it the steps of the tickets that it brought; ids and no text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")
for package in ("fastapi", "httpx"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tamiz.bootstrap.observers import Observers, find_traces
from tamiz.domain.stages import Stage
from tamiz.observe.metrics import Metrics
from tamiz.observe.traces import TICKET, Traces
from tamiz.service.accept import TRIAGE
from tamiz.service.work import Triaging

from ..api.rig import TEXT, Service, running

CANARY = "canary-91ab"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Rig:
    """A service whose app is traced into memory."""

    def __init__(self, service: Service, remembered: int = 100) -> None:
        self.spans, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.traces = Traces(provider, remembered)
        self.observers = Observers(Metrics(), service.clock, traces=self.traces)
        self.service = service
        transport = httpx.ASGITransport(self.observers.around(service.app), raise_app_exceptions=True)
        service.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def work(self) -> None:
        parts, now = self.service.parts, self.service.clock.now()
        leases = parts.store.write(lambda tx: tx.jobs.lease((TRIAGE,), "w", 100, now, now))
        Triaging(parts.store, parts.judges, parts.clock, parts.bits, watch=self.observers.watch)(leases)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]


@pytest.fixture
def rig() -> Iterator[Rig]:
    heard: list[Any] = []
    with (
        asyncio.Runner() as runner,
        running(runner, accepted=lambda found: heard[0].accepted(found)) as service,
    ):
        found = Rig(service)
        heard.append(found.observers)
        yield found
        found.observers.close()


def test_a_ticket_is_followed_from_the_caller_to_the_store(rig: Rig) -> None:
    body = {**TEXT, "body": f"{TEXT['body']} {CANARY}"}
    answer = rig.service.post("/classify", body, headers={"traceparent": PARENT})
    ticket = answer.json()["ticket_id"]
    rig.work()
    (request,) = rig.named("POST /classify")
    assert request.kind is SpanKind.SERVER
    assert f"{request.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert request.attributes == {
        TICKET: ticket,
        "http.request.method": "POST",
        "http.route": "/classify",
        "http.response.status_code": 202,
    }
    for name in ("canonicalize", "predict", "decide", "store"):
        (span,) = rig.named(name)
        assert span.context.trace_id == request.context.trace_id
        assert span.parent.span_id == request.context.span_id
        assert span.attributes[TICKET] == ticket
    told = json.dumps([json.loads(span.to_json()) for span in rig.spans.get_finished_spans()])
    assert CANARY not in told
    assert rig.service.keys["a", next(iter(rig.service.keys))[1]] not in told


def test_every_ticket_of_a_batch_is_followed(rig: Rig) -> None:
    assert rig.service.post("/tickets/batch", {"tickets": [TEXT] * 3}).status_code == 202
    rig.work()
    (request,) = rig.named("POST /tickets/batch")
    encoded = rig.named("predict")
    assert len({span.attributes[TICKET] for span in encoded}) == 3
    assert {span.context.trace_id for span in encoded} == {request.context.trace_id}
    assert len(request.events) == 3


def test_a_ticket_of_another_process_has_one_trace_of_its_own(rig: Rig) -> None:
    rig.service.submit()
    rig.traces._tickets.clear()
    rig.work()
    spans = [rig.named(name)[0] for name in ("canonicalize", "predict", "decide", "store")]
    assert len({span.context.trace_id for span in spans}) == 1
    assert spans[0].parent is None
    assert {span.parent.span_id for span in spans[1:]} == {spans[0].context.span_id}


def test_what_is_no_traceparent_begins_a_trace(rig: Rig) -> None:
    for wrong in ("", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "\x7f", PARENT.replace("-", "_")):
        assert rig.service.post("/classify", TEXT, headers={"traceparent": wrong}).status_code == 202
    requests = rig.named("POST /classify")
    assert len({span.context.trace_id for span in requests}) == 5
    assert all(span.parent is None for span in requests)


def test_an_unknown_method_or_address_makes_no_new_name(rig: Rig) -> None:
    for method, path in (("BREW", "/classify"), ("GET", f"/{CANARY}")):
        rig.service.request(method, path)
    assert {span.name for span in rig.spans.get_finished_spans()} == {"_OTHER /classify", "request"}
    assert CANARY not in str([span.to_json() for span in rig.spans.get_finished_spans()])


def test_a_step_that_fails_is_told_by_the_type_of_its_error(rig: Rig) -> None:
    rig.traces.stage(Stage("predict", ("t",), NOW, 0.25, "ValueError"))
    (span,) = rig.named("predict")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert span.end_time - span.start_time == 250_000_000


def test_only_so_many_tickets_are_remembered(rig: Rig) -> None:
    for number in range(300):
        rig.traces.stage(Stage("predict", (str(number),), NOW, 0.1))
    assert len(rig.traces._tickets) == 100


def test_a_collector_gets_the_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra 'otel' is not installed")
    from .collector import collecting

    with collecting() as (url, posts):
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        traces = find_traces(environ)
        assert traces is not None
        traces.stage(Stage("predict", ("ticket-77",), NOW, 0.1))
        traces.close()
    (path, body), *_ = posts
    assert path == "/v1/traces"
    for told in (b"ticket-77", b"predict", b"service.name", b"tamiz"):
        assert told in body
