"""What one bad event, one bad row, a newer release or a resource that is away do to the road on the real servers: they cost
themselves alone."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from threading import Event
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition
from sqlalchemy import text

from events import Envelope, encode
from events.accounts import OrganisationRegistered
from events.topics import LARGEST_MESSAGE
from infra import consumer, deadletters, inbox, set_aside
from infra.broker import access
from infra.clock import system_clock
from infra.consumer import Consumer
from infra.database import Database, Transaction, schema_rows
from infra.embedded import Servers
from infra.health import HEALTH, Condition, State
from infra.ids import new_id
from infra.inbox import ConsumerStopped, Inbox
from infra.outbox import Relay
from infra.producer import Producer
from infra.reactions import Reactions
from tests.market import empty_database

NUMBER = itertools.count(1)
SMALL = 20_000
"""Bytes that the broker takes in one batch of the small topic."""


class NotUtf8(str):
    """The name of a header, as a client writes it that does not mind Kafka's rules."""

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"ce_\xff" + super().encode()


@dataclass
class Road:
    """A service that notes the names of the organisations it hears of, on a topic of its own with two partitions."""

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
        """An event of that type with these bytes as its data. ``without_value``: a header that has none."""
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
        """An event with a header whose name is not UTF-8: one more, or in the place of one that is ``damaged``."""
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
        """By partition."""
        admin = AIOKafkaAdminClient(**access(self.bootstrap))
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(f"lonja.{self.service}")
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


@pytest.fixture
async def road(servers: Servers, topics: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Road]:
    monkeypatch.setattr(inbox, "RETRIES", (0.01,))
    name = f"fault{next(NUMBER)}_{new_id()[-6:]}"  # other files have this fixture too, and a counter of their own
    url = await empty_database(servers, "lonja_faults")
    database = await Database.connect(url, system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"create schema {name}"))
        await connection.run_sync(schema_rows(name).metadata.create_all)
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


async def until_buried(road: Road, number: int) -> None:
    """Good events of a batch take effect before the bad ones are set aside."""

    async def there() -> bool:
        return len(await road.dead()) == number

    await until(there, road.dead)


async def until_committed(road: Road, *offsets: int) -> None:
    async def there() -> bool:
        return await road.committed() == list(offsets)

    await until(there, road.committed)


# Events without a reaction, and versions of tomorrow


async def test_events_without_a_reaction_are_passed_over_and_committed_however_many(road: Road) -> None:
    async with road.listening() as work:
        await road.send(*(f"unknown {number}" for number in range(240)), type_="lonja.accounts.NeverHeardOf.v1")
        await road.send("after")
        await until_heard(road, ["after"])
        await until_committed(road, 241, 0)
        assert not work.done()
    assert await road.dead() == []


async def test_a_header_whose_name_is_not_utf8_costs_at_most_its_own_event(road: Road) -> None:
    await road.send("before")
    await road.send_odd("with one more header")
    await road.send_odd("without its type", damaged="ce_type")
    await road.send("after")
    async with road.listening():
        await until_heard(road, ["before", "with one more header", "after"])
        await until_buried(road, 1)
        await until_committed(road, 4, 0)


@contextmanager
def forgotten_for_a_while(topic: str) -> Iterator[Event]:
    """As by a broker that has just started: until a group has been dealt out by what it says, which the event tells."""
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


async def test_a_group_that_was_dealt_out_when_the_broker_knew_no_topic_yet_is_dealt_out_again(road: Road) -> None:
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])
        with forgotten_for_a_while(road.topic) as dealt_out:
            async with asyncio.timeout(60):
                while not dealt_out.is_set():
                    await asyncio.sleep(0.1)
        await road.send("two")
        await until_heard(road, ["one", "two"])


async def test_an_event_without_a_reaction_is_not_even_read(road: Road) -> None:
    headers = [("ce_type", b"lonja.accounts.OrganisationStateChanged.v1")]
    await road.kafka.working.send_and_wait(road.topic, key=b"k", value=b"\xff", headers=headers, partition=0)
    await road.send("after")
    async with road.listening():
        await until_heard(road, ["after"])
    assert await road.dead() == []


