"""The path of events on the real servers and on the simulated ones: one suite for both.

Outbox, relay, consumer and inbox are the same code on both; the suite compares PostgreSQL and Kafka with their
simulations. Known differences, on which no test depends: all durations; simulated keys go to partitions by another
hash, and partitions are assigned again at once; the real Kafka does not duplicate a message by itself.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol

import pytest

from events import Envelope, encode
from events.notifications import MailUnsubscribed
from events.topics import DEAD_LETTERS, topic
from infra.broker import access
from infra.clock import system_clock
from infra.consumer import Consumer
from infra.held import HeldPartition
from infra.inbox import Inbox
from infra.outbox import Relay
from infra.reactions import React, Reactions
from tests.simulation.alike import alike, connected
from tests.simulation.broker import Kafka, Partition, PlayedProducer
from tests.simulation.database import PlayedDatabase, Postgres
from tests.simulation.faults import Address, Faults, Process, SeededChoices
from tests.simulation.loop import play
from tests.simulation.played import played

NUMBER = itertools.count(1)


class Killed(BaseException):
    """Raised where the process is killed."""


class Here(Protocol):
    """A minimal service on either kind of servers. ``service`` also marks its events on the shared topic."""

    service: str
    url: str
    bootstrap: str
    database: Any

    def producer(self) -> AbstractAsyncContextManager[Any]: ...

    async def note(self, tx: Any, name: str) -> None:
        """Store an effect in the transaction."""

    async def noted(self) -> list[str]:
        """The stored effects, in order."""

    async def wire(self) -> list[str]:
        """The names of our events on the topic, with repeats."""

    async def dead(self) -> list[bytes | None]:
        """The data of our dead letters."""


Scenario = Callable[[Here], Coroutine[Any, Any, None]]


class PlayedHere:
    def __init__(self) -> None:
        seeded = SeededChoices(0, Faults(latency_seconds=0.002))
        self.service = "probe"
        self._postgres, self._kafka, self._process = Postgres(seeded), Kafka(seeded), Process("probe", seeded)
        self.url = self.bootstrap = Address(self._process)
        self.database = PlayedDatabase(self._postgres, self._process)

    def run(self, scenario: Scenario) -> None:
        with played(self._postgres, self._kafka):
            play(scenario(self))

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[PlayedProducer]:
        yield PlayedProducer(self._kafka, self._process)

    async def note(self, tx: Any, name: str) -> None:
        await (await tx.raw()).insert("noted", next(NUMBER), name)

    async def noted(self) -> list[str]:
        return list(self._postgres.tables["noted"].values())

    async def wire(self) -> list[str]:
        records = [
            record for where in self._kafka.of(MailUnsubscribed.TOPIC) for record in self._kafka.partitions[where]
        ]
        return [name_of(record.value) for record in records]

    async def dead(self) -> list[bytes | None]:
        self._kafka.of(DEAD_LETTERS)
        return [record.value for record in self._kafka.partitions[Partition(DEAD_LETTERS, 0)]]


class RealHere:
    """Each scenario has its own schema, consumer group and loop, so that no other work affects it."""

    def __init__(self, servers: Any) -> None:
        self.service = f"probe{next(NUMBER)}"
        self._servers = servers
        self.bootstrap = servers.kafka_bootstrap
        self.url = ""
        self.database: Any = None

    def run(self, scenario: Scenario) -> None:
        asyncio.run(self._run(scenario))

    async def _run(self, scenario: Scenario) -> None:
        from sqlalchemy import text

        from infra.database import Database, schema_of
        from infra.topics import create_topics
        from tests.market import empty_database

        await create_topics(self.bootstrap)
        self.url = await empty_database(self._servers, "lonja_alike")
        self.database = await Database.connect(self.url, system_clock)
        try:
            async with self.database.engine.begin() as connection:
                await connection.execute(text(f"create schema {self.service}"))
                await connection.run_sync(schema_of(self.service).metadata.create_all)
                await connection.execute(text(f"create table {self.service}.noted (n serial, name text)"))
            await scenario(self)
        finally:
            await self.database.close()

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[Any]:
        from infra.producer import Producer

        kafka = Producer(self.bootstrap)
        await kafka.start()
        try:
            yield kafka
        finally:
            await kafka.stop()

    async def note(self, tx: Any, name: str) -> None:
        await (await tx.raw()).execute(f"insert into {self.service}.noted (name) values ($1)", name)

    async def noted(self) -> list[str]:
        return [
            row["name"] for row in await self.database.pool.fetch(f"select name from {self.service}.noted order by n")
        ]

    async def wire(self) -> list[str]:
        mark = f'"organisation_id":"{self.service}"'.encode()
        return [name_of(record.value) for record in await self._all(MailUnsubscribed.TOPIC) if mark in record.value]

    async def dead(self) -> list[bytes | None]:
        consumer = ("lonja_consumer", self.service.encode())
        return [record.value for record in await self._all(DEAD_LETTERS) if consumer in record.headers]

    async def _all(self, name: str) -> list[Any]:
        from aiokafka import AIOKafkaConsumer
        from aiokafka.structs import TopicPartition

        kafka = AIOKafkaConsumer(**access(self.bootstrap), enable_auto_commit=False)
        await kafka.start()
        try:
            partitions = [TopicPartition(name, number) for number in range(topic(name).partitions)]
            kafka.assign(partitions)
            await kafka.seek_to_beginning()
            found: list[Any] = []
            for partition, end in (await kafka.end_offsets(partitions)).items():
                while await kafka.position(partition) < end:
                    found += [record for batch in (await kafka.getmany(timeout_ms=200)).values() for record in batch]
            return found
        finally:
            await kafka.stop()


def name_of(value: bytes | None) -> str:
    return (value or b"").partition(b'"topic":"')[2].partition(b'"')[0].decode()


@pytest.fixture(params=["played", pytest.param("real", marks=pytest.mark.servers)])
def setting(request: pytest.FixtureRequest) -> PlayedHere | RealHere:
    return PlayedHere() if request.param == "played" else RealHere(request.getfixturevalue("servers"))


def event(here: Here, name: str, key: str = "somebody") -> MailUnsubscribed:
    return MailUnsubscribed(member_id=key, organisation_id=here.service, topic=name)


async def tell(here: Here, *names: str, key: str = "somebody") -> None:
    async with here.database.transaction(here.service) as tx:
        for name in names:
            tx.emit(event(here, name, key))


async def relay(here: Here) -> None:
    """Relay all waiting events."""
    async with here.producer() as kafka, connected(here) as connection:
        while await Relay(here.service, here.url, kafka).publish_batch(connection):
            pass


@asynccontextmanager
async def listening(here: Here, react: React[MailUnsubscribed] | None = None) -> AsyncIterator[Consumer]:
    """Run a consumer for a block; unless it gets another reaction, it stores the names in its events."""

    async def on_event(tx: Any, event: MailUnsubscribed) -> None:
        if event.organisation_id == here.service:
            await (react or note)(tx, event)

    async def note(tx: Any, event: MailUnsubscribed) -> None:
        await here.note(tx, event.topic)

    reactions = Reactions()
    reactions.on(MailUnsubscribed)(on_event)
    async with here.producer() as kafka:
        consumer = Consumer(
            Inbox(here.service, reactions, here.database, kafka), [MailUnsubscribed.TOPIC], here.bootstrap
        )
        work = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, Killed):
                await work


async def until(check: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not await check():
            await asyncio.sleep(0.05)


async def until_noted(here: Here, *names: str) -> None:
    async def all_there() -> bool:
        return sorted(await here.noted()) == sorted(names)

    try:
        await until(all_there)
    except TimeoutError:
        raise AssertionError(f"{names} were to take effect, and {await here.noted()} did") from None


async def send(here: Here, told: MailUnsubscribed, number: str, times: int = 1) -> None:
    """Send it with that id, without an outbox."""
    envelope = Envelope(
        id=number,
        type=told.TYPE,
        source="/test",
        subject=told.subject,
        time=system_clock(),
        correlationid=number,
        causationid=number,
    )
    key, value, headers = encode(envelope, told)
    async with here.producer() as kafka:
        for _ in range(times):
            await kafka.send_and_wait(told.TOPIC, key=key, value=value, headers=headers)


@alike
async def test_what_is_committed_takes_effect_in_the_order_of_its_key(here: Here) -> None:
    await tell(here, "one", "two")
    await tell(here, "three")
    await relay(here)
    async with listening(here):
        await until_noted(here, "one", "two", "three")
    assert await here.noted() == ["one", "two", "three"]


@alike
async def test_an_event_of_a_transaction_that_is_rolled_back_is_not_published(here: Here) -> None:
    with pytest.raises(RuntimeError):
        async with here.database.transaction(here.service) as tx:
            tx.emit(event(here, "never"))
            await tx.flush()
            raise RuntimeError
    await tell(here, "after")
    await relay(here)
    assert await here.wire() == ["after"]


@alike
async def test_nothing_is_published_before_its_commit(here: Here) -> None:
    async with here.database.transaction(here.service) as tx:
        tx.emit(event(here, "slow"))
        await tx.flush()
        await tell(here, "quick")
        await relay(here)
        assert await here.wire() == ["quick"]
    await relay(here)
    assert await here.wire() == ["quick", "slow"], "although its position is the lower one"


@alike
async def test_a_message_that_comes_twice_takes_effect_once(here: Here) -> None:
    await send(here, event(here, "twice"), f"{here.service}-twice", times=3)
    await send(here, event(here, "last"), f"{here.service}-last")
    async with listening(here):
        await until_noted(here, "twice", "last")
    assert await here.wire() == ["twice", "twice", "twice", "last"]


@alike
async def test_a_relay_killed_before_it_marks_publishes_again_and_the_effect_is_one(here: Here) -> None:
    class Dying:
        def __init__(self, connection: Any) -> None:
            self.fetch = connection.fetch

        async def execute(self, *_: Any) -> None:
            raise Killed

    await tell(here, "again")
    async with here.producer() as kafka, connected(here) as connection:
        with pytest.raises(Killed):
            await Relay(here.service, here.url, kafka).publish_batch(Dying(connection))  # type: ignore[arg-type]
    await relay(here)
    await tell(here, "last")
    await relay(here)
    assert await here.wire() == ["again", "again", "last"]
    async with listening(here):
        await until_noted(here, "again", "last")


@alike
async def test_a_consumer_killed_before_it_commits_its_offset_reads_again_with_one_effect(here: Here) -> None:
    heard: list[str] = []

    async def on_event(tx: Any, event: MailUnsubscribed) -> None:
        heard.append(event.topic)
        await here.note(tx, event.topic)

    async def dies(*_: Any) -> None:
        raise Killed

    await tell(here, "one")
    await relay(here)
    async with listening(here, on_event) as consumer:
        consumer._commit = dies  # type: ignore[method-assign]
        await until_noted(here, "one")
    await tell(here, "two")
    await relay(here)
    async with listening(here, on_event):
        await until_noted(here, "one", "two")
    assert heard == ["one", "two"]


@alike
async def test_an_offset_that_is_committed_is_not_read_again(here: Here) -> None:
    """Tested without an inbox, which would ignore it."""
    read: list[str] = []

    async def handle(records: Any) -> list[HeldPartition]:
        read.extend(name_of(record.value) for record in records if here.service.encode() in record.value)
        return []

    for name in ("one", "two"):
        await tell(here, name)
        await relay(here)
        committed = asyncio.Event()
        async with listening(here) as consumer:
            commit = consumer._commit

            async def and_say(kafka: Any, commit: Any = commit, committed: asyncio.Event = committed) -> None:
                await commit(kafka)
                if name in read:  # noqa: B023 - asked while the round lasts
                    committed.set()

            consumer._inbox.handle = handle  # type: ignore[method-assign]
            consumer._commit = and_say  # type: ignore[method-assign]
            async with asyncio.timeout(30):
                await committed.wait()
    assert read == ["one", "two"]


@alike
async def test_a_handler_that_fails_leaves_neither_effect_nor_claim_and_succeeds_the_next_time(here: Here) -> None:
    fails = iter([True, True, False])

    async def on_event(tx: Any, event: MailUnsubscribed) -> None:
        await here.note(tx, event.topic)
        if next(fails):
            raise ValueError("not yet")

    await tell(here, "one")
    await relay(here)
    async with listening(here, on_event):
        await until_noted(here, "one")
    assert await here.dead() == []


@alike
async def test_a_handler_that_always_fails_affects_only_its_event(here: Here) -> None:
    async def on_event(tx: Any, event: MailUnsubscribed) -> None:
        if event.topic == "bad":
            raise ValueError("cannot bear this")
        await here.note(tx, event.topic)

    await tell(here, "one", "bad", "two")
    await relay(here)
    async with listening(here, on_event):
        await until_noted(here, "one", "two")
    assert [name_of(value) for value in await here.dead()] == ["bad"]


@alike
async def test_bytes_that_are_no_event_are_a_dead_letter_and_the_rest_goes_on(here: Here) -> None:
    async with here.producer() as kafka:
        await kafka.send_and_wait(MailUnsubscribed.TOPIC, key=b"k", value=b'"\xff', headers=[("ce_id", b"1")])
    await tell(here, "after")
    await relay(here)
    async with listening(here):
        await until_noted(here, "after")

        async def dead_letters() -> bool:
            return b'"\xff' in await here.dead()

        await until(dead_letters)


@alike
async def test_two_consumers_share_the_work_and_when_one_leaves_the_other_does_it_all(here: Here) -> None:
    names = [f"event {number}" for number in range(40)]

    async def tell_all(some: list[str]) -> None:
        for name in some:
            await tell(here, name, key=name)
        await relay(here)

    async with listening(here):
        async with listening(here):
            await tell_all(names[:20])
            await until_noted(here, *names[:20])
        await tell_all(names[20:])
        await until_noted(here, *names)


@alike
async def test_a_second_claim_of_one_event_waits_for_the_first_and_is_then_refused(here: Here) -> None:
    begun = asyncio.Event()
    claimed: list[set[str]] = []

    async def second() -> None:
        await begun.wait()
        async with here.database.transaction(here.service) as tx:
            claimed.append(await tx.claim(["event"]))

    async def first() -> None:
        async with here.database.transaction(here.service) as tx:
            claimed.append(await tx.claim(["event"]))
            begun.set()
            await asyncio.sleep(0.3)
            assert len(claimed) == 1, "the other waits"

    await asyncio.gather(first(), second())
    assert claimed == [{"event"}, set()]


@alike
async def test_a_claim_that_was_rolled_back_can_be_made_again(here: Here) -> None:
    with pytest.raises(RuntimeError):
        async with here.database.transaction(here.service) as tx:
            await tx.claim(["event"])
            raise RuntimeError
    async with here.database.transaction(here.service) as tx:
        assert await tx.claim(["event", "event"]) == {"event"}


@alike
async def test_one_relay_holds_the_lock_and_it_goes_with_its_connection(here: Here) -> None:
    held = "select pg_try_advisory_lock(hashtextextended($1, 0))", f"relay/{here.service}"
    async with connected(here) as other:
        async with connected(here) as one:
            assert await one.fetchval(*held) is True
            assert await other.fetchval(*held) is False

        async def free() -> bool:
            return bool(await other.fetchval(*held))

        await until(free)


@alike
async def test_a_commit_wakes_the_relay(here: Here) -> None:
    woken = asyncio.Event()
    async with connected(here) as connection:
        await connection.add_listener(f"{here.service}_outbox", lambda *_: woken.set())
        await tell(here, "one")
        async with asyncio.timeout(5):
            await woken.wait()
