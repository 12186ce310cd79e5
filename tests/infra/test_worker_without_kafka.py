"""A worker that starts while Kafka is away: due items are handled all the same, and events are sent when Kafka is
there."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import asyncpg
import pytest

from events.accounts import OrganisationRegistered
from infra import runtime
from infra.broker import where
from infra.config import Config
from infra.database import Transaction
from infra.embedded import Servers
from infra.embedded.ports import free_port
from infra.health import HEALTH, PartState
from infra.ids import new_id
from infra.service import Resources, Service, Timer
from infra.tasks import background
from tests.market import Markets, empty_database, skip_to_now


@asynccontextmanager
async def leading(port: int, to: str) -> AsyncIterator[None]:
    """Forward connections on this port to that server."""
    host, _, number = to.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(host, int(number))
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def until(check: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await check():
            await asyncio.sleep(0.1)


async def test_a_worker_without_kafka_keeps_its_clocks_and_goes_on_when_kafka_comes(
    servers: Servers, markets: Markets, monkeypatch: pytest.MonkeyPatch
) -> None:
    await markets.stop()  # its consumers are in the same groups
    organisation = new_id()
    told = False

    async def fall_due(tx: Transaction) -> int:
        nonlocal told
        if told:
            return 0
        tx.emit(OrganisationRegistered(organisation_id=organisation, roles=("buyer",), name="Due", state="active"))
        told = True
        return 1

    load = runtime.load

    def with_a_deadline(resources: Resources, names: tuple[str, ...]) -> list[Service]:
        return [replace(service, timers=(Timer("probe", 0.1, fall_due),)) for service in load(resources, names)]

    await skip_to_now(servers.kafka_bootstrap, ("pools",))
    config = Config.load({**os.environ, "LONJA_HOME": str(servers.home)})
    url = await empty_database(servers, "lonja_without_kafka")
    await runtime.migrate(replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap))
    monkeypatch.setattr(runtime, "load", with_a_deadline)
    port, kafka = free_port(servers.home, "late-kafka"), where(servers.kafka_bootstrap)
    bootstrap = servers.kafka_bootstrap.replace(kafka, f"127.0.0.1:{port}")
    connection = await asyncpg.connect(url)

    async def done() -> object:
        return await connection.fetchval("select count(*) from pools.outbox where published_at is null")

    async def heard() -> object:
        return await connection.fetchval("select 1 from pools.organisations where organisation_id = $1", organisation)

    async def said(state: PartState) -> object:
        parts = (("server", "Kafka"), ("relay", "pools"), ("consumer", "pools"))
        states = {(each.kind, each.name): each.state for each in HEALTH}
        return all(states.get(part) is state for part in parts)

    worker = runtime.run_worker(replace(config, database_url=url, kafka_bootstrap=bootstrap), ("pools",))
    async with background(worker, name="worker"):
        await until(done)
        await until(partial(said, PartState.waiting))
        async with leading(port, kafka):
            await until(heard)
            await until(partial(said, PartState.running))
            assert not await done()
    await connection.close()
