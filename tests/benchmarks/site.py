"""The market for the benchmarks of auctions: the real web and worker processes of auctions, on an empty database and
empty topics.

To measure limits in the same run, the web process has three more routes that do nothing: two pass through the same
middleware, and one is in an app without middleware.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from litestar import Litestar, get, post
from litestar.response import Stream
from litestar.types import Receive, Scope, Send

from catalogue.policy import load as load_policy
from catalogue.roles import SUPPLIER_AGENT
from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened, OpeningRules
from events.values import Category, Line, Place
from infra.broker import access
from infra.config import Config
from infra.embedded import Servers
from infra.ids import new_id
from infra.runtime import prepare, run_worker, serve, standing
from infra.service import Resources
from infra.tokens import Principal
from infra.web import PUBLIC, FromResources, allow, create_app, routes
from services.auctions import service as auctions_service
from services.auctions.api import BidIn
from services.auctions.domain.auction import begin
from services.auctions.domain.chain import GENESIS
from services.auctions.domain.opening import opening_rules
from services.auctions.journal import chained, entries, write
from services.auctions.store import auctions, replicas
from services.auctions.store.auctions import StoredAuction
from tests.benchmarks.load import INITIAL, STEP
from tests.market import empty_database, forget_topics

SUPPLIERS = 64
NOTHING = "/api/nothing"
BARE = "/api/bare"
NOTHING_LIVE = "/nothing/live"
POLICY = load_policy("demo")
RULES = opening_rules(POLICY.auction, None)
LINE = Line(line_id="1", description="Bench", quantity=Decimal(1), unit="H87", unit_price=INITIAL, amount=INITIAL)


@post(NOTHING, opt=allow(SUPPLIER_AGENT, batched=True), include_in_schema=False)
async def nothing(data: BidIn) -> BidIn:
    return data


@post(BARE)
async def bare(data: BidIn) -> BidIn:
    return data


@get(NOTHING_LIVE, opt=PUBLIC, include_in_schema=False)
async def nothing_live(resources: FromResources) -> Stream:
    """Push to each watcher what is announced on the live channel that has the name of this route."""

    async def pushes() -> AsyncIterator[bytes]:
        async for message in resources.live.watch(NOTHING_LIVE):
            if message is not None:
                yield f"event: nothing\r\ndata: {message['version']}{' ' * message['size']}\r\n\r\n".encode()

    return Stream(pushes(), media_type="text/event-stream")


@dataclass(frozen=True)
class Site:
    """A market on which suppliers may bid. ``tokens`` has a token for each of them, by the id of the organisation."""

    config: Config
    resources: Resources
    tokens: dict[str, str]

    async def open(self, ends: Iterable[datetime], rules: OpeningRules = RULES) -> list[str]:
        """Open auctions that end at these instants. Return their ids."""
        async with self.resources.database.transaction("auctions") as tx:
            db = await tx.raw()
            written = []
            for closes_at in ends:
                opened = AuctionOpened(
                    auction_id=new_id(),
                    buyer_id="bench",
                    buyer_name="Bench",
                    title="Bench",
                    kind="goods",
                    category=Category(code="30"),
                    place=Place(country="RU"),
                    currency="RUB",
                    initial_price=INITIAL,
                    step=STEP,
                    lines=(LINE,),
                    policy="demo",
                    opens_at=tx.now,
                    closes_at=closes_at,
                    rules=rules,
                )
                state = begin(opened)
                await auctions.insert(tx, state, POLICY)
                fresh = StoredAuction(state=state, policy=POLICY, lines=0, head=GENESIS, result=None, version=-1)
                written.append(chained(fresh, entries([opened]), state, tx.now))
            await write(db, written, tx.now)
        return [each.after.opened.auction_id for each in written]

    async def wait_for_events(self) -> None:
        """Wait until the relay has published all events."""
        waiting = "select exists (select from auctions.outbox where published_at is null)"
        async with asyncio.timeout(60):
            while await self.resources.database.pool.fetchval(waiting):
                await asyncio.sleep(0.05)

    async def check_events(self) -> None:
        """Wait until all events are published. Raise AssertionError if the topic has more or fewer than the outbox."""
        await self.wait_for_events()
        written = await self.resources.database.pool.fetchval("select count(*) from auctions.outbox")
        kafka = AIOKafkaConsumer(**access(self.config.kafka_bootstrap), enable_auto_commit=False)
        await kafka.start()
        try:
            await kafka._client.force_metadata_update()
            topic = AuctionOpened.TOPIC
            parts = [TopicPartition(topic, part) for part in kafka.partitions_for_topic(topic) or ()]
            ends = await kafka.end_offsets(parts)
        finally:
            await kafka.stop()
        if written != sum(ends.values()):
            raise AssertionError(f"{written} events written, {sum(ends.values())} in Kafka")


@asynccontextmanager
async def site(servers: Servers) -> AsyncIterator[Site]:
    """Yield a market on an empty database and empty topics; no process of it runs yet."""
    config = Config.load({"LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    url = await empty_database(servers, "lonja_bench")
    config = replace(
        config,
        database_url=url,
        kafka_bootstrap=servers.kafka_bootstrap,
        rate_limit=100_000_000,
        connections_per_address=4096,
    )
    await forget_topics(servers.kafka_bootstrap)
    await prepare(config)
    async with standing(config) as resources:
        suppliers = [new_id() for _ in range(SUPPLIERS)]
        async with resources.database.transaction("auctions") as tx:
            registered = [
                OrganisationRegistered(organisation_id=supplier, roles=("supplier",), name="S")
                for supplier in suppliers
            ]
            await replicas.organisations.put_all(tx, registered)
        yield Site(config, resources, {each: _token(resources, each) for each in suppliers})


def _token(resources: Resources, supplier: str) -> str:
    agent = Principal(
        member_id=supplier, name="S", organisation_id=supplier, organisation_name="S", roles=(SUPPLIER_AGENT,)
    )
    return resources.tokens.issue(agent, resources.clock())


@dataclass(frozen=True)
class Web:
    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """The CPU time that the process has used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)


