"""Rows that a relay cannot send, on the real servers: they do not affect other rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random

import asyncpg
import pytest
from aiokafka.admin import NewTopic

from events.accounts import OrganisationRegistered
from events.topics import LARGEST_MESSAGE
from infra import outbox, set_aside
from infra.health import HEALTH, PartState
from infra.outbox import Relay
from tests.road import Road, locking, make_topic, until

pytestmark = pytest.mark.servers

SMALL = 20_000
"""The most bytes of a batch in the small topic."""


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
    """Relay until nothing waits in the outbox. Return the reasons of rows that were set aside."""

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
    """Make the event of that name larger than any emitted event can be."""
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
        assert "larger than any message may be (16,777,216 bytes" in reason
        await road.tell("three")
        await until_sent(road)
        assert list(dict.fromkeys(await road.on_the_wire())) == ["one", "two", "three"]
        said = road.health("relay")
        assert said.state is PartState.degraded and "lonja outbox" in said.remedy
        [row] = await set_aside.rows(road.database.pool)
        assert (row.service, row.type, row.reason) == (road.service, OrganisationRegistered.TYPE, reason)
        await road.database.pool.execute(
            f"update {road.service}.outbox set data = substring(data from 1 for length(data) - 2000000) where position = $1",
            row.position,
        )
        await set_aside.send_again(road.database.pool, row)

        async def well() -> bool:
            return road.health("relay").state is PartState.running

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
        assert road.health("relay").state is PartState.degraded
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
        (reason,) = await until_sent(road)
        assert f"larger than Kafka takes in {small}: raise max.message.bytes" in reason and "`lonja migrate`" in reason
        await road.tell("four", topic=small)
        await until_sent(road)
    names = await road.on_the_wire(small)
    assert list(dict.fromkeys(names)) == ["one", "two", "three", "four"]


async def test_a_row_that_was_dismissed_is_waited_for_no_longer_and_stays_with_both_reasons(road: Road) -> None:
    async def is_relay(state: PartState) -> bool:
        return any((each.kind, each.name, each.state) == ("relay", road.service, state) for each in HEALTH)

    await road.tell("one", "large", "strange")
    await grow(road, "large", LARGEST_MESSAGE + 1_000)
    await grow(road, "strange", LARGEST_MESSAGE + 1_000)
    async with relaying(road):
        assert len(await until_sent(road)) == 2
        before, other = await set_aside.rows(road.database.pool)
        await set_aside.dismiss(road.database.pool, before, "the school is closed")
        await set_aside.dismiss(road.database.pool, before, "again")
        await until(partial(is_relay, PartState.degraded), road.on_the_wire)
        await set_aside.dismiss(road.database.pool, other, "so is this one")
        await until(partial(is_relay, PartState.running), road.on_the_wire)
        after, _ = await set_aside.rows(road.database.pool)
        assert before.dismissed_at is None and after.dismissed_at is not None
        assert after.reason == f"{before.reason}; dismissed: the school is closed"
        assert await road.on_the_wire() == ["one"]
        await road.database.pool.execute(
            f"update {road.service}.outbox set data = substring(data from 1 for length(data) - 2000000) where position = $1",
            after.position,
        )
        await set_aside.send_again(road.database.pool, after)
        await until_sent(road)
        assert await road.on_the_wire() == ["one", "large"]
        assert [row.position for row in await set_aside.rows(road.database.pool)] == [other.position]


async def test_a_batch_is_no_heavier_than_it_may_be_and_one_row_alone_may(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "HEAVIEST", 30_000)
    await road.tell("one", "two", "heavy", "three", "four", "five")
    for name, size in (("one", 14_000), ("two", 14_000), ("heavy", 40_000), ("three", 29_000)):
        await grow(road, name, size)
    relay = Relay(road.service, road.url, road.kafka)
    connection = await asyncpg.connect(road.url)
    try:
        assert [await relay.publish_batch(connection) for _ in range(5)] == [2, 1, 3, 0, 0]
    finally:
        await connection.close()
    assert await road.on_the_wire() == ["one", "two", "heavy", "three", "four", "five"]


async def test_a_row_of_a_topic_that_does_not_exist_is_set_aside(road: Road) -> None:
    await road.tell("nowhere", topic="lonja.no-such-topic")
    await road.tell("one")
    async with relaying(road):
        (reason,) = await until_sent(road)
    assert reason.startswith("Kafka has no topic lonja.no-such-topic: `lonja migrate`")
    assert await road.on_the_wire() == ["one"]


async def test_a_row_that_somebody_keeps_locked_is_sent_once_and_holds_up_no_other(road: Road) -> None:
    async def there() -> bool:
        return len(await road.on_the_wire()) >= 4

    async def is_relay(state: PartState) -> bool:
        return any((each.kind, each.name, each.state) == ("relay", road.service, state) for each in HEALTH)

    await road.tell("one", "two", "three")
    async with relaying(road):
        async with locking(road, "outbox where position = (select min(position) from " + f"{road.service}.outbox)"):
            await until(partial(is_relay, PartState.waiting), road.on_the_wire)
            await road.tell("four")
            await until(there, road.on_the_wire)
            assert "locked" in road.health("relay").detail
        assert await until_sent(road) == []
        await until(partial(is_relay, PartState.running), road.on_the_wire)
    assert sorted(await road.on_the_wire()) == ["four", "one", "three", "two"]
