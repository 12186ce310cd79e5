"""A whole market in the test's own process: real PostgreSQL, Kafka and HTTP, and a clock that tests can move ahead."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition
from sqlalchemy.ext.asyncio import create_async_engine

from events import Envelope, Event, encode
from events.topics import TOPICS
from infra.broker import access
from infra.clock import ShiftedClock, system_clock
from infra.config import Config
from infra.consumer import group_of
from infra.database import Database
from infra.embedded import Servers
from infra.ids import new_id
from infra.live import Live
from infra.producer import Producer
from infra.roles import NONE, Connections
from infra.runtime import load, migrate, run_worker, standing
from infra.service import Resources
from infra.signing import Signer
from infra.tokens import Principal, Tokens
from infra.topics import create_topics
from infra.web import create_app
from infra.web.server import server
from services import NAMES as SERVICES

T = TypeVar("T")
DATABASE = "lonja_test"
TABLES = "lonja_tables"
"""The database from which those of the markets are copied."""
_WITH_TABLES: set[str] = set()
"""The servers, by their admin URL, on which this process made it. One of an earlier run may be from other code."""


class Market:
    """A running market: ``client(principal)`` is an API client, ``publish(event)`` publishes as another service would,
    ``eventually`` waits."""

    def __init__(self, resources: Resources, clock: ShiftedClock, url: str, kafka: AIOKafkaProducer) -> None:
        self.resources = resources
        self.clock = clock
        self.url = url
        self._kafka = kafka

    def token(self, principal: Principal) -> str:
        return self.resources.tokens.issue(principal, self.clock(), hours=24 * 365)

    def client(self, principal: Principal | None = None) -> httpx.AsyncClient:
        """A client for the JSON API; use it with ``async with``."""
        headers = {"authorization": f"Bearer {self.token(principal)}"} if principal else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    @asynccontextmanager
    async def browser(self, principal: Principal | None = None) -> AsyncIterator["Browser"]:
        """A browser without script for pages and forms: with cookies and the CSRF field, and following redirects."""
        cookies = {"lonja_session": self.token(principal)} if principal else {}
        async with httpx.AsyncClient(
            base_url=self.url, headers={"accept": "text/html"}, cookies=cookies, timeout=30, follow_redirects=True
        ) as client:
            yield Browser(client)

    async def publish(self, *events: Event, source: str = "/test", event_id: str | None = None) -> None:
        """Publish events as their service would."""
        for event in events:
            number = event_id or new_id()
            envelope = Envelope(
                id=number,
                type=event.TYPE,
                source=source,
                subject=event.subject,
                time=self.clock(),
                correlationid=number,
                causationid=number,
            )
            key, value, headers = encode(envelope, event)
            await self._kafka.send_and_wait(event.TOPIC, key=key, value=value, headers=headers)

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Query the database."""
        return await self.resources.database.pool.fetch(query, *arguments)

    async def published(self, service: str, kind: type[Event]) -> list[Any]:
        """The events of a kind that a service has written so far, in order."""
        rows = await self.fetch(f"select envelope, data from {service}.outbox order by position")
        return [
            msgspec.json.decode(row["data"], type=kind)
            for row in rows
            if msgspec.json.decode(row["envelope"])["type"] == kind.TYPE
        ]

    async def eventually(self, check: Callable[[], Awaitable[T]], within: float = 15) -> T:
        """Wait until ``check`` returns something true, and return that. If it never does, raise AssertionError with
        its last exception or value."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            outcome: T | None = None
            failure: Exception | None = None
            try:
                outcome = await check()
                if outcome:
                    return outcome
            except (AssertionError, LookupError, httpx.HTTPError) as error:
                failure = error
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not within {within} s: {outcome!r}") from failure
            await asyncio.sleep(0.05)


class Browser:
    """An HTTP client that sends forms as a browser would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.page = ""
        """The address of the current page."""
        self.first = 0
        """The answer to the last form, before redirects were followed."""

    async def get(self, path: str, **parameters: str) -> httpx.Response:
        answer = await self.client.get(path, params=parameters)
        self.page = str(answer.url)
        return answer

    async def post(self, path: str, fields: Mapping[str, object] | None = None) -> httpx.Response:
        await self.client.get("/health")  # the token belongs to the session, which a login or logout may have changed
        token = self.client.cookies["lonja_csrf"]
        said = {"origin": str(self.client.base_url).rstrip("/")} | ({"referer": self.page} if self.page else {})
        answer = await self.client.post(path, data={**(fields or {}), "_csrf_token": token}, headers=said)
        self.page = str(answer.url)
        self.first = answer.history[0].status_code if answer.history else answer.status_code
        return answer


