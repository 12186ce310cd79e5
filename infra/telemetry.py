"""Traces, if OTEL_EXPORTER_OTLP_ENDPOINT is set: from a request through the outbox and Kafka to the reactions of other
services.

A trace is passed on in the event as the CloudEvents attribute ``traceparent`` (the distributed tracing extension).
OpenTelemetry is imported only if traces are switched on; else a span costs one call.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class TracingMissing(Exception):
    """Tracing is switched on but its packages are not installed."""

    code = "tracing-missing"

    def __init__(self) -> None:
        super().__init__("traces are switched on by OTEL_EXPORTER_OTLP_ENDPOINT: install lonja[tracing], or unset it")


class TracedSpan:
    """``traceparent`` identifies this span for its successors (W3C Trace Context); "" if nothing is recorded."""

    traceparent = ""

    def describe(self, name: str, **attributes: str | int) -> None:
        """Set the name, which may be known only at the end, such as the route of a request."""


NOTHING = TracedSpan()
_nothing: AbstractContextManager[TracedSpan] = nullcontext(NOTHING)
_tracer: Any = None


def start(process: str, exporter: Any = None) -> None:
    """Record traces if they are switched on, or if an exporter is given. Raise :class:`TracingMissing`."""
    global _tracer
    if exporter is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    except ImportError as missing:
        raise TracingMissing from missing
    provider = TracerProvider(resource=Resource.create({"service.name": f"lonja-{process}"}))
    processor = BatchSpanProcessor(OTLPSpanExporter()) if exporter is None else SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("lonja")


def stop() -> None:
    """Stop recording."""
    global _tracer
    _tracer = None


def span(kind: str, name: str, parent: str = "", **attributes: str | int) -> AbstractContextManager[TracedSpan]:
    """A span of the ``kind`` server, producer or consumer, as a successor of ``parent``; without a parent it begins a
    new trace."""
    return _nothing if _tracer is None else _recorded(kind, name, parent, attributes)


@contextmanager
def _recorded(kind: str, name: str, parent: str, attributes: dict[str, str | int]) -> Iterator[TracedSpan]:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    words = TraceContextTextMapPropagator()
    before = words.extract({"traceparent": parent}, Context())
    with _tracer.start_as_current_span(
        name, context=before, kind=trace.SpanKind[kind.upper()], attributes=attributes
    ) as recorded:
        carrier: dict[str, str] = {}
        words.inject(carrier)
        yield _Recorded(recorded, carrier.get("traceparent", ""))


class _Recorded(TracedSpan):
    def __init__(self, recorded: Any, traceparent: str) -> None:
        self._recorded = recorded
        self.traceparent = traceparent

    def describe(self, name: str, **attributes: str | int) -> None:
        self._recorded.update_name(name)
        self._recorded.set_attributes({key.replace("_", "."): value for key, value in attributes.items()})