@asynccontextmanager
async def web(config: Config) -> AsyncIterator[Web]:
    """Run the web process, as ``lonja serve --only web`` does, and yield it once it accepts connections."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    async with process_of(_run_web, config, port) as process:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        yield Web(port, psutil.Process(process.pid))


@asynccontextmanager
async def worker(config: Config) -> AsyncIterator[None]:
    """Run the worker process of auctions (relay, consumer and timers) as ``lonja serve --only worker auctions`` does."""
    async with process_of(_run_worker, config):
        url = config.database_url
        assert url is not None
        connection = await asyncpg.connect(url)
        try:
            while not await connection.fetchval("select exists (select from pg_locks where locktype = 'advisory')"):
                await asyncio.sleep(0.1)  # the relay takes this lock first
        finally:
            await connection.close()
        yield


@asynccontextmanager
async def process_of(
    target: Callable[..., None], *arguments: Any
) -> AsyncIterator[multiprocessing.context.SpawnProcess]:
    """Run the function in a process of its own while the block runs. Raise AssertionError if it ends before the
    block."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield process
        if process.exitcode is not None:
            raise AssertionError(f"{target.__name__} ended by itself with {process.exitcode}")
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, 10)


def _run_web(config: Config, port: int) -> None:
    async def main() -> None:
        async with standing(config) as resources:
            service = auctions_service.create(resources)
            more = routes(resources, nothing, nothing_live)
            app = create_app(resources, [replace(service, routes=[*service.routes, more])], config.home)
            without_middleware = Litestar([bare], openapi_config=None)

            async def choose(scope: Scope, receive: Receive, send: Send) -> None:
                await (without_middleware if scope.get("path") == BARE else app)(scope, receive, send)

            await serve(choose, resources, port)

    uvloop.run(main())


def _run_worker(config: Config) -> None:
    uvloop.run(run_worker(config, ["auctions"]))