async def test_a_version_of_a_newer_release_holds_its_partition_alone_until_that_release_runs(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = OrganisationRegistered.TYPE.replace(".v1", ".v2")
    await road.send("one")
    await road.send("two", type_=newer)
    await road.send("three")
    async with road.listening():
        await until_heard(road, ["one"])
        await road.send("other partition", partition=1)
        await until_heard(road, ["one", "other partition"])
        await until_committed(road, 1, 1)
        said = road.health("consumer")
        assert said.state is State.degraded and "newer release" in said.remedy
        assert "partition 0" in said.detail and "version 2" in said.detail
        async with road.listening():  # a rebalance: whoever has the partition now waits at the same place
            await road.send("still there", partition=1)
            await until_heard(road, ["one", "other partition", "still there"])
            await until_committed(road, 1, 2)
    assert await road.dead() == []
    monkeypatch.setitem(inbox.decode.__globals__["_registry"], newer, OrganisationRegistered)
    async with road.listening():
        await until_heard(road, ["one", "other partition", "still there", "two", "three"])
        await until_committed(road, 3, 2)
        assert road.health("consumer").state is State.running


async def test_a_consumer_that_is_ended_while_it_joins_leaves_nothing_behind_in_its_group(road: Road) -> None:
    """A member that nobody reads from would keep its partitions for ever."""
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])
        async with road.listening():
            await asyncio.sleep(0.5)  # a group takes a member in at the next heartbeat of the others, after up to 3 s
        await road.send("two", partition=0)
        await until_heard(road, ["one", "two"])
        await road.send("three", partition=1)
        await until_heard(road, ["one", "two", "three"])


