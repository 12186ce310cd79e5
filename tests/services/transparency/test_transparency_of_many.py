"""The contracts of one pool come together: publishing them needs only a few statements, and gives the same result as
one by one."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.codec import Event, Message
from events.contracts import AwardMade, ContractConcluded
from infra.database import Transaction
from infra.ids import new_id
from infra.reactions import calls, react
from services.transparency import store
from services.transparency.handlers import reactions
from services.transparency.ocds.history import Dates
from services.transparency.ocds.outgoing import ocid_of
from services.transparency.ocds.parts import date
from tests.explained import recording_queries, rolled_back
from tests.infra.test_reactions import told
from tests.market import Market
from tests.services.transparency.builders import Story

pytestmark = pytest.mark.servers
FEW, MANY = 2, 300


def a_pool(members: int) -> list[Story]:
    """One contract for each member; one supplier won all of them."""
    pool_id = new_id()
    stories = [Story("pool") for _ in range(members)]
    for story in stories:
        story.process_id, story.winner = pool_id, f"winner-{pool_id}"
    return stories


def awarded(stories: Sequence[Story]) -> list[Event]:
    """The events of contracts: each draft directly after its award."""
    return [event for story in stories for event in (story.awarded(), story.drafted())]


def carried_out(stories: Sequence[Story]) -> list[Event]:
    """All members order, then all get deliveries, and so on."""
    return [event for step in zip(*(story.carried_out() for story in stories), strict=True) for event in step]


async def hear(tx: Transaction, events: Sequence[Event]) -> list[Message]:
    messages = [told(event) for event in events]
    await in_portions(tx, messages)
    return messages


async def in_portions(tx: Transaction, messages: Sequence[Message], at_once: int = 500) -> None:
    """Handle messages in portions, as the inbox does."""
    for first in range(0, len(messages), at_once):
        for call in calls(reactions, messages[first : first + at_once]):
            await react(reactions[type(call[0].event)], tx, call)


async def releases(db: asyncpg.Connection, process_id: str) -> list[dict[str, Any]]:
    rows = await db.fetch(
        "select body::text as body from transparency.releases where ocid = $1 order by position", ocid_of(process_id)
    )
    return [msgspec.json.decode(row["body"]) for row in rows]


async def test_many_contracts_cost_as_many_statements_as_few(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        spent: list[list[int]] = []
        for members in (FEW, FEW, MANY):  # with the first statement the driver reads types
            stories = a_pool(members)
            spent.append([])
            for events in (
                awarded(stories)[:500],
                [story.concluded() for story in stories],
                carried_out(stories)[:500],
            ):
                async with recording_queries(db, tx) as reading:
                    await hear(tx, events)
                    await tx.flush()
                spent[-1].append(len(reading.statements))
                assert await reading.rows_of(db, "releases") <= 6 * len(events), "it reads more than what it asks for"
        _, few, many = spent
        assert all(of_many <= of_few <= 9 for of_few, of_many in zip(few, many, strict=True)), spent


async def test_heard_together_they_are_what_they_are_one_by_one(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        stories = a_pool(3)
        (auction,) = [story.opened(auction_id=new_id(), pool_id=story.process_id) for story in stories[:1]]
        await hear(tx, [each for story in stories for each in story.organisations()])
        events = [
            auction,
            *[msgspec.structs.replace(bid, auction_id=auction.auction_id) for bid in stories[0].disclosed()],
            stories[0].closed(auction_id=auction.auction_id, pool_id=stories[0].process_id),
            *awarded(stories),
            *[story.concluded() for story in stories],
            *carried_out(stories),
        ]
        messages, found = [told(event) for event in events], []
        for at_once in (len(events), 1):
            await in_portions(tx, messages, at_once)
            found.append(await releases(db, stories[0].process_id))
            await db.execute("delete from transparency.releases where process_id = $1", stories[0].process_id)
            await db.execute("delete from transparency.process_parties where ocid = $1", ocid_of(stories[0].process_id))
            assert not await db.fetch("select from transparency.sessions where auction_id = $1", auction.auction_id), (
                "the mini-auction is over"
            )
        together, one_by_one = found
        assert len(together) == len(events) - len(stories[0].disclosed()) and together == one_by_one
        roles = {party["id"]: party["roles"] for release in together for party in release.get("parties", ())}
        assert {"supplier", "tenderer", "payee"} <= set(roles[stories[0].winner])


async def test_no_two_releases_of_a_process_have_one_date(market: Market) -> None:
    """The award and the draft happen at the same time, and a late event has an earlier time: merged by their dates, as
    in OCDS, releases must come in the order in which they were published."""
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        stories = a_pool(3)
        await hear(tx, awarded(stories))
        await hear(tx, [story.concluded() for story in stories])
        found = await releases(db, stories[0].process_id)
        dates = [each["date"] for each in found]
        assert len(dates) == 9 and dates == sorted(set(dates))
        rows = await db.fetch(
            "select released_at, body->>'date' as date from transparency.releases where ocid = $1",
            ocid_of(stories[0].process_id),
        )
        assert all(row["released_at"] == datetime.fromisoformat(row["date"]) for row in rows)


AT = datetime(2026, 11, 30, 9, tzinfo=UTC)


@given(st.lists(st.integers(-5_000, 5_000)), st.integers(-5_000, 5_000))
def test_dates_follow_each_other_and_are_no_later_than_they_must(offsets: list[int], last: int) -> None:
    """The offsets are microseconds around one instant."""
    before = AT.replace(microsecond=0) + timedelta(milliseconds=last // 1000)
    dates = Dates({"one": date(before)})
    for offset in offsets:
        at = AT + timedelta(microseconds=offset)
        found = dates.next("one", at)
        assert found > before and datetime.fromisoformat(date(found)) == found
        assert found == before + timedelta(milliseconds=1) or timedelta(0) <= at - found < timedelta(milliseconds=1)
        before = found
    assert dates.next("another", AT) == AT


async def test_a_repeated_event_is_published_announced_and_counted_once(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        before = await store.feed_state(tx)
        stories = a_pool(5)
        events = [*awarded(stories), *[story.concluded() for story in stories], *carried_out(stories)]
        await hear(tx, [*events[:7], *events[:7]])
        await hear(tx, [*events, *events])
        await hear(tx, events)
        await tx.flush()
        there = await releases(db, stories[0].process_id)
        assert len(there) == len({each["id"] for each in there}) == len(events)
        state = await store.feed_state(tx)
        assert (state.releases - before.releases, state.processes - before.processes) == (len(events), 1)
        said = await db.fetch(
            "select convert_from(data, 'utf8')::jsonb->>'release_id' as id from transparency.outbox"
            " where convert_from(data, 'utf8')::jsonb->>'process_id' = $1 order by position",
            stories[0].process_id,
        )
        assert [row["id"] for row in said] == [each["id"] for each in there]


async def test_the_event_of_each_release_names_the_event_that_caused_it(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        (story,) = a_pool(1)
        messages = await hear(tx, [story.awarded(), story.concluded()])
        await tx.flush()
        rows = await db.fetch(
            "select envelope::jsonb->>'causationid' as cause from transparency.outbox"
            " where convert_from(data, 'utf8')::jsonb->>'process_id' = $1 order by position",
            story.process_id,
        )
        assert [row["cause"] for row in rows] == [each.envelope.id for each in messages]
        assert [type(each.event) for each in messages] == [AwardMade, ContractConcluded]


async def test_a_milestone_of_many_deliveries_knows_that_it_was_met_from_the_last(market: Market) -> None:
    """The milestone was met, then set aside by a dispute, then delivered again in part: the record then has no date on
    which it was met."""
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        (story,) = a_pool(1)
        await hear(tx, [story.awarded(), story.concluded()])
        ordered, _, part, met, *_ = story.carried_out()
        parts = [msgspec.structs.replace(part, delivery=number) for number in range(3, 9)]
        for each in (ordered, part, met, *parts):
            await hear(tx, [each])
        said = [
            milestone.get("dateMet", "unsaid")
            for release in await releases(db, story.process_id)
            for contract in release.get("contracts", ())
            for milestone in contract.get("implementation", {}).get("milestones", ())
        ]
        assert said == ["unsaid", "unsaid", said[2], *[None] * 6] and said[2]


async def test_roles_of_what_former_releases_published_are_kept_as_well(market: Market) -> None:
    """The trigger adds them, whichever release publishes; the migration adds those of older releases."""
    migration = import_module("services.transparency.migrations.0006_parties_of_processes")
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        (story,) = a_pool(1)
        ocid = ocid_of(story.process_id)
        await db.execute(
            "insert into transparency.releases (release_id, ocid, process_id, tags, released_at, body)"
            " select $1 || n, $1, $2, '{award}', now(), jsonb_build_object('parties', jsonb_build_array(jsonb_build_object("
            " 'id', 'one', 'roles', jsonb_build_array('buyer', 'role-' || n)))) from generate_series(1, 3) n",
            ocid,
            story.process_id,
        )
        kept = await store.roles_before(tx, [(ocid, "one")])
        assert kept == {(ocid, "one"): ["buyer", "role-1", "role-2", "role-3"]}
        await db.execute("delete from transparency.process_parties where ocid = $1", ocid)
        last = await db.fetchval("select max(position) from transparency.releases")
        for _ in range(2):
            await db.execute(str(migration.FORMER).replace(":after", "0").replace(":last", str(last)))
            assert await store.roles_before(tx, [(ocid, "one")]) == kept
