"""A bundle of which some parts fail: each part takes effect once, or becomes a separate dead letter."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from events import Envelope, decode, encode
from events.accounts import OrganisationRegistered
from events.envelope import Headers
from events.imports import OrganisationImported, organisations_of
from infra import deadletters, inbox
from infra.clock import system_clock
from infra.consumer import Consumer
from infra.database import Transaction
from infra.deadletters import DeadLetter
from infra.held import ConsumerStopped
from infra.ids import new_id
from infra.inbox import Inbox
from infra.reactions import Reactions
from tests.road import Road, always, until_committed, until_dead_letters, until_heard

pytestmark = pytest.mark.servers


def hearing(road: Road, view: str = "") -> Inbox:
    """The inbox of the service, or of a view, with reactions to bundles. In a view nothing fails."""

    async def note(tx: Transaction, events: Sequence[OrganisationImported]) -> None:
        for organisation in organisations_of(events):
            if error := None if view else road.fails(organisation.name):
                raise error
            sql = f"insert into {road.service}.heard (name) values ($1)"
            await (await tx.raw()).execute(sql, f"{view} {organisation.name}".strip())

    reactions = Reactions()
    reactions.many(OrganisationImported, note)
    return Inbox(road.service, reactions, road.database, road.kafka, view=view)


@asynccontextmanager
async def listening(road: Road) -> AsyncIterator["asyncio.Task[None]"]:
    work = asyncio.create_task(Consumer(hearing(road), [road.topic], road.bootstrap).run())
    try:
        yield work
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, ConsumerStopped):
            await work


def bundled(*names: str, number: str = "", padding: int = 0) -> tuple[bytes, bytes, Headers]:
    """One bundle with that id."""
    number = number or new_id()
    told = tuple(
        OrganisationRegistered(organisation_id=name, roles=("buyer",), name=name, identifier="x" * padding)
        for name in names
    )
    event = OrganisationImported(bucket="bucket", organisations=told)
    envelope = Envelope(
        id=number,
        type=event.TYPE,
        source="/test",
        subject="bucket",
        time=system_clock(),
        correlationid=number,
        causationid=number,
    )
    return encode(envelope, event)


async def tell(road: Road, *names: str, number: str = "", padding: int = 0, partition: int = 0) -> None:
    key, value, headers = bundled(*names, number=number, padding=padding)
    await road.kafka.working.send_and_wait(road.topic, key=key, value=value, headers=headers, partition=partition)


async def letters(road: Road) -> list[DeadLetter]:
    return [letter async for letter in deadletters.read(road.bootstrap) if letter.consumer == road.service]


async def handle(inbox: Inbox, *records: ConsumerRecord) -> None:
    """Handle until everything is settled, like a consumer that reads held records again."""
    while await inbox.handle(records):
        pass


def told_by(letter: DeadLetter) -> list[str]:
    event = decode(letter.value, letter.headers).event
    assert isinstance(event, OrganisationImported)
    return [each.name for each in event.organisations]


async def test_only_the_events_of_a_pack_that_fail_become_a_dead_letter_that_can_be_replayed(road: Road) -> None:
    road.fails = always
    await tell(road, "one", "bad two", "three", number="bundle")
    await tell(road, "after")
    async with listening(road):
        await until_heard(road, ["one", "three", "after"])
        await until_committed(road, 2, 0)
        (letter,) = await letters(road)
        assert (told_by(letter), letter.event_id, letter.key) == (["bad two"], "bundle#1", b"bucket")
        assert "cannot bear bad two" in letter.error
        road.fails = lambda name: None
        for _ in range(2):
            await deadletters.replay(road.kafka, letter, system_clock() - timedelta(days=1))
        await tell(road, "last")
        await until_heard(road, ["one", "three", "after", "bad two", "last"])


def a_record(road: Road, key: bytes | None, value: bytes | None, headers: Sequence[Any]) -> ConsumerRecord:
    return ConsumerRecord(road.topic, 0, 0, 0, 0, key, value, None, 0, 0, tuple(headers))


async def test_who_handled_the_whole_ignores_a_part_that_is_replayed(road: Road) -> None:
    road.fails = always
    bundle = a_record(road, *bundled("one", "bad two", number="bundle"))
    service, view = hearing(road), hearing(road, "view")
    await handle(service, bundle)
    await handle(view, bundle)
    (letter,) = await letters(road)
    part = a_record(road, letter.key, letter.value, letter.headers)
    heard = ["one", "view one", "view bad two"]
    await handle(view, bundle, part)
    assert await road.names() == heard
    road.fails = lambda name: None
    await handle(service, bundle, part, part)
    assert await road.names() == [*heard, "bad two"]
    fresh = hearing(road, "fresh view")
    await handle(fresh, bundle, part)
    assert await road.names() == [*heard, "bad two", "fresh view one", "fresh view bad two"]


async def test_a_pack_that_comes_again_after_it_was_divided_changes_nothing(road: Road) -> None:
    road.fails = always
    await tell(road, "one", "bad two", "three", number="bundle")
    async with listening(road):
        await until_heard(road, ["one", "three"])
        await until_dead_letters(road, 1)
        road.fails = lambda name: None
        await tell(road, "one", "bad two", "three", number="bundle")
        await tell(road, "last")
        await until_heard(road, ["one", "three", "last"])
    assert len(await letters(road)) == 1


async def test_parts_that_fail_in_a_row_stop_the_consumer_which_goes_on_within_the_pack(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    road.fails = always
    await tell(road, "before")
    await tell(road, "one", *(f"bad {number}" for number in range(7)), "nine")
    await tell(road, "after")

    async def stops() -> None:
        async with listening(road) as work, asyncio.timeout(60):
            with pytest.raises(ConsumerStopped, match="3 events in a row failed"):
                await work

    await stops()
    assert await road.names() == ["before", "one"]
    assert await road.committed() == [1, 0]
    await stops()
    assert [told_by(letter)[0] for letter in await letters(road)] == [f"bad {number}" for number in range(6)]
    async with listening(road):
        await until_heard(road, ["before", "one", "nine", "after"])
        await until_committed(road, 3, 0)
    assert [told_by(letter)[0] for letter in await letters(road)] == [f"bad {number}" for number in range(7)]


async def test_a_pack_whose_parts_are_good_alone_ends_a_row_of_failures(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "STOP_AFTER", 3)
    road.fails = always
    for number in range(4):
        await tell(road, f"bad {number}", f"good {number}")
    async with listening(road):
        await until_heard(road, [f"good {number}" for number in range(4)])
        await until_committed(road, 4, 0)


async def test_what_comes_in_bulk_is_handled_in_portions_and_a_stop_keeps_the_place_of_all_partitions(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PORTION_BYTES", 1_000)
    monkeypatch.setattr(inbox, "STOP_AFTER", 2)
    road.fails = always
    for number in range(3):
        await tell(road, f"left {number}", padding=600, partition=0)
        await tell(road, f"right {number}", padding=600, partition=1)
    await tell(road, "bad 1", "bad 2", partition=0)
    for number in range(3, 6):
        await tell(road, f"right {number}", padding=600, partition=1)
    async with listening(road) as work, asyncio.timeout(60):
        with pytest.raises(ConsumerStopped):
            await work
    before = await road.names()
    assert (await road.committed())[0] == 3
    assert (await road.committed())[1] == len([name for name in before if name.startswith("right")])
    async with listening(road):
        await until_committed(road, 4, 6)
    assert sorted(await road.names()) == sorted([*(f"left {n}" for n in range(3)), *(f"right {n}" for n in range(6))])
