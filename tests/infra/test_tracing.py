"""One trace from a request to the reaction of another service, and none if traces are switched off."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from events import Envelope
from events.auctions import AuctionOpened
from infra import telemetry
from infra.causality import current_cause
from infra.clock import system_clock
from tests.market import Market
from tests.services.auctions.market_builders import an_organisation, paper


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry.start("test", exporter)
    yield exporter
    telemetry.stop()


async def test_a_request_is_one_trace_with_what_other_services_do_about_it(
    market: Market, spans: InMemorySpanExporter
) -> None:
    buyer = await an_organisation(market, "buyer")
    async with market.client(buyer) as client:
        assert (await client.post("/api/auctions", json=paper())).status_code == 201

    def named(name: str) -> ReadableSpan:
        return next(each for each in spans.get_finished_spans() if each.name == name)

    async def reacted() -> ReadableSpan:
        try:
            return named(f"transparency reacts to {AuctionOpened.TYPE}")
        except StopIteration as missing:
            raise LookupError("no reaction yet") from missing

    reaction = await market.eventually(reacted)
    request, sent = named("POST /api/auctions"), named(f"auctions sends {AuctionOpened.TYPE}")
    assert request.attributes and request.attributes["http.status"] == 201
    assert request.context and sent.context and reaction.context and sent.parent and reaction.parent
    assert request.parent is None
    assert sent.parent.span_id == request.context.span_id
    assert reaction.parent.span_id == sent.context.span_id
    assert {each.context.trace_id for each in (request, sent, reaction) if each.context} == {request.context.trace_id}


def test_nothing_is_recorded_unless_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in telemetry.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    telemetry.start("test")
    with telemetry.span("server", "GET") as span:
        span.describe("GET /", http_route="/")
        assert span.traceparent == ""
        assert current_cause().traceparent == ""


def test_an_envelope_without_a_trace_is_as_it_always_was() -> None:
    envelope = Envelope(
        id="1",
        type="t",
        source="/s",
        subject="x",
        time=system_clock(),
        correlationid="c",
        causationid="1",
    )
    assert "ce_traceparent" not in dict(envelope.headers())
    traced = Envelope.from_headers([*envelope.headers(), ("ce_traceparent", b"00-1-2-01")])
    assert traced.traceparent == "00-1-2-01"
    assert dict(traced.headers())["ce_traceparent"] == b"00-1-2-01"
