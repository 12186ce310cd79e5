"""A view that meets an event of a newer release waits in that partition alone, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from events import topics
from events.accounts import OrganisationRegistered
from events.topics import Topic
from infra import inbox, resuming, streams
from infra.config import Config
from infra.embedded import Servers
from infra.health import HEALTH, State
from infra.operations import processes
from infra.reactions import Reactions
from infra.runtime import standing
from infra.service import Ground, Service, View
from tests.infra.test_road_faults import BAD_RECORDS, Road, road, until_buried, until_heard

pytestmark = pytest.mark.servers

__all__ = ["road"]
NEWER = OrganisationRegistered.TYPE.replace(".v1", ".v2")
VIEW = "probe.names"


class OnTopic(Reactions):
    """Reactions that are fed from another topic than their events'."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    @property
    def topics(self) -> list[str]:
        return [self._topic]


def probe(road: Road) -> Service:
    reactions = OnTopic(road.topic)
    reactions.on(OrganisationRegistered)(road.note)

    async def forget(tx: object) -> None:
        """Nothing is rebuilt here."""

    return Service(name=road.service, views=[View(VIEW, reactions, forget)])


@asynccontextmanager
async def viewing(ground: Ground, road: Road) -> AsyncIterator[None]:
    app = streams.create_app(ground, road.bootstrap, road.kafka, [probe(road)])
    await app.start()
    try:
        yield
    finally:
        await app.stop()


@pytest.fixture
async def ground(servers: Servers, road: Road, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    own = Topic(name=road.topic, key="as it comes", producers=(), consumers=(), partitions=2)
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, own))
    config = Config.load(
        {
            "LONJA_HOME": str(servers.home),
            "LONJA_DATABASE_URL": road.url,
            "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        }
    )
    async with standing(config) as ground:
        yield ground


async def test_a_version_of_a_newer_release_holds_its_partition_alone(
    ground: Ground, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    await road.send("one")
    await road.send("two", type_=NEWER)
    await road.send("three")
    async with viewing(ground, road):
        await until_heard(road, ["one"])
        for number in range(3):
            await road.send(f"other {number}", partition=1)
            await until_heard(road, ["one", *(f"other {each}" for each in range(number + 1))])
        said = next(each for each in HEALTH if each.name == VIEW)
        assert said.state is State.degraded and "newer release" in said.remedy and "partition 0" in said.detail
        await asyncio.sleep(3)  # offsets of views are committed once in a while
    assert await road.dead() == []
    monkeypatch.setitem(inbox.decode.__globals__["_registry"], NEWER, OrganisationRegistered)
    async with viewing(ground, road):
        await until_heard(road, ["one", "other 0", "other 1", "other 2", "two", "three"])


async def test_records_that_are_no_events_cost_a_view_themselves_alone(ground: Ground, road: Road) -> None:
    for value, without_value in BAD_RECORDS:
        await road.send_bytes(value, without_value=without_value)
    await road.send("after")
    async with viewing(ground, road):
        await until_heard(road, ["after"])
        await until_buried(road, len(BAD_RECORDS))


async def test_a_view_that_fails_in_a_row_stops_in_its_partition_alone(
    ground: Ground, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    road.fails = lambda name: ValueError("cannot bear it") if name.startswith("bad") else None
    await road.send("one", *(f"bad {number}" for number in range(5)))
    async with viewing(ground, road):
        await until_heard(road, ["one"])
        async with asyncio.timeout(30):
            while not any(each.name == VIEW and each.state is State.stopped for each in HEALTH):
                await asyncio.sleep(0.1)
        await road.send("other", partition=1)
        await until_heard(road, ["one", "other"])
    assert len(await road.dead()) == 3


async def test_a_view_that_stopped_goes_on_when_a_person_says_so(
    ground: Ground, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    await ground.database.pool.execute("create schema operations")
    async with ground.database.engine.begin() as connection:
        await connection.run_sync(processes.METADATA.create_all)
    road.fails = lambda name: ValueError("cannot bear it") if name.startswith("bad") else None
    await road.send("one", *(f"bad {number}" for number in range(5)), "last")
    stop = asyncio.Event()
    work = asyncio.create_task(streams.keep(ground, road.bootstrap, road.kafka, [probe(road)], stop))
    try:
        async with asyncio.timeout(60):
            while not resuming.stopped_here("view"):
                await asyncio.sleep(0.1)
        assert resuming.stopped_here("view") == [f"view {VIEW}"]
        said = next(each for each in HEALTH if each.name == VIEW)
        assert f"lonja consumers resume {VIEW}" in said.remedy
        await asyncio.sleep(resuming.EVERY)  # a person comes later
        await resuming.ask(ground.database.pool, [f"view {VIEW}"])
        await until_heard(road, ["one", "last"])
        assert len(await road.dead()) == 5
        assert next(each for each in HEALTH if each.name == VIEW).state is State.running
    finally:
        stop.set()
        await work
