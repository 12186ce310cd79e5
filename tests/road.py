"""The path of events for one test service on the real servers, and waits for tests."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition
from sqlalchemy import text

from events import Envelope, encode
from events.accounts import OrganisationRegistered
from events.topics import LARGEST_MESSAGE
from infra import deadletters
from infra.broker import access
from infra.clock import system_clock
from infra.consumer import Consumer
from infra.database import Database, Transaction, schema_of
from infra.embedded import Servers
from infra.health import HEALTH, Condition
from infra.held import ConsumerStopped
from infra.ids import new_id
from infra.inbox import Inbox
from infra.producer import Producer
from infra.reactions import Reactions
from tests.market import empty_database

NUMBER = itertools.count(1)


class NotUtf8(str):
    """The name of a header in bytes that are not UTF-8, as a careless client may write it."""

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"ce_\xff" + super().encode()


@dataclass
class Road:
    """A service that stores the names of the organisations in its events, on its own topic with two partitions."""

    service: str
    topic: str
    url: str
    bootstrap: str
    database: Database
    kafka: Producer
    fails: Callable[[str], Exception | None] = lambda name: None
    heard: list[str] = field(default_factory=list)

    async def note(self, tx: Transaction, event: OrganisationRegistered) -> None:
        if error := self.fails(event.name):
            raise error
        await (await tx.raw()).execute(f"insert into {self.service}.heard (name) values ($1)", event.name)

    def consumer(self) -> Consumer:
        reactions = Reactions()
        reactions.on(OrganisationRegistered)(self.note)
        return Consumer(Inbox(self.service, reactions, self.database, self.kafka), [self.topic], self.bootstrap)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["asyncio.Task[None]"]:
        work = asyncio.create_task(self.consumer().run())
        try:
            yield work
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, ConsumerStopped):
                await work

    async def send(
        self, *names: str, partition: int = 0, type_: str = OrganisationRegistered.TYPE, padding: int = 0
    ) -> None:
        for name in names:
            told = OrganisationRegistered(organisation_id="somebody", roles=("buyer",), name=name)
            number = new_id()
            envelope = Envelope(
                id=number,
                type=type_,
                source="/test",
                subject="somebody",
                time=system_clock(),
                correlationid=number,
                causationid=number,
            )
            key, value, headers = encode(envelope, told)
            if padding:
                filler = "".join(Random(1).choices("abcdefghij", k=padding)).encode()
                value = value.removesuffix(b"}") + b',"padding":"' + filler + b'"}'
            await self.kafka.working.send_and_wait(
                self.topic, key=key, value=value, headers=headers, partition=partition
            )

    async def send_bytes(
        self, value: bytes, partition: int = 0, without_value: str = "", type_: str = OrganisationRegistered.TYPE
    ) -> None:
        """Send an event of that type with these bytes as its data. ``without_value``: the name of a header without a
        value."""
        envelope = Envelope(
            id=new_id(),
            type=type_,
            source="/test",
            subject="somebody",
            time=system_clock(),
            correlationid="c",
            causationid="c",
        )
        headers = [(name, None if name == without_value else each) for name, each in envelope.headers()]
        await self.kafka.working.send_and_wait(self.topic, key=b"k", value=value, headers=headers, partition=partition)

    async def send_odd(self, name: str, *, damaged: str = "", partition: int = 0) -> None:
        """Send an event with a header whose name is not UTF-8: an additional one, or a ``damaged`` one."""
        number = new_id()
        envelope = Envelope(
            id=number,
            type=OrganisationRegistered.TYPE,
            source="/test",
            subject="somebody",
            time=system_clock(),
            correlationid=number,
            causationid=number,
        )
        told = OrganisationRegistered(organisation_id="somebody", roles=("buyer",), name=name)
        key, value, headers = encode(envelope, told)
        odd = [(NotUtf8(header) if header == damaged else header, each) for header, each in headers]
        async with AIOKafkaProducer(**access(self.bootstrap)) as kafka, asyncio.timeout(20):
            batch = kafka.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1_000_000)
            headers = odd if damaged else [*headers, (NotUtf8("x"), b"1")]
            batch.append(key=key, value=value, timestamp=None, headers=headers)
            await (await kafka.send_batch(batch, self.topic, partition=partition))

    async def names(self) -> list[str]:
        return [
            row["name"] for row in await self.database.pool.fetch(f"select name from {self.service}.heard order by n")
        ]

    async def committed(self) -> list[int]:
        """The committed offsets, by partition."""
        admin = AIOKafkaAdminClient(**access(self.bootstrap))
        await admin.start()
        try:
            try:
                found = await admin.list_consumer_group_offsets(f"lonja.{self.service}")
            except GroupCoordinatorNotAvailableError:  # the broker is new and is just making the topic of offsets
                found = {}
            offsets = [found.get(TopicPartition(self.topic, number)) for number in (0, 1)]
            return [each.offset if each else 0 for each in offsets]
        finally:
            await admin.close()

    async def dead(self) -> list[str]:
        return [letter.error async for letter in deadletters.read(self.bootstrap) if letter.consumer == self.service]

    def health(self, kind: str) -> Condition:
        return next(each for each in HEALTH if (each.kind, each.name) == (kind, self.service))

    async def tell(self, *names: str, key: str = "somebody", topic: str = "") -> None:
        async with self.database.transaction(self.service) as tx:
            for name in names:
                tx.emit(OrganisationRegistered(organisation_id=key, roles=("buyer",), name=name))
            await tx.flush()
            await (await tx.raw()).execute(
                f"update {self.service}.outbox set topic = $1 where topic = $2",
                topic or self.topic,
                OrganisationRegistered.TOPIC,
            )

    async def on_the_wire(self, topic: str = "") -> list[str]:
        kafka = AIOKafkaConsumer(**access(self.bootstrap), enable_auto_commit=False)
        await kafka.start()
        try:
            kafka.assign([TopicPartition(topic or self.topic, number) for number in (0, 1)])
            await kafka.seek_to_beginning()
            found: list[str] = []
            for partition, end in (await kafka.end_offsets(kafka.assignment())).items():
                while await kafka.position(partition) < end:
                    records = (await kafka.getmany(partition, timeout_ms=500)).get(partition, [])
                    found += [
                        (record.value or b"").partition(b'"name":"')[2].partition(b'"')[0].decode()
                        for record in records
                    ]
            return found
        finally:
            await kafka.stop()


@asynccontextmanager
async def a_road(servers: Servers) -> AsyncIterator[Road]:
    name = f"fault{next(NUMBER)}_{new_id()[-6:]}"  # other processes make roads too, with their own counters
    url = await empty_database(servers, "lonja_faults")
    database = await Database.connect(url, system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"create schema {name}"))
        await connection.run_sync(schema_of(name).metadata.create_all)
        await connection.execute(text(f"create table {name}.heard (n serial, name text)"))
    topic = f"{name}.{new_id()}"
    await make_topic(
        servers.kafka_bootstrap, NewTopic(topic, 2, 1, topic_configs={"max.message.bytes": str(LARGEST_MESSAGE)})
    )
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    yield Road(name, topic, url, servers.kafka_bootstrap, database, kafka)
    await kafka.stop()
    await database.close()


async def make_topic(bootstrap: str, topic: NewTopic) -> None:
    admin = AIOKafkaAdminClient(**access(bootstrap))
    await admin.start()
    try:
        await admin.create_topics([topic])
    finally:
        await admin.close()


async def until(check: Callable[[], Awaitable[bool]], otherwise: Callable[[], Awaitable[object]]) -> None:
    try:
        async with asyncio.timeout(60):
            while not await check():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(await otherwise()) from None


async def until_heard(road: Road, names: Sequence[str]) -> None:
    async def all_there() -> bool:
        return await road.names() == list(names)

    await until(all_there, road.names)


async def until_dead_letters(road: Road, number: int) -> None:
    """Wait for this number of dead letters. Good events of a batch take effect before bad ones become dead letters."""

    async def there() -> bool:
        return len(await road.dead()) == number

    await until(there, road.dead)


async def until_committed(road: Road, *offsets: int) -> None:
    async def there() -> bool:
        return await road.committed() == list(offsets)

    await until(there, road.committed)


@contextmanager
def forgotten_for_a_while(topic: str) -> Iterator[Event]:
    """Hide the topic as a broker does that has just started, until a group has assigned partitions without it, which
    the asyncio event shows."""
    update, assign, dealt_out = ClusterMetadata.update_metadata, RoundRobinPartitionAssignor.assign, Event()

    def without_it(self: ClusterMetadata, metadata: Any) -> None:
        if not dealt_out.is_set():
            metadata.topics = [each for each in metadata.topics if each[1] != topic]
        update(self, metadata)

    def deal_out(cluster: ClusterMetadata, members: Any) -> Any:
        found = assign(cluster, members)
        dealt_out.set()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClusterMetadata, "update_metadata", without_it)
        patch.setattr(RoundRobinPartitionAssignor, "assign", deal_out)
        yield dealt_out


@asynccontextmanager
async def locking(road: Road, rows: str) -> AsyncIterator[None]:
    """Keep these rows of a table locked by another transaction."""
    connection = await asyncpg.connect(road.url)
    try:
        async with connection.transaction():
            await connection.execute(f"select from {road.service}.{rows} for update")
            yield
    finally:
        await connection.close()


def always(name: str) -> Exception | None:
    return ValueError(f"cannot bear {name}") if name.startswith("bad") else None


BAD_RECORDS: tuple[tuple[bytes, str], ...] = (
    (b'{"organisation_id":"\xff","roles":["buyer"]}', ""),
    (b"\xff", ""),
    (b"[" * 100_000, ""),
    (b"{}", "ce_type"),
    (b"{}", "ce_id"),
    (b"{}", "ce_time"),
)
"""The data, and the header without a value."""
