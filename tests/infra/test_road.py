"""The path of events on the real servers: outbox → relay → Kafka → consumer → inbox; each event takes effect once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import text
from sqlmodel import SQLModel

from events import Envelope, encode
from events.accounts import OrganisationRegistered
from infra import deadletters
from infra.clock import system_clock
from infra.consumer import Consumer
from infra.database import Database, Transaction, schema_of
from infra.embedded import Servers
from infra.ids import new_id
from infra.inbox import Inbox
from infra.outbox import Relay
from infra.producer import Producer
from infra.reactions import Reactions
from tests.market import empty_database, skip_to_now


class Row(SQLModel, registry=schema_of("probe")):
    """Base of the rows of this schema."""


@dataclass
class Probe:
    """A service that only counts the organisations in its events."""

    database: Database
    kafka: AIOKafkaProducer
    bootstrap: str
    heard: Counter[str] = field(default_factory=Counter)
    fails: set[str] = field(default_factory=set)

    async def on_registered(self, tx: Transaction, event: OrganisationRegistered) -> None:
        if event.identifier_scheme != "PROBE":
            return  # an event of another test, on the same topic
        if event.name in self.fails:
            raise ValueError("cannot bear this name")
        await (await tx.raw()).execute("insert into probe.heard (name) values ($1)", event.name)
        self.heard[event.name] += 1

    async def register(self, *names: str) -> None:
        async with self.database.transaction("probe") as tx:
            for name in names:
                tx.emit(
                    OrganisationRegistered(
                        organisation_id=new_id(), roles=("buyer",), identifier_scheme="PROBE", name=name
                    )
                )

    async def names(self) -> list[str]:
        rows = await self.database.pool.fetch("select name from probe.heard order by name")
        return [row["name"] for row in rows]

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(await self.names()) < count:
                await asyncio.sleep(0.05)
        return await self.names()


@pytest.fixture(scope="module")
async def probe(servers: Servers, topics: None) -> AsyncIterator[Probe]:
    url = await empty_database(servers, "lonja_probe")
    database = await Database.connect(url, system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema probe"))
        await connection.run_sync(Row.metadata.create_all)
        await connection.execute(text("create table probe.heard (name text)"))
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    await skip_to_now(servers.kafka_bootstrap, ("probe",))
    probe = Probe(database, kafka, servers.kafka_bootstrap)
    reactions = Reactions()
    reactions.on(OrganisationRegistered)(probe.on_registered)
    inbox = Inbox("probe", reactions, database, kafka)
    consumer = Consumer(inbox, ["lonja.accounts"], servers.kafka_bootstrap)
    tasks = [asyncio.create_task(work) for work in (Relay("probe", url, kafka).run(), consumer.run())]
    yield probe
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await kafka.stop()
    await database.close()


async def test_committed_event_takes_effect_in_order(probe: Probe) -> None:
    await probe.register("a1", "a2")
    assert (await probe.until(2))[:2] == ["a1", "a2"]


async def test_rolled_back_transaction_publishes_nothing(probe: Probe) -> None:
    with pytest.raises(RuntimeError):
        async with probe.database.transaction("probe") as tx:
            tx.emit(
                OrganisationRegistered(
                    organisation_id=new_id(), roles=("buyer",), identifier_scheme="PROBE", name="never"
                )
            )
            await tx.flush()
            raise RuntimeError
    await probe.register("b")
    await probe.until(3)
    assert "never" not in await probe.names()


async def test_message_delivered_twice_takes_effect_once(probe: Probe) -> None:
    event = OrganisationRegistered(organisation_id="twice", roles=("buyer",), identifier_scheme="PROBE", name="c")
    number = new_id()
    envelope = Envelope(
        id=number,
        type=event.TYPE,
        source="/test",
        subject="twice",
        time=system_clock(),
        correlationid=number,
        causationid=number,
    )
    key, value, headers = encode(envelope, event)
    for _ in range(3):
        await probe.kafka.send_and_wait(event.TOPIC, key=key, value=value, headers=headers)
    await probe.register("d")
    await probe.until(5)
    assert probe.heard["c"] == 1


def is_bad(letter: deadletters.DeadLetter) -> bool:
    return letter.consumer == "probe" and b'"bad"' in (letter.value or b"")


async def test_failing_event_becomes_a_dead_letter_and_the_rest_goes_on(probe: Probe) -> None:
    before = len(await probe.names())
    probe.fails.add("bad")
    await probe.register("e", "bad", "f")
    names = await probe.until(before + 2)
    assert {"e", "f"} <= set(names)
    async with asyncio.timeout(20):
        while not (letters := [x async for x in deadletters.read(probe.bootstrap) if is_bad(x)]):
            await asyncio.sleep(0.2)
    assert "cannot bear this name" in letters[0].error
    probe.fails.clear()
    await deadletters.replay(probe.kafka, letters[0], system_clock() - timedelta(days=60))
    assert "bad" in await probe.until(before + 3)
    again = [letter async for letter in deadletters.read(probe.bootstrap) if letter.position == letters[0].position]
    assert [letter.replayed for letter in again] == [True]


async def test_bytes_that_are_no_event_become_a_dead_letter_at_once(probe: Probe) -> None:
    await probe.kafka.send_and_wait("lonja.accounts", key=b"k", value=b"\xff", headers=[("ce_id", b"1")])
    async with asyncio.timeout(20):
        while not any(
            letter.value == b"\xff" for letter in [letter async for letter in deadletters.read(probe.bootstrap)]
        ):
            await asyncio.sleep(0.1)
