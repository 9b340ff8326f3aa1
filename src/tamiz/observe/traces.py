"""Traces by OpenTelemetry (extra `otel`): a span around each request, and below it the steps of the tickets that it
brought. Spans carry ids, names and counts, never text.

A request's `traceparent` (W3C Trace Context) is taken up. Which request a ticket came with is remembered in this process;
a ticket that comes from another process, or from before a restart, begins a trace of its own. All of them are found by
the attribute `tamiz.ticket.id`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tamiz.domain.stages import Stage
from tamiz.observe.metrics import METHODS

TICKET = "tamiz.ticket.id"
REMEMBERED = 10_000
"""Tickets whose trace is known; the one that was not touched for longest is forgotten first."""

_W3C = TraceContextTextMapPropagator()
_CARRIED = frozenset({b"traceparent", b"tracestate"})


def exporting(environ: Mapping[str, str], version: str) -> Traces:
    """Traces that are sent by OTLP over HTTP, as OpenTelemetry's environment variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    name = {} if environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "tamiz"}
    provider = TracerProvider(resource=Resource.create({**name, SERVICE_VERSION: version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


class Traces:
    """Makes spans. Thread-safe."""

    def __init__(self, provider: TracerProvider, remembered: int = REMEMBERED) -> None:
        self._provider, self._tracer = provider, provider.get_tracer("tamiz")
        self._remembered = remembered
        self._tickets: OrderedDict[str, SpanContext] = OrderedDict()
        self._lock = Lock()

    def around(self, app: Callable[..., Any]) -> Any:
        """The ASGI app with a span around each request."""
        return _Traced(app, self._tracer)

    def accepted(self, ticket_id: str) -> None:
        """The request that is being answered brought this ticket."""
        span = trace.get_current_span()
        if span.get_span_context().is_valid:
            span.add_event("accepted", {TICKET: ticket_id})
            span.set_attribute(TICKET, ticket_id)
            self._remember(ticket_id, span.get_span_context())

    def stage(self, stage: Stage) -> None:
        """A span for each ticket of a step that has ended."""
        began = int(stage.began.timestamp() * 1e9)
        for ticket in stage.tickets:
            parent = self._known(ticket)
            span = self._tracer.start_span(
                stage.name,
                trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None,
                attributes={TICKET: ticket, "tamiz.batch": len(stage.tickets)},
                start_time=began,
            )
            if stage.error:
                span.set_status(Status(StatusCode.ERROR, stage.error))
            span.end(began + int(stage.seconds * 1e9))
            if parent is None:
                self._remember(ticket, span.get_span_context())

    def close(self) -> None:
        """Send what is still to be sent."""
        self._provider.shutdown()

    def _known(self, ticket: str) -> SpanContext | None:
        with self._lock:
            if ticket in self._tickets:
                self._tickets.move_to_end(ticket)
            return self._tickets.get(ticket)

    def _remember(self, ticket: str, context: SpanContext) -> None:
        with self._lock:
            self._tickets[ticket] = context
            self._tickets.move_to_end(ticket)
            if len(self._tickets) > self._remembered:
                self._tickets.popitem(last=False)


class _Traced:
    """A span of kind server around each request: method, route and status, no address, no header, no body."""

    def __init__(self, app: Callable[..., Any], tracer: trace.Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        carrier = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"] if k in _CARRIED}
        with self._tracer.start_as_current_span(
            "request",
            _W3C.extract(carrier),
            SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def watched(message: Any) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "")
                if route:
                    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
                    span.update_name(f"{method} {route}")
                    span.set_attributes({"http.request.method": method, "http.route": route})