class Markets:
    """One market at a time: a request for other services stops the running one and starts a new, empty one."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._names: tuple[str, ...] | None = None
        self._market: Market | None = None
        self._stack = AsyncExitStack()

    async def of(self, names: tuple[str, ...]) -> Market:
        """A market of the named services, all of them for ()."""
        if self._market is None or names != self._names:
            await self.stop()
            await skip_to_now(self._servers.kafka_bootstrap, names or SERVICES)
            self._market = await self._stack.enter_async_context(running_market(self._servers, names))
            self._names = names
        return self._market

    async def stop(self) -> None:
        self._market = None
        await self._stack.aclose()


async def skip_to_now(bootstrap: str, services: tuple[str, ...]) -> None:
    """Let the services' consumers begin after the messages of earlier markets, whose databases are gone.

    A killed process is a member of its groups until its session expires; nobody else can commit for them before."""
    async with asyncio.TaskGroup() as all_of_them:
        for service, bulk in product(services, (False, True)):
            all_of_them.create_task(_skip_to_now(bootstrap, group_of(service, bulk=bulk), bulk))


async def _skip_to_now(bootstrap: str, group: str, bulk: bool) -> None:
    kafka = AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False)
    await kafka.start()
    try:
        partitions = [
            TopicPartition(row.name, number) for row in TOPICS if row.bulk is bulk for number in range(row.partitions)
        ]
        kafka.assign(partitions)
        async with asyncio.timeout(30):
            while True:
                try:
                    await kafka.commit(await kafka.end_offsets(partitions))
                    break
                except CommitFailedError:
                    await asyncio.sleep(1)
    finally:
        await kafka.stop()


@asynccontextmanager
async def running_market(servers: Servers, names: tuple[str, ...]) -> AsyncIterator[Market]:
    """An empty database, then web and worker of the named services (all by default) in this process."""
    config = Config.load({**os.environ, "LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    config = replace(
        config,
        database_url=await database_with_tables(servers),
        kafka_bootstrap=servers.kafka_bootstrap,
        rate_limit=10_000_000,
        connections_per_address=4096,
    )
    await create_topics(servers.kafka_bootstrap)
    clock = ShiftedClock()
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    # TCP by name: asyncio sends small answers at once only on such sockets; on others each waits 40 ms for an acknowledgement.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        async with standing(config, clock) as resources:
            app = create_app(resources, load(resources, names), config.home / "static")
            served = server(app, config, resources.live.end, port=0)
            web = asyncio.create_task(served.serve(sockets=[listening]))
            worker = asyncio.create_task(run_worker(config, names, clock))
            while not served.started:
                await asyncio.sleep(0.02)
                for task in (web, worker):
                    if task.done():
                        task.result()
            yield Market(resources, clock, f"http://127.0.0.1:{listening.getsockname()[1]}", kafka)
            served.should_exit = True
            worker.cancel()
            await web
            with suppress(asyncio.CancelledError):
                await worker
    await kafka.stop()


class Nowhere:
    """A pool without connections."""

    async def acquire(self) -> None:
        raise ConnectionRefusedError("nobody is there")


def unconnected(home: Path) -> Resources:
    """The resources of a market that is composed but not started: it has no servers."""
    config = Config.load({"LONJA_HOME": str(home)})
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    pool = Connections(Nowhere(), NONE, {})  # type: ignore[arg-type]
    database = Database(create_async_engine(url.replace("://", "+asyncpg://")), pool, url, system_clock)
    return Resources(
        config, database, system_clock, Live(url), Tokens.load(config.secrets_dir), Signer.load(config.secrets_dir)
    )


async def database_with_tables(servers: Servers) -> str:
    """An empty database with the tables of all services. It is made once in the process, and copied for each market."""
    if servers.admin_url not in _WITH_TABLES:
        made = await empty_database(servers, TABLES)
        await migrate(replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=made))
        _WITH_TABLES.add(servers.admin_url)
    return await empty_database(servers, template=TABLES)


async def empty_database(servers: Servers, name: str = DATABASE, template: str = "template1") -> str:
    connection = await asyncpg.connect(servers.admin_url)
    try:
        await connection.execute(f"drop database if exists {name} with (force)")
        owner = urlsplit(servers.database_url).username
        await connection.execute(f"create database {name} owner {owner} template {template}")
    finally:
        await connection.close()
    return servers.database_url.rpartition("/")[0] + f"/{name}"


async def forget_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(**access(bootstrap))
    await admin.start()
    try:
        ours = [topic for topic in await admin.list_topics() if topic.startswith("lonja")]
        if ours:
            await admin.delete_topics(ours)
            while set(ours) & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
