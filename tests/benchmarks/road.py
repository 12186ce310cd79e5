"""The path of events: outbox → relay → Kafka → consumer → reaction, beside raw aiokafka producing and consuming the
same messages; and records of SKUs into one replica, beside a COPY of the same rows."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from sqlalchemy import text
from sqlmodel import SQLModel

from events import Envelope, encode
from events.accounts import OrganisationRegistered
from events.catalogue import SkuPublished
from events.values import Attribute, Category
from infra.broker import access
from infra.clock import system_clock
from infra.consumer import BATCH as BATCH_OF_CONSUMER
from infra.consumer import Consumer
from infra.database import Database, Transaction, schema_of
from infra.embedded import Servers
from infra.ids import new_id
from infra.inbox import Inbox
from infra.outbox import Relay
from infra.producer import Producer
from infra.reactions import Reactions
from infra.topics import create_topics
from services.market.replicas import Skus
from tests.benchmarks import Figure
from tests.market import empty_database, forget_topics

EVENTS = 40_000
BATCH = 2_000
SKUS = 50_000


class Row(SQLModel, registry=schema_of("bench")):
    """Base of the rows of this schema."""


skus = Skus(Row.metadata)


async def measure(servers: Servers) -> list[Figure]:
    """Events per second from the first outbox insert to the last handler's commit."""
    raw = await raw_kafka(servers)
    road = await whole_road(servers)
    return [
        Figure(name="raw aiokafka in and out", value=raw, unit="messages/s"),
        Figure(
            name="outbox to handler",
            value=road,
            unit="events/s",
            limit=raw,
            ratio=road / raw,
            aim="0.3 of raw aiokafka",
        ),
        *await replica(servers),
    ]


async def replica(servers: Servers) -> list[Figure]:
    """SKUs per second from records, as the consumer returns them, to the commit of their rows: decoded, claimed, and
    put into the replica."""
    url = await empty_database(servers, "lonja_bench")
    database = await Database.connect(url, system_clock)
    try:
        async with database.engine.begin() as connection:
            await connection.execute(text("create schema bench"))
            await connection.run_sync(Row.metadata.create_all)
        records = [_sku(number) for number in range(SKUS)]
        await database.pool.execute("create table raw (sku_id text, version int, body text)")
        began = time.perf_counter()
        for start in range(0, SKUS, BATCH_OF_CONSUMER):
            rows = [(key(each), 1, each.value.decode()) for each in records[start : start + BATCH_OF_CONSUMER]]
            async with database.pool.acquire() as raw:
                await raw.copy_records_to_table("raw", records=rows)
        copied = SKUS / (time.perf_counter() - began)
        inbox = Inbox("bench", skus.reactions, database, Producer(servers.kafka_bootstrap))
        began = time.perf_counter()
        for start in range(0, SKUS, BATCH_OF_CONSUMER):
            await inbox.handle(records[start : start + BATCH_OF_CONSUMER])
        put = SKUS / (time.perf_counter() - began)
        if await database.pool.fetchval("select count(*) from bench.skus") != SKUS:
            raise AssertionError("SKUs are missing from the replica")
    finally:
        await database.close()
    return [
        Figure(name="rows of SKUs copied", value=copied, unit="rows/s"),
        Figure(
            name="SKUs into one replica",
            value=put,
            unit="events/s",
            limit=copied,
            ratio=put / copied,
            aim="20,000 events/s",
        ),
    ]


def key(record: ConsumerRecord) -> str:
    return bytes(record.key).decode()


def _sku(number: int) -> ConsumerRecord:
    event = SkuPublished(
        sku_id=f"sku-{number}",
        version=1,
        name=f"Copying paper A4 number {number}",
        description="White, 80 g/m², 500 sheets",
        category=Category(code="30197630-1", title="Printing paper"),
        attributes=tuple(Attribute(name=name, value="1") for name in ("format", "weight", "sheets", "whiteness")),
        base_unit="C62",
    )
    envelope = Envelope(
        id=new_id(),
        type=event.TYPE,
        source="/catalogue",
        subject=event.sku_id,
        time=system_clock(),
        correlationid=event.sku_id,
        causationid=event.sku_id,
    )
    key, value, headers = encode(envelope, event)
    return ConsumerRecord(
        topic=event.TOPIC,
        partition=0,
        offset=number,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key),
        serialized_value_size=len(value),
        headers=headers,
    )


async def raw_kafka(servers: Servers) -> float:
    """Produce, then consume, with the durable settings; the time of both together, because the path of events includes
    both."""
    await forget_topics(servers.kafka_bootstrap)
    await create_topics(servers.kafka_bootstrap)
    kafka = Producer(servers.kafka_bootstrap)
    consumer = AIOKafkaConsumer(
        "lonja.accounts",
        **access(servers.kafka_bootstrap),
        group_id=f"raw.{new_id()}",
        auto_offset_reset="earliest",
    )
    await kafka.start()
    await consumer.start()
    headers = [
        ("ce_id", b"0192f0c4-1f7a-7c1e-9d4b-3a5b8c7d9e10"),
        ("ce_type", b"lonja.accounts.OrganisationRegistered.v1"),
    ]
    try:
        began = time.perf_counter()

        async def produce() -> None:
            sent = [
                await kafka.working.send("lonja.accounts", b"x" * 300, key=str(n).encode(), headers=headers)
                for n in range(EVENTS)
            ]
            await asyncio.gather(*sent)

        async def consume() -> None:
            seen = 0
            while seen < EVENTS:
                batches = await consumer.getmany(timeout_ms=500, max_records=5000)
                seen += sum(len(batch) for batch in batches.values())

        await asyncio.gather(produce(), consume())
        return EVENTS / (time.perf_counter() - began)
    finally:
        await consumer.stop()
        await kafka.stop()


async def whole_road(servers: Servers) -> float:
    await forget_topics(servers.kafka_bootstrap)
    await create_topics(servers.kafka_bootstrap)
    url = await empty_database(servers, "lonja_bench")
    database = await Database.connect(url, system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema bench"))
        await connection.run_sync(Row.metadata.create_all)
    handled = 0
    done = asyncio.Event()

    reactions = Reactions()

    @reactions.on(OrganisationRegistered)
    async def count(tx: Transaction, event: OrganisationRegistered) -> None:
        nonlocal handled
        handled += 1
        if handled == EVENTS:
            done.set()

    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    consumer = Consumer(Inbox("bench", reactions, database, kafka), ["lonja.accounts"], servers.kafka_bootstrap)
    tasks = [asyncio.create_task(work) for work in (Relay("bench", url, kafka).run(), consumer.run())]
    await asyncio.sleep(3)
    try:
        began = time.perf_counter()
        for start in range(0, EVENTS, BATCH):
            async with database.transaction("bench") as tx:
                for number in range(start, start + BATCH):
                    tx.emit(
                        OrganisationRegistered(
                            organisation_id=str(number), roles=("supplier",), name=f"Supplier {number}"
                        )
                    )
        await done.wait()
        return EVENTS / (time.perf_counter() - began)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await kafka.stop()
        await database.close()
