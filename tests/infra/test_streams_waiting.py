"""An event that a view cannot handle blocks only its own partition, and no other view."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from events import topics
from events.accounts import OrganisationRegistered
from events.topics import Topic
from infra import deadletters, given_up, inbox, resuming, streams
from infra.broker import access
from infra.config import Config
from infra.database import Transaction
from infra.embedded import Servers
from infra.health import HEALTH, Condition, PartState
from infra.operations import processes
from infra.reactions import Reactions
from infra.runtime import standing
from infra.service import Resources, Service, View
from infra.tasks import background
from tests.road import (
    BAD_RECORDS,
    Road,
    forgotten_for_a_while,
    locking,
    until,
    until_dead_letters,
    until_heard,
)

pytestmark = pytest.mark.servers

NEWER = OrganisationRegistered.TYPE.replace(".v1", ".v2")
VIEW, OTHER = "probe.names", "probe.others"


class OnTopic(Reactions):
    """Reactions that read another topic than that of their events."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    @property
    def topics(self) -> list[str]:
        return [self._topic]


async def forget(tx: object) -> None:
    """Do nothing, because nothing is rebuilt here."""


def a_view(road: Road, name: str, note: Callable[[Transaction, OrganisationRegistered], Awaitable[None]]) -> View:
    reactions = OnTopic(road.topic)
    reactions.on(OrganisationRegistered)(note)
    return View(name, reactions, forget)


def probe(road: Road) -> Service:
    return Service(name=road.service, views=[a_view(road, VIEW, road.note)])


def two(road: Road) -> Service:
    """Two views: the other one stores all names and never fails."""

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        await (await tx.raw()).execute(f"insert into {road.service}.heard (name) values ($1)", f"{OTHER} {event.name}")

    return Service(name=road.service, views=[*probe(road).views, a_view(road, OTHER, note)])


async def by_other(road: Road) -> list[str]:
    return [name.removeprefix(f"{OTHER} ") for name in await road.names() if name.startswith(OTHER)]


async def until_other_heard(road: Road, *names: str) -> None:
    async def all_there() -> bool:
        return await by_other(road) == list(names)

    await until(all_there, road.names)


def said(view: str = VIEW) -> Condition:
    return next(each for each in HEALTH if (each.kind, each.name) == ("view", view))


async def until_said(state: PartState, view: str = VIEW) -> None:
    async def there() -> bool:
        return said(view).state is state

    async def conditions() -> object:
        return list(HEALTH)

    await until(there, conditions)


@asynccontextmanager
async def viewing(resources: Resources, road: Road, service: Service | None = None) -> AsyncIterator[None]:
    async with background(
        streams.keep(resources, road.bootstrap, road.kafka, [service or probe(road)]), name="views of the probe"
    ):
        yield


