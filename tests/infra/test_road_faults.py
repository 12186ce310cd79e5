"""A bad event, a bad row or an unavailable server, on the real servers: it affects nothing else."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text

from events.accounts import OrganisationRegistered
from events.topics import LARGEST_MESSAGE
from infra import deadletters, inbox
from infra.clock import system_clock
from infra.database import Transaction, schema_of
from infra.health import PartState
from infra.held import ConsumerStopped
from tests.road import BAD_RECORDS, Road, always, locking, until, until_committed, until_dead_letters, until_heard

pytestmark = pytest.mark.servers


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
    await until_dead_letters(road, 36)


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
    async with road.listening():  # a person looked at it
        await until_heard(road, ["first", "last"])
    await until_dead_letters(road, 7)


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
            return (
                here.state is PartState.waiting and "cannot bear bad 1" in here.detail and "dead letter" in here.remedy
            )

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
    await until_dead_letters(road, 2)
    assert tried == ["bad 1"] * (1 + 3) + ["bad 2"] * 3 + ["after"]  # the first one in a batch with the others


async def test_bytes_that_are_no_event_stop_nothing_however_many(road: Road) -> None:
    for _ in range(30):
        await road.send_bytes(b"\xff")
    await road.send("after")
    async with road.listening():
        await until_committed(road, 31, 0)
    assert await road.names() == ["after"]
    await until_dead_letters(road, 30)


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


async def test_a_locked_row_holds_the_partition_of_its_event_alone_until_it_is_free(road: Road) -> None:
    await road.database.pool.execute(f"create table {road.service}.rows as select 1 as id")

    async def note(tx: Transaction, event: OrganisationRegistered) -> None:
        if event.name == "locked":
            await (await tx.raw()).execute(f"select from {road.service}.rows for update")
        await Road.note(road, tx, event)

    async def well() -> bool:
        return road.health("consumer").state is PartState.running

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
            assert (
                said.state is PartState.waiting and "partition 0" in said.detail and "pg_stat_activity" in said.remedy
            )
        await until_heard(road, ["one", "other 0", "other 1", "other 2", "locked", "after"])
        await until_committed(road, 3, 3)
        await until(well, lambda: road.database.pool.fetch("select 1"))
    assert await road.dead() == []


async def test_an_event_that_needs_an_unavailable_server_holds_only_its_partition(
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
            return here.state is PartState.waiting and "customs office" in here.detail

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
    await until_dead_letters(road, 1)


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


async def test_bytes_that_are_no_event_are_replayed_only_to_the_consumer_that_failed(road: Road) -> None:
    """All other consumers have their own dead letter, and would get one more."""
    neighbour = Road(f"{road.service}_next", road.topic, road.url, road.bootstrap, road.database, road.kafka)
    async with road.database.engine.begin() as connection:
        await connection.execute(text(f"create schema {neighbour.service}"))
        await connection.run_sync(schema_of(neighbour.service).metadata.create_all)
        await connection.execute(text(f"create table {neighbour.service}.heard (n serial, name text)"))
    await road.send_bytes(b"\xff")
    async with road.listening(), neighbour.listening():
        await until_dead_letters(road, 1)
        await until_dead_letters(neighbour, 1)
        [letter] = [each async for each in deadletters.read(road.bootstrap) if each.consumer == road.service]
        await deadletters.replay(road.kafka, letter, system_clock() - timedelta(days=1))
        await road.send("after")
        await until_heard(road, ["after"])
        await until_heard(neighbour, ["after"])
    await until_dead_letters(road, 2)
    assert len(await neighbour.dead()) == 1