async def test_a_consumer_whose_first_try_to_join_failed_leaves_nothing_behind_in_its_group(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = AIOKafkaConsumer.start
    tries = iter([True, False])

    async def joins_and_fails(kafka: AIOKafkaConsumer) -> None:
        await start(kafka)
        if next(tries):
            raise KafkaConnectionError("the broker went away")

    monkeypatch.setattr(AIOKafkaConsumer, "start", joins_and_fails)
    async with road.listening():
        await road.send("one", partition=0)
        await until_heard(road, ["one"])
        await road.send("two", partition=1)
        await until_heard(road, ["one", "two"])


async def _fail() -> None:
    raise RuntimeError("the handler is closed")


async def test_a_consumer_whose_list_of_brokers_is_kept_no_more_ends_and_says_why(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With such a client a later wait for another list would never end. Whoever supervises the consumer begins it again."""
    start = AIOKafkaConsumer.start

    async def starts_and_loses_it(kafka: AIOKafkaConsumer) -> None:
        await start(kafka)
        kept, kafka._client._sync_task = kafka._client._sync_task, asyncio.create_task(_fail())
        kept.cancel()

    with monkeypatch.context() as broken:
        broken.setattr(AIOKafkaConsumer, "start", starts_and_loses_it)
        with pytest.raises(RuntimeError, match="the handler is closed"):
            await road.consumer().run()
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])


async def test_a_commit_without_an_answer_ends_and_what_is_in_effect_stays_so(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(kafka: AIOKafkaConsumer) -> None:
        await asyncio.Event().wait()

    stop = AIOKafkaConsumer.stop

    async def stops_with_a_stray_cancellation(kafka: AIOKafkaConsumer) -> None:
        await stop(kafka)
        raise asyncio.CancelledError

    with monkeypatch.context() as frozen:
        frozen.setattr(consumer, "COMMIT_SECONDS", 0.5)
        frozen.setattr(AIOKafkaConsumer, "commit", never)
        frozen.setattr(AIOKafkaConsumer, "stop", stops_with_a_stray_cancellation)
        await road.send("one")
        with pytest.raises(TimeoutError):
            await road.consumer().run()
    async with road.listening():
        await road.send("two")
        await until_heard(road, ["one", "two"])


# Failures in a row


def always(name: str) -> Exception | None:
    return ValueError(f"cannot bear {name}") if name.startswith("bad") else None


async def test_failures_are_counted_by_partition_and_in_the_order_of_the_records(road: Road) -> None:
    road.fails = always
    for number in range(12):
        await road.send(f"bad {number}", partition=0)
        await road.send(f"bad {number}", partition=1)
    await road.send("good")
    for number in range(12):
        await road.send(f"bad again {number}")
    await road.send("last")
    async with road.listening():
        await until_committed(road, 26, 12)
    assert await road.names() == ["good", "last"]
    await until_buried(road, 36)


async def test_a_partition_of_failures_stops_its_consumer_and_none_is_set_aside_twice(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 5)
    road.fails = always
    await road.send("first", *(f"bad {number}" for number in range(7)), "last")
    with pytest.raises(ConsumerStopped, match="5 events in a row failed in partition 0"):
        await asyncio.wait_for(road.consumer().run(), 30)
    assert await road.names() == ["first"]
    assert (await road.committed())[0] == 6
    async with road.listening():  # somebody looked
        await until_heard(road, ["first", "last"])
    await until_buried(road, 7)


async def test_only_the_partition_of_a_failing_event_waits_for_its_next_try(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "RETRIES", (3600.0,))
    road.fails = always
    await road.send("bad 1", "bad 2", "bad 3", "after")
    await road.send("good 1", partition=1)
    async with road.listening():
        await until_heard(road, ["good 1"])

        async def waits() -> bool:
            here = road.health("consumer")
            assert "pg_stat_activity" not in here.remedy
            return here.state is State.waiting and "cannot bear bad 1" in here.detail and "dead letter" in here.remedy

        await until(waits, road.names)
        await road.send("good 2", partition=1)
        await until_heard(road, ["good 1", "good 2"])
        await until_committed(road, 0, 2)
    assert await road.dead() == []


async def test_failing_events_of_one_partition_are_tried_one_after_the_other_and_each_as_often(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "RETRIES", (0.01, 0.02))
    tried: list[str] = []

    def fails(name: str) -> Exception | None:
        tried.append(name)
        return always(name)

    road.fails = fails
    await road.send("bad 1", "bad 2", "after")
    async with road.listening():
        await until_heard(road, ["after"])
        await until_committed(road, 3, 0)
    await until_buried(road, 2)
    assert tried == ["bad 1"] * (1 + 3) + ["bad 2"] * 3 + ["after"]  # the first of them in the batch with the others


async def test_bytes_that_are_no_event_stop_nothing_however_many(road: Road) -> None:
    for _ in range(30):
        await road.send_bytes(b"\xff")
    await road.send("after")
    async with road.listening():
        await until_committed(road, 31, 0)
    assert await road.names() == ["after"]
    await until_buried(road, 30)


BAD_RECORDS: tuple[tuple[bytes, str], ...] = (
    (b'{"organisation_id":"\xff","roles":["buyer"]}', ""),
    (b"\xff", ""),
    (b"[" * 100_000, ""),
    (b"{}", "ce_type"),
    (b"{}", "ce_id"),
    (b"{}", "ce_time"),
)
"""Data, and the header that has no value."""


@pytest.mark.parametrize(("value", "without_value"), BAD_RECORDS, ids=range(len(BAD_RECORDS)))
async def test_a_record_that_is_no_event_is_a_dead_letter_and_the_rest_goes_on(
    road: Road, value: bytes, without_value: str
) -> None:
    await road.send_bytes(value, without_value=without_value)
    await road.send("after")
    async with road.listening() as work:
        await until_committed(road, 2, 0)
        assert not work.done()
    assert await road.names() == ["after"]
    [letter] = [each async for each in deadletters.read(road.bootstrap) if each.consumer == road.service]
    assert letter.error.startswith("MalformedEvent") and letter.value == value
    assert not letter.happened_before(system_clock() - timedelta(days=1))


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DiskFullError("could not extend file: No space left on device"),
        asyncpg.DeadlockDetectedError("deadlock detected"),
        MemoryError(),
        OSError(28, "No space left on device", "model.bin"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_away_is_waited_for_and_is_no_dead_letter(
    road: Road, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAUSE", 0.01)
    left = iter([error] * 40)
    road.fails = lambda name: next(left, None)
    await road.send("one", "two")
    async with road.listening():
        await until_heard(road, ["one", "two"])
    assert await road.dead() == []


@asynccontextmanager
async def locking(road: Road, rows: str) -> AsyncIterator[None]:
    """Somebody keeps these rows of a table locked."""
    connection = await asyncpg.connect(road.url)
    try:
        async with connection.transaction():
            await connection.execute(f"select from {road.service}.{rows} for update")
            yield
    finally:
        await connection.close()


async def test_a_locked_row_holds_the_partition_of_its_event_alone_until_it_is_free(road: Road) -> None:
    await road.database.pool.execute(f"create table {road.service}.rows as select 1 as id")

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        if event.name == "locked":
            await (await tx.raw()).execute(f"select from {road.service}.rows for update")
        await Road.note(road, tx, event)

    async def well() -> bool:
        return road.health("consumer").state is State.running

    road.note = note  # type: ignore[method-assign]
    async with road.listening():
        async with locking(road, "rows"):
            await road.send("one", "locked", "after")
            await until_heard(road, ["one"])
            for number in range(3):
                await road.send(f"other {number}", partition=1)
                await until_heard(road, ["one", *(f"other {each}" for each in range(number + 1))])
            await until_committed(road, 1, 3)
            said = road.health("consumer")
            assert said.state is State.waiting and "partition 0" in said.detail and "pg_stat_activity" in said.remedy
        await until_heard(road, ["one", "other 0", "other 1", "other 2", "locked", "after"])
        await until_committed(road, 3, 3)
        await until(well, lambda: road.database.pool.fetch("select 1"))
    assert await road.dead() == []


async def test_an_event_that_alone_wants_what_is_away_holds_its_partition_alone(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAUSE", 0.05)
    road.fails = lambda name: TimeoutError("the customs office does not answer") if name == "waits" else None
    async with road.listening():
        await road.send("waits", "behind", partition=0)
        await road.send("one", "two", partition=1)
        await until_heard(road, ["one", "two"])

        async def said() -> bool:
            here = road.health("consumer")
            return here.state is State.waiting and "customs office" in here.detail

        await until(said, road.names)
        assert await road.dead() == []
        road.fails = lambda name: None
        await until_heard(road, ["one", "two", "waits", "behind"])


async def test_a_consumer_that_stops_beside_a_locked_row_begins_before_its_event(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    await road.database.pool.execute(f"create table {road.service}.rows as select 1 as id")

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        if event.name == "locked":
            await (await tx.raw()).execute(f"select from {road.service}.rows for update")
        await Road.note(road, tx, event)

    road.note = note  # type: ignore[method-assign]
    road.fails = always
    await road.send("one", "locked", "after", partition=1)
    async with locking(road, "rows"):
        work = asyncio.create_task(road.consumer().run())
        await until_heard(road, ["one"])
        await road.send("bad 1", "bad 2", "bad 3")
        with pytest.raises(ConsumerStopped):
            async with asyncio.timeout(60):
                await work
        assert await road.committed() == [3, 1]
    async with road.listening():
        await until_heard(road, ["one", "locked", "after"])


async def test_a_value_that_the_driver_cannot_encode_is_a_fault_of_the_event(road: Road) -> None:
    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        if event.name == "bad":
            await (await tx.raw()).execute("select $1::int", 2**40)
        await Road.note(road, tx, event)

    road.note = note  # type: ignore[method-assign]
    await road.send("bad", "after")
    async with road.listening():
        await until_heard(road, ["after"])
    await until_buried(road, 1)


async def test_a_message_that_is_too_large_to_be_kept_twice_is_a_dead_letter_that_can_be_replayed(road: Road) -> None:
    road.fails = always
    await road.send("bad", padding=LARGEST_MESSAGE - 1_376)
    await road.send("after")
    async with road.listening():
        await until_heard(road, ["after"])
        [letter] = [each async for each in deadletters.read(road.bootstrap) if each.consumer == road.service]
        assert letter.left_out and letter.value is None
        road.fails = lambda name: None
        await deadletters.replay(road.kafka, letter, system_clock() - timedelta(days=1))
        await until_heard(road, ["after", "bad"])


# The relay


@asynccontextmanager
async def relaying(road: Road) -> AsyncIterator[None]:
    work = asyncio.create_task(Relay(road.service, road.url, road.kafka).run())
    try:
        yield
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def until_sent(road: Road, left: int = 0) -> list[str]:
    """Until nothing waits in the outbox. The reasons of what was set aside."""

    async def sent() -> bool:
        return not await road.database.pool.fetchval(
            f"select count(*) from {road.service}.outbox where published_at is null and set_aside_at is null"
        )

    await until(
        sent, lambda: road.database.pool.fetch(f"select position, topic, set_aside_at from {road.service}.outbox")
    )
    rows = await road.database.pool.fetch(
        f"select set_aside_reason from {road.service}.outbox where set_aside_at is not null and published_at is null"
    )
    return [row["set_aside_reason"] for row in rows]


async def grow(road: Road, name: str, size: int) -> None:
    """Make the event of that name so large that it can never have been emitted so."""
    filler = bytes(Random(1).choices(range(48, 58), k=size))
    await road.database.pool.execute(
        f"update {road.service}.outbox set data = data || $2 where position(convert_to($1, 'UTF8') in data) > 0",
        f'"name":"{name}"',
        filler,
    )


async def test_a_row_that_is_too_large_is_set_aside_and_the_rest_goes_on(road: Road) -> None:
    await road.tell("one", "large", "two")
    await grow(road, "large", LARGEST_MESSAGE + 1_000)
    async with relaying(road):
        (reason,) = await until_sent(road)
        assert "MessageSizeTooLarge" in reason
        await road.tell("three")
        await until_sent(road)
        assert list(dict.fromkeys(await road.on_the_wire())) == ["one", "two", "three"]
        said = road.health("relay")
        assert said.state is State.degraded and "lonja outbox" in said.remedy
        [row] = await set_aside.rows(road.database.pool)
        assert (row.service, row.type, row.reason) == (road.service, OrganisationRegistered.TYPE, reason)
        await road.database.pool.execute(
            f"update {road.service}.outbox set data = substring(data from 1 for length(data) - 2000000) where position = $1",
            row.position,
        )
        await set_aside.send_again(road.database.pool, row)

        async def well() -> bool:
            return road.health("relay").state is State.running

        await until(well, lambda: road.database.pool.fetch("select 1"))
        assert "large" in await road.on_the_wire() and await set_aside.rows(road.database.pool) == []


async def test_a_row_whose_envelope_cannot_be_read_is_set_aside_and_the_rest_goes_on(road: Road) -> None:
    await road.tell("one", "strange", "two")
    await road.database.pool.execute(
        f"""update {road.service}.outbox set envelope = '{{"specversion": "9.9"}}'"""
        " where position(convert_to('strange', 'UTF8') in data) > 0"
    )
    async with relaying(road):
        (reason,) = await until_sent(road)
        assert "ValidationError" in reason
        assert list(dict.fromkeys(await road.on_the_wire())) == ["one", "two"]
        assert road.health("relay").state is State.degraded
    [row] = await set_aside.rows(road.database.pool)
    assert row.type == "(not readable)"


async def test_a_row_that_the_broker_refuses_is_set_aside_and_its_neighbours_in_the_batch_are_not(road: Road) -> None:
    small = f"{road.topic}.small"
    await make_topic(
        road.bootstrap,
        NewTopic(small, 2, 1, topic_configs={"max.message.bytes": str(SMALL), "compression.type": "uncompressed"}),
    )
    await road.tell("one", "large", "two", "three", topic=small)
    await grow(road, "large", 3 * SMALL)
    async with relaying(road):
        assert len(await until_sent(road)) == 1
        await road.tell("four", topic=small)
        await until_sent(road)
    names = await road.on_the_wire(small)
    assert list(dict.fromkeys(names)) == ["one", "two", "three", "four"]


async def test_a_row_of_a_topic_that_does_not_exist_is_set_aside(road: Road) -> None:
    await road.tell("nowhere", topic="lonja.no-such-topic")
    await road.tell("one")
    async with relaying(road):
        (reason,) = await until_sent(road)
    assert "no-such-topic" in reason
    assert await road.on_the_wire() == ["one"]


async def test_a_row_that_somebody_keeps_locked_is_sent_once_and_holds_up_no_other(road: Road) -> None:
    async def there() -> bool:
        return len(await road.on_the_wire()) >= 4

    async def is_relay(state: State) -> bool:
        return any((each.kind, each.name, each.state) == ("relay", road.service, state) for each in HEALTH)

    await road.tell("one", "two", "three")
    async with relaying(road):
        async with locking(road, "outbox where position = (select min(position) from " + f"{road.service}.outbox)"):
            await until(partial(is_relay, State.waiting), road.on_the_wire)
            await road.tell("four")
            await until(there, road.on_the_wire)
            assert "locked" in road.health("relay").detail
        assert await until_sent(road) == []
        await until(partial(is_relay, State.running), road.on_the_wire)
    assert sorted(await road.on_the_wire()) == ["four", "one", "three", "two"]