@pytest.fixture
async def resources(servers: Servers, road: Road, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Resources]:
    own = Topic(name=road.topic, key="as it comes", producers=(), consumers=(), partitions=2)
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, own))
    config = Config.load(
        {
            "LONJA_HOME": str(servers.home),
            "LONJA_DATABASE_URL": road.url,
            "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        }
    )
    async with standing(config) as resources:
        await resources.database.pool.execute("create schema operations")
        async with resources.database.engine.begin() as connection:
            await connection.run_sync(processes.METADATA.create_all)
        yield resources


async def test_a_version_of_a_newer_release_holds_only_its_partition(
    resources: Resources, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    await road.send("one")
    await road.send("two", type_=NEWER)
    await road.send("three")
    async with viewing(resources, road):
        await until_heard(road, ["one"])
        for number in range(3):
            await road.send(f"other {number}", partition=1)
            await until_heard(road, ["one", *(f"other {each}" for each in range(number + 1))])
        assert (
            said().state is PartState.degraded and "newer release" in said().remedy and "partition 0" in said().detail
        )
        await asyncio.sleep(3)  # offsets of views are committed once in a while
    assert await road.dead() == []
    monkeypatch.setitem(inbox.decode.__globals__["_registry"], NEWER, OrganisationRegistered)
    async with viewing(resources, road):
        await until_heard(road, ["one", "other 0", "other 1", "other 2", "two", "three"])


async def test_a_view_goes_on_after_a_version_that_no_release_reads_when_a_person_gave_it_up(
    resources: Resources, road: Road
) -> None:
    await road.send("one")
    await road.send("two", type_=OrganisationRegistered.TYPE.replace(".v1", ".v99"))
    await road.send("three")
    async with viewing(resources, road):
        await until_heard(road, ["one"])
        await until_said(PartState.degraded)
        assert f"`lonja dead-letters give-up {road.topic} 0 1 --reason" in said().remedy
        record = await deadletters.record_at(road.bootstrap, deadletters.MessagePlace(road.topic, 0, 1))
        async with resources.database.pool.acquire() as connection:
            await given_up.give_up(connection, given_up.of(record), "a faulty program wrote it")
        await until_heard(road, ["one", "three"])
        await until_dead_letters(road, 1)
        await until_said(PartState.running)
    assert "a faulty program wrote it" in (await road.dead())[0]


async def test_a_view_skips_records_that_are_no_events(resources: Resources, road: Road) -> None:
    for value, without_value in BAD_RECORDS:
        await road.send_bytes(value, without_value=without_value)
    await road.send("after")
    async with viewing(resources, road):
        await until_heard(road, ["after"])
        await until_dead_letters(road, len(BAD_RECORDS))


async def test_a_header_whose_name_is_not_utf8_costs_a_view_at_most_its_own_event(
    resources: Resources, road: Road
) -> None:
    await road.send_odd("with one more header")
    await road.send_odd("without its type", damaged="ce_type")
    await road.send("after")
    async with viewing(resources, road):
        await until_heard(road, ["with one more header", "after"])
        await until_dead_letters(road, 1)


async def test_a_view_reads_what_the_broker_did_not_know_yet_when_its_group_was_dealt_out(
    resources: Resources, road: Road
) -> None:
    async with viewing(resources, road):
        await road.send("one")
        await until_heard(road, ["one"])
        with forgotten_for_a_while(road.topic) as dealt_out:
            async with asyncio.timeout(60):
                while not dealt_out.is_set():
                    await asyncio.sleep(0.1)
        await road.send("two")
        await until_heard(road, ["one", "two"])


async def test_a_view_that_fails_in_a_row_stops_only_in_that_partition(
    resources: Resources, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    road.fails = lambda name: ValueError("cannot bear it") if name.startswith("bad") else None
    await road.send("other", partition=1)
    await road.send("one", *(f"bad {number}" for number in range(5)))
    async with viewing(resources, road):
        await until_said(PartState.stopped)
        await road.send("another", partition=1)

        async def heard() -> bool:
            return sorted(await road.names()) == ["another", "one", "other"]

        await until(heard, road.names)
    assert len(await road.dead()) == 3


async def test_a_view_that_stopped_goes_on_when_a_person_says_so_and_holds_up_no_other_meanwhile(
    resources: Resources, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    road.fails = lambda name: ValueError("cannot bear it") if name.startswith("bad") else None
    names = ["one", *(f"bad {number}" for number in range(5)), "last"]
    await road.send(*names)
    async with viewing(resources, road, two(road)):
        await until_said(PartState.stopped)
        assert resuming.stopped_here("view") == [f"view {VIEW}"]
        assert f"lonja consumers resume {VIEW}" in said().remedy
        await road.send("told while it stands")
        await until_other_heard(road, *names, "told while it stands")
        assert said(OTHER).state is PartState.running
        await asyncio.sleep(resuming.EVERY)  # a person acts later
        await resuming.ask(resources.database.pool, [f"view {VIEW}"])
        await until_said(PartState.running)

        async def all_there() -> bool:
            return [each for each in await road.names() if OTHER not in each] == ["one", "last", "told while it stands"]

        await until(all_there, road.names)
        assert len(await road.dead()) == 5


async def test_a_locked_row_holds_the_partition_of_its_event_in_only_one_view(resources: Resources, road: Road) -> None:
    await road.database.pool.execute(f"create table {road.service}.rows as select 1 as id")

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        if event.name == "locked":
            await (await tx.raw()).execute(f"select from {road.service}.rows for update")
        await Road.note(road, tx, event)

    road.note = note  # type: ignore[method-assign]
    many = [f"after {number}" for number in range(3)]

    async def ours() -> list[str]:
        return [each for each in await road.names() if OTHER not in each]

    async with viewing(resources, road, two(road)):
        async with locking(road, "rows"):
            await road.send("one", "locked", *many)
            await until_said(PartState.waiting)
            assert "partition 0" in said().detail and "pg_stat_activity" in said().remedy
            await road.send("other", partition=1)
            await until_other_heard(road, "one", "locked", *many, "other")

            async def both_free_ones() -> bool:
                return await ours() == ["one", "other"]

            await until(both_free_ones, ours)
            assert said(OTHER).state is PartState.running
        await until_said(PartState.running)
        assert await ours() == ["one", "other", "locked", *many]
        await until_committed(road, 5, 1)
    assert await road.dead() == []


async def test_behind_a_locked_row_a_view_keeps_so_many_messages_in_memory_and_loses_none(
    resources: Resources, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_BEHIND", 5)
    monkeypatch.setattr(streams, "BATCH", 2)
    await road.database.pool.execute(f"create table {road.service}.rows as select 1 as id")

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        await (await tx.raw()).execute(f"select from {road.service}.rows for update")
        await Road.note(road, tx, event)

    road.note = note  # type: ignore[method-assign]
    names = [f"name {number}" for number in range(40)]
    async with viewing(resources, road):
        async with locking(road, "rows"):
            await road.send(*names)
            await until_said(PartState.waiting)
        await until_heard(road, names)
        await until_committed(road, 40, 0)


async def test_a_view_whose_reader_fails_begins_again_and_loses_nothing(
    resources: Resources, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, failures = inbox.Inbox.handle, iter([RuntimeError("a fault of this code")])

    async def failing_once(self: inbox.Inbox, records: Sequence[ConsumerRecord]) -> list[inbox.HeldPartition]:
        if self.name == VIEW and (failure := next(failures, None)):
            raise failure
        return await handle(self, records)

    monkeypatch.setattr(inbox.Inbox, "handle", failing_once)
    await road.send("one", "two")
    async with viewing(resources, road, two(road)):
        await until_said(PartState.degraded)
        assert "a fault of this code" in said().detail and said(OTHER).state is PartState.running
        await until_other_heard(road, "one", "two")
        await until_said(PartState.running)

        async def all_there() -> bool:
            return [each for each in await road.names() if OTHER not in each] == ["one", "two"]

        await until(all_there, road.names)


async def test_a_view_begins_where_the_group_of_all_views_stood_in_a_former_release(
    resources: Resources, road: Road
) -> None:
    await road.send("handled by the former release", "one")
    async with AIOKafkaConsumer(**access(road.bootstrap), group_id=streams.GROUPS, enable_auto_commit=False) as kafka:
        kafka.assign([TopicPartition(road.topic, 0)])
        await kafka.commit({TopicPartition(road.topic, 0): 1})
    async with viewing(resources, road):
        await until_heard(road, ["one"])
        await until_committed(road, 2, 0)
    await road.send("two")
    async with viewing(resources, road):
        await until_heard(road, ["one", "two"])


async def until_committed(road: Road, *offsets: int) -> None:
    """Wait until the group of the view, which commits now and then, has committed."""

    async def found() -> list[int]:
        kafka = AIOKafkaConsumer(
            **access(road.bootstrap), group_id=streams.group_of(probe(road).views[0]), enable_auto_commit=False
        )
        await kafka.start()
        try:
            partitions = [TopicPartition(road.topic, number) for number in (0, 1)]
            kafka.assign(partitions)
            return [await kafka.committed(each) or 0 for each in partitions]
        finally:
            await kafka.stop()

    async def there() -> bool:
        return await found() == list(offsets)

    await until(there, found)
