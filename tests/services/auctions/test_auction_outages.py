"""After an outage of the market its beginning and end are fixed, and auctions get their time back in portions while
bids are decided."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from events.auctions import AuctionClosed, AuctionExtended
from services.auctions import outages
from services.auctions.timers import clock
from tests.market import Market
from tests.services.auctions.market_builders import Scene, a_scene

Portion = Callable[..., Awaitable[int]]


@pytest.fixture
def portion(monkeypatch: pytest.MonkeyPatch) -> Portion:
    """Return the function that gives back one portion. The running lane gives none back."""
    real = outages.resume_auctions

    async def none(*_: object) -> int:
        return 0

    monkeypatch.setattr(outages, "resume_auctions", none)
    return real


async def an_outage(market: Market, since: datetime, until: datetime) -> None:
    async with market.resources.database.pool.acquire() as db, db.transaction():
        await outages.lose_time(db, since, until)
    await asyncio.sleep(2 * outages.BEAT)  # the lane has noticed it, as it does before it is back


async def waiting(market: Market, scenes: list[Scene]) -> list[int]:
    """Return the numbers of the auctions that have not got their time back."""
    rows = await market.fetch("select auction_id from auctions.blocked")
    return [number for number, scene in enumerate(scenes) if scene.auction_id in {row["auction_id"] for row in rows}]


async def test_portions_are_committed_one_by_one_the_soonest_end_first(market: Market, portion: Portion) -> None:
    scenes = [await a_scene(market, duration_minutes=minutes) for minutes in (24, 6, 3)]
    now = market.clock()
    await an_outage(market, now - timedelta(minutes=2), now)
    others = "delete from auctions.blocked where auction_id <> all($1)"
    await market.fetch(others, [scene.auction_id for scene in scenes])
    async with market.resources.database.pool.acquire() as db:
        assert await portion(db, now, 2) == 2
        assert await waiting(market, scenes) == [0]
        assert await portion(db, now, 2) == 1
        assert await portion(db, now, 2) == 0
    for scene in scenes:
        (given,) = await scene.events(AuctionExtended)
        assert (given.reason, given.until) == ("outage", now)


async def test_a_bid_on_an_auction_that_waits_is_decided_with_its_time_given_back(
    market: Market, portion: Portion
) -> None:
    first, second = await a_scene(market), await a_scene(market)
    await first.bid("a", "990")
    ended = market.clock()
    await an_outage(market, ended - timedelta(minutes=2), ended)
    market.clock.advance(timedelta(seconds=2))
    assert (await first.bid("b", "980")).status_code == 201
    (given,) = await first.events(AuctionExtended)
    assert given.until == ended, "what passes until its turn is no outage: bids are decided"
    assert not await second.events(AuctionExtended)
    assert await waiting(market, [first, second]) == [1]
    async with market.resources.database.pool.acquire() as db:
        while await portion(db, market.clock()):
            pass
    assert len(await first.events(AuctionExtended)) == len(await second.events(AuctionExtended)) == 1


async def test_an_auction_that_waits_is_not_closed_and_a_bid_on_it_is_in_time(market: Market, portion: Portion) -> None:
    scene = await a_scene(market, duration_minutes=3)
    ends = datetime.fromisoformat((await scene.view())["closes_at"])
    await an_outage(market, market.clock(), ends - timedelta(minutes=1))
    market.clock.advance(ends + timedelta(minutes=2) - market.clock())
    await asyncio.sleep(2 * outages.BEAT)
    async with market.resources.database.transaction("auctions") as tx:
        await clock()(tx)
    assert not await scene.events(AuctionClosed)
    assert (await scene.bid("a", "990")).status_code == 201
    (given,) = await scene.events(AuctionExtended)
    assert given.closes_at > market.clock()


async def test_a_portion_that_fails_is_halved_until_the_auction_at_fault_waits_alone(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [await a_scene(market) for _ in range(4)]
    poisoned, write = scenes[1].auction_id, outages.write

    async def failing(db, written, *more, **rest):  # type: ignore[no-untyped-def]
        if any(each.after.opened.auction_id == poisoned for each in written):
            raise ZeroDivisionError
        await write(db, written, *more, **rest)

    monkeypatch.setattr(outages, "write", failing)
    now = market.clock()
    await an_outage(market, now - timedelta(minutes=2), now)

    async def alone() -> bool:
        return await waiting(market, scenes) == [1]

    await market.eventually(alone)
    monkeypatch.undo()
    market.clock.advance(outages.FAILING + timedelta(seconds=5))

    async def given_back() -> list[AuctionExtended]:
        return await scenes[1].events(AuctionExtended)

    await market.eventually(given_back)


async def test_a_bid_waits_while_another_gives_an_auction_that_looks_over_its_time_back(
    market: Market, portion: Portion
) -> None:
    scene = await a_scene(market, duration_minutes=3)
    ends = datetime.fromisoformat((await scene.view())["closes_at"])
    await an_outage(market, market.clock(), ends - timedelta(minutes=1))
    market.clock.advance(ends + timedelta(seconds=1) - market.clock())
    async with market.resources.database.pool.acquire() as db:
        async with db.transaction():
            await db.execute("select from auctions.blocked where auction_id = $1 for update", scene.auction_id)
            asked = asyncio.create_task(scene.bid("a", "990"))
            await asyncio.sleep(0.3)
            assert not asked.done(), "by its old end the bid would be too late"
        assert (await asked).status_code == 201
