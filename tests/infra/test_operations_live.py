"""Health and figures of a running market, read like a load balancer, an alarm and Prometheus."""

import logging
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra import migrations
from infra.embedded.ports import remembered_port
from infra.operations import processes
from infra.operations.exposition import exposition
from infra.operations.figures import ServerFigures
from infra.web import create_app, health
from tests.market import Market, unconnected
from tests.services.auctions.market_builders import a_scene, an_organisation

STRANGER = {"x-forwarded-for": "203.0.113.7"}
"""The headers of a request that a proxy on this machine forwards."""


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Sample name → labels → value."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def metrics_of(market: Market) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    async with market.client() as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return samples(answer.text)


async def ready(market: Market, headers: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The states by part. The market of the tests has no streams process; only that is out of order."""
    async with market.client() as client:
        answer = await client.get("/health/ready", headers=headers or {})
    told = answer.json()
    assert answer.status_code == (200 if told["ready"] else 503)
    assert answer.headers["cache-control"] == "no-store"
    return {part["part"]: part for part in told["parts"]}


async def test_a_process_that_answers_is_live(market: Market) -> None:
    async with market.client() as client:
        for path in ("/health", "/health/live"):
            assert (await client.get(path)).status_code == 200


async def test_readiness_lists_servers_processes_outboxes_and_consumers(market: Market) -> None:
    async def all_there() -> dict[str, dict[str, Any]] | None:
        parts = await ready(market)
        return parts if "consumer group lonja.pools" in parts else None

    parts = await market.eventually(all_there)
    for part in (
        "database",
        "kafka",
        "process worker",
        "outbox auctions",
        "outbox pools",
        "consumer group lonja.contracts",
    ):
        assert parts[part]["state"] == "running", parts[part]
    assert parts["process streams"]["state"] == "stopped"
    assert "lonja streams" in parts["process streams"]["remedy"]


async def test_a_stranger_learns_only_names_and_states(market: Market) -> None:
    parts = await ready(market, STRANGER)
    assert "database" in parts
    assert all(part.keys() == {"part", "state"} for part in parts.values())


async def test_figures_are_not_for_strangers(market: Market) -> None:
    async with market.client() as client:
        assert (await client.get("/metrics", headers=STRANGER)).status_code == 403


async def test_prometheus_reads_requests_bids_queues_and_the_process(market: Market) -> None:
    before = await metrics_of(market)
    scene = await a_scene(market)
    supplier = await an_organisation(market, "supplier")
    async with market.client(supplier) as client:
        for amount in ("990000", (await scene.view())["next_bid"]):
            await client.post(
                f"/api/auctions/{scene.auction_id}/bids",
                json={"amount": amount},
                headers={"idempotency-key": f"metrics-{amount}"},
            )
    after = await metrics_of(market)

    def gained(name: str, **labels: str) -> float:
        key = tuple(sorted(labels.items()))
        return after[name][key] - before.get(name, {}).get(key, 0)

    route = "/api/auctions/{auction_id}/bids"
    assert gained("lonja_http_request_duration_seconds_count", method="POST", route=route, status="201") == 1
    assert gained("lonja_http_request_duration_seconds_count", method="POST", route=route, status="422") == 1
    assert (
        gained("lonja_http_request_duration_seconds_bucket", method="POST", route=route, status="201", le="+Inf") == 1
    )
    assert gained("lonja_bids_total", verdict="accepted") == 1
    assert gained("lonja_bids_total", verdict="refused") == 1
    assert gained("lonja_lane_batch_bids_sum") == 2
    assert gained("lonja_lane_batch_seconds_count") >= 1
    for name in ("lonja_outbox_oldest_seconds", "lonja_outbox_waiting_events", "lonja_outbox_set_aside_events"):
        assert after[name][(("service", "auctions"),)] >= 0
    assert after["lonja_consumer_lag_messages"][(("group", "lonja.pools"),)] >= 0
    assert after["lonja_timer_lateness_seconds"][(("service", "auctions"), ("timer", "clock"))] < 60
    assert after["lonja_server_up"] == {(("server", "database"),): 1, (("server", "kafka"),): 1}
    assert abs(after["lonja_clock_ahead_seconds"][()]) < 60
    assert after["lonja_sse_watchers"][()] == 0
    for name in ("lonja_dead_letters", "process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert after[name][()] >= 0


async def test_no_label_of_a_figure_is_an_id(market: Market) -> None:
    async with market.client() as client:
        await client.get("/api/auctions/0192f0c1-0000-7000-8000-000000000000")
        await client.get("/no/such/page/0192f0c1-0000-7000-8000-000000000000")
        assert "0192f0c1" not in (await client.get("/metrics")).text


async def test_figures_are_written_beside_the_event_loop(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have a megabyte or more if all routes were used, and the loop has to decide bids."""
    threads: list[threading.Thread] = []

    def watched(figures: ServerFigures) -> bytes:
        threads.append(threading.current_thread())
        return exposition(figures)

    monkeypatch.setattr(health, "exposition", watched)
    await metrics_of(market)
    assert len(threads) == 1 and threads[0] is not threading.main_thread()


async def test_the_worker_has_a_port_of_its_own(market: Market) -> None:
    port = remembered_port(market.resources.config.home, "worker-operations")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/health/live")).json() == {"live": True}
        assert {"database", "kafka"} <= {part["part"] for part in (await client.get("/health/ready")).json()["parts"]}
        assert "lonja_events_published_total" in samples((await client.get("/metrics")).text)


async def test_a_watched_page_is_counted_while_it_is_watched(market: Market) -> None:
    scene = await a_scene(market)
    async with market.client() as client:
        async with client.stream("GET", f"/auctions/{scene.auction_id}/live") as answer:
            assert answer.status_code == 200
            assert (await metrics_of(market))["lonja_sse_watchers"][()] == 1

        async def nobody() -> bool:
            return (await metrics_of(market))["lonja_sse_watchers"][()] == 0

        await market.eventually(nobody)


async def test_figures_of_operations_agree_with_their_migrations(market: Market) -> None:
    assert await migrations.check(market.resources.database.engine, "operations", processes.METADATA) == ""


def test_the_framework_of_the_pages_leaves_the_logs_as_they_are(tmp_path: Path) -> None:
    handlers = logging.getLogger().handlers[:]
    create_app(unconnected(tmp_path), [], tmp_path)
    assert logging.getLogger().handlers == handlers
