"""Somebody keeps rows or tables locked: one auction waits, all others continue, and the lost time is given back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from events.auctions import AuctionClosed, AuctionExtended
from infra.health import HEALTH
from infra.ids import new_id
from services.auctions import judging, outages, receipts
from services.auctions import lane as lanes
from services.auctions.domain.bids import decide
from services.auctions.judging import WaitingBid
from services.auctions.lane import Lane
from services.auctions.store import pulse
from services.auctions.timers import clock
from tests.market import Market
from tests.services.auctions.market_builders import Scene, a_scene


@asynccontextmanager
async def held(market: Market, sql: str, *arguments: object) -> AsyncIterator[asyncpg.Connection]:
    """Keep the rows locked by another session until the block ends."""
    holder = await asyncpg.connect(market.resources.database.url)
    try:
        async with holder.transaction():
            await holder.execute(sql, *arguments)
            yield holder
    finally:
        await holder.close()


def the_row(market: Market, scene: Scene) -> AbstractAsyncContextManager[asyncpg.Connection]:
    return held(market, "select 1 from auctions.auctions where auction_id = $1 for update", scene.auction_id)


async def end_of(scene: Scene) -> datetime:
    return datetime.fromisoformat((await scene.view())["closes_at"])


async def test_a_locked_auction_holds_up_no_other_and_gets_its_time_back(market: Market) -> None:
    locked, free = await a_scene(market), await a_scene(market)
    await locked.bid("a", "990")
    before = await end_of(locked)
    async with the_row(market, locked):
        waiting = asyncio.create_task(locked.bid("b", "980"))
        await asyncio.sleep(0.5)
        for amount, who in ((990, "a"), (980, "b"), (970, "a")):
            assert (await free.bid(who, str(amount))).status_code == 201
        assert not waiting.done()
        refused = await waiting
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        again = asyncio.create_task(locked.bid("b", "980"))
        await asyncio.sleep(2)
        condition = next(each for each in HEALTH if (each.kind, each.name) == ("lane", "bids"))
        assert "1 auctions cannot be decided" in condition.detail and "pg_stat_activity" in condition.remedy
    assert (await again).status_code == 201

    async def extended() -> list[AuctionExtended]:
        return await locked.events(AuctionExtended)

    (given,) = await market.eventually(extended)
    assert given.reason == "outage" and given.until - given.since > timedelta(seconds=5)
    assert await end_of(locked) > before + (given.until - given.since)
    assert not await free.events(AuctionExtended)
    assert not await market.fetch("select from auctions.blocked where auction_id = $1", locked.auction_id)


async def test_an_auction_whose_end_falls_into_the_lock_goes_on_after_it(market: Market) -> None:
    scene = await a_scene(market)
    async with the_row(market, scene):
        refused = asyncio.create_task(scene.bid("a", "990"))
        await asyncio.sleep(0.6)
        market.clock.advance(await end_of(scene) - market.clock() + timedelta(minutes=2))
        assert (await refused).status_code == 503

    async def extended() -> list[AuctionExtended]:
        return await scene.events(AuctionExtended)

    await market.eventually(extended)
    assert not await scene.events(AuctionClosed)
    assert (await scene.bid("a", "990")).status_code == 201


async def test_a_row_that_is_locked_for_a_moment_costs_nobody_a_verdict(market: Market) -> None:
    scene = await a_scene(market)
    before = await end_of(scene)
    async with the_row(market, scene):
        bids = [asyncio.create_task(scene.bid(who, amount)) for who, amount in (("a", "990"), ("b", "980"))]
        await asyncio.sleep(1)
    assert [(await each).status_code for each in bids] == [201, 201]
    assert await end_of(scene) == before and not await scene.events(AuctionExtended)


async def test_while_a_table_is_locked_nothing_is_closed_and_all_auctions_get_their_time_back(market: Market) -> None:
    one, other = await a_scene(market), await a_scene(market)
    async with held(market, "lock table auctions.bids in share mode"):
        assert (await one.bid("a", "990")).status_code == 503
        await asyncio.sleep(6)
        market.clock.advance(await end_of(one) - market.clock() + timedelta(seconds=30))
        await asyncio.sleep(1)
        assert not await one.events(AuctionClosed)

    async def extended() -> bool:
        return bool(await one.events(AuctionExtended) and await other.events(AuctionExtended))

    await market.eventually(extended)
    assert (await one.bid("a", "990")).status_code == 201
    assert not await other.events(AuctionClosed)


@pytest.mark.parametrize("rows", ["pulse", "beats", "pulse, auctions.beats"])
async def test_who_keeps_the_signs_locked_that_bids_can_be_decided_stops_no_bid_and_moves_no_end(
    market: Market, rows: str
) -> None:
    scene = await a_scene(market)
    before = await end_of(scene)
    assert (await scene.bid("a", "990")).status_code == 201
    lock = "; ".join(f"select from {table} for update" for table in f"auctions.{rows}".split(", "))
    async with held(market, lock):
        for amount, who in ((980, "b"), (970, "a"), (960, "b")):
            await asyncio.sleep(outages.STALLED / 2)
            assert (await scene.bid(who, str(amount))).status_code == 201
        started = Lane(market.resources.database.url, market.clock, market.resources.signer)
        async with started.running():  # a lane that was away as well
            assert not started.pulse.away
        [row] = await market.fetch("select beat_at from auctions.beats order by number desc limit 1")
        assert market.clock() - row["beat_at"] < timedelta(seconds=outages.STALLED)
    assert await end_of(scene) == before and not await scene.events(AuctionExtended)


async def test_a_beat_of_a_former_release_counts(market: Market) -> None:
    async with market.resources.database.pool.acquire() as db:
        work = db.transaction()
        await work.start()
        later = market.clock() + timedelta(seconds=20)
        await db.execute("update auctions.pulse set beat_at = $1", later)
        assert await pulse.last(db) == later
        assert await pulse.beat(db, market.clock(), alone=True) == later
        assert await pulse.last(db) == later
        await work.rollback()


async def test_only_the_newest_beats_are_kept(market: Market) -> None:
    async with market.resources.database.pool.acquire() as db:
        work = db.transaction()
        await work.start()
        await db.execute(
            "insert into auctions.beats (beat_at) select $1 from generate_series(1, $2)", market.clock(), pulse.KEPT + 5
        )
        for _ in range(200):
            await pulse.beat(db, market.clock(), alone=False)
        assert await db.fetchval("select count(*) from auctions.beats") == pulse.KEPT
        await work.rollback()


async def test_a_decision_that_fails_costs_the_other_auctions_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = await a_scene(market), await a_scene(market)

    def failing(state, bids, known):  # type: ignore[no-untyped-def]
        if state.opened.auction_id == broken.auction_id:
            raise ZeroDivisionError
        return decide(state, bids, known)

    monkeypatch.setattr(judging, "decide", failing)
    answers = await asyncio.gather(*(scene.bid("a", "990") for scene in (broken, sound) for _ in range(3)))
    assert [answer.status_code for answer in answers[:3]] == [503] * 3
    assert 201 in [answer.status_code for answer in answers[3:]]
    market.clock.advance(timedelta(seconds=30))
    assert (await broken.bid("a", "990")).status_code == 503
    monkeypatch.undo()
    market.clock.advance(timedelta(minutes=1, seconds=5))

    async def given_back() -> list[AuctionExtended]:
        return await broken.events(AuctionExtended)

    await market.eventually(given_back)
    assert (await broken.bid("a", "990")).status_code == 201
    assert not await sound.events(AuctionExtended)
    async with market.client() as client:  # health reports an unreadable row until it was read
        assert (await client.get(f"/api/auctions/{broken.auction_id}")).status_code == 200


async def test_a_row_that_cannot_be_read_costs_the_other_auctions_nothing_however_long(market: Market) -> None:
    broken, sound = await a_scene(market), await a_scene(market)
    assert (await sound.bid("a", "990")).status_code == 201
    breaks = "update auctions.auctions set course = $2::text::jsonb, version = version + 1 where auction_id = $1"
    [kept] = await market.fetch(
        "select course::text as course from auctions.auctions where auction_id = $1", broken.auction_id
    )
    await market.fetch(breaks, broken.auction_id, "[]")
    assert (await broken.bid("a", "990")).status_code == 503
    for minute, amount in enumerate((980, 970, 960)):
        market.clock.advance(timedelta(minutes=1, seconds=5))
        await asyncio.sleep(2 * outages.BEAT)
        assert (await sound.bid("ba"[minute % 2], str(amount))).status_code == 201

    async def said() -> bool:  # except in the heartbeat in which it is tried again
        condition = next(each for each in HEALTH if (each.kind, each.name) == ("lane", "bids"))
        return "1 auctions cannot be decided" in condition.detail and "log" in condition.remedy

    await market.eventually(said)
    await market.fetch(breaks, broken.auction_id, kept["course"])
    market.clock.advance(timedelta(minutes=1, seconds=5))

    async def given_back() -> list[AuctionExtended]:
        return await broken.events(AuctionExtended)

    (given,) = await market.eventually(given_back)
    assert given.until - given.since > timedelta(minutes=3)
    assert (await broken.bid("a", "990")).status_code == 201
    assert not await sound.events(AuctionExtended)
    async with market.client() as client:  # health reports an unreadable row until it was read
        assert (await client.get(f"/api/auctions/{broken.auction_id}")).status_code == 200


async def test_a_write_that_fails_for_one_auction_is_found_and_set_apart(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [await a_scene(market) for _ in range(4)]
    poisoned = scenes[2].auction_id
    write = lanes.write

    async def failing(db, written, *more, **rest):  # type: ignore[no-untyped-def]
        if any(each.after.opened.auction_id == poisoned for each in written):
            raise asyncpg.IntegrityConstraintViolationError("the log has this line already")
        await write(db, written, *more, **rest)

    monkeypatch.setattr(lanes, "write", failing)
    lane = Lane(market.resources.database.url, market.clock, market.resources.signer)
    supplier = scenes[0].suppliers["a"].organisation_id
    wanted = [WaitingBid(scene.auction_id, supplier, "k", Decimal(990), market.clock()) for scene in scenes]
    async with lane.running():
        outcomes = await asyncio.gather(*(lane.place(each) for each in wanted), return_exceptions=True)
    assert [isinstance(each, lanes.LaneBlocked) for each in outcomes] == [False, False, True, False]
    assert await market.fetch("select from auctions.blocked where auction_id = $1", poisoned)


async def test_a_lock_that_outlasts_an_outage_does_not_hold_up_those_that_come_back(market: Market) -> None:
    locked, free = await a_scene(market), await a_scene(market)
    now = market.clock()

    def given_back(scene: Scene) -> Callable[[], Awaitable[list[AuctionExtended]]]:
        return lambda: scene.events(AuctionExtended)

    async with the_row(market, locked):
        async with market.resources.database.pool.acquire() as db, db.transaction():
            await outages.lose_time(db, now - timedelta(minutes=2), now)
        await market.eventually(given_back(free))
        assert not await locked.events(AuctionExtended)
    market.clock.advance(2 * outages.AGAIN)
    await market.eventually(given_back(locked))


async def test_the_clock_goes_on_while_one_auction_is_locked(market: Market) -> None:
    locked, free = await a_scene(market), await a_scene(market)
    async with the_row(market, locked):
        await free.close()
        async with market.resources.database.transaction("auctions") as tx:
            await clock()(tx)
    assert await free.events(AuctionClosed)


async def test_a_row_locked_under_another_request_is_answered_503(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    async with the_row(market, scene), market.client(scene.suppliers["a"]) as client:
        answer = await client.put(f"/api/auctions/{scene.auction_id}/autobid", json={"floor": "900"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_the_rows_of_blocked_auctions_stop_no_bid_on_others(market: Market) -> None:
    locked, free = await a_scene(market), await a_scene(market)
    async with the_row(market, locked):
        waiting = asyncio.create_task(locked.bid("a", "990"))
        await asyncio.sleep(1.5)
        async with held(market, "delete from auctions.blocked"):
            for amount, who in ((990, "a"), (980, "b"), (970, "a"), (960, "b")):
                assert (await free.bid(who, str(amount))).status_code == 201
                await asyncio.sleep(1)
        assert (await waiting).status_code == 503

    async def accepted() -> bool:
        return (await locked.bid("a", "990")).status_code == 201

    await market.eventually(accepted)


async def test_a_lane_that_fails_beside_its_decisions_goes_on(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, real = await a_scene(market), receipts.issue
    failures = [MemoryError("once")]

    def issue(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(receipts, "issue", issue)
    key = new_id()
    assert (await scene.bid("a", "990", key)).status_code == 503
    again = await scene.bid("a", "990", key)
    assert (again.status_code, again.json()["sequence"]) == (201, 1), "the verdict that was kept"
    assert (await scene.bid("b", "980")).status_code == 201


async def test_a_session_that_stands_still_with_a_lock_is_ended(market: Market) -> None:
    settings = await market.fetch(
        "select name, setting from pg_settings where name = any($1)",
        ["lock_timeout", "idle_in_transaction_session_timeout"],
    )
    assert {row["name"]: row["setting"] for row in settings} == {
        "lock_timeout": "5000",
        "idle_in_transaction_session_timeout": "60000",
    }
