"""The demonstration and a market day against the real market."""

import io
import json
from datetime import timedelta
from decimal import Decimal

from services.demonstration.client import Client
from services.demonstration.day import Day, Plan
from services.demonstration.report import Tally
from services.demonstration.seed import POOL_TITLE
from tests.demo import PASSWORD, fill
from tests.market import Market


async def counts(market: Market) -> list[int]:
    tables = ("catalogue.outbox", "auctions.outbox", "contracts.outbox", "pools.outbox", "accounts.members")
    return [(await market.fetch(f"select count(*) from {table}"))[0][0] for table in tables]


async def test_the_demonstration_fills_a_market_once(market: Market) -> None:
    await fill(market)
    async with Client.visiting(market.url) as visitor:
        pools = [pool for pool in await visitor.get("/api/pools", limit=100) if pool["title"] == POOL_TITLE]
        assert [pool["member_count"] for pool in pools] == [2]
        cards = (await visitor.get("/api/catalogue/skus"))["results"]
        assert all(card["offers"] >= 3 for card in cards)
    before = await counts(market)
    assert await fill(market) is False
    assert await counts(market) == before


async def test_a_day_ends_with_signed_contracts_and_every_verdict_it_got_is_in_the_public_log(
    market: Market,
) -> None:
    await fill(market)
    lines = io.StringIO()
    plan = Plan(seed=7, seconds=3, bids_per_second=20, suppliers=3, agencies=2)

    def say(line: str) -> None:
        if line.startswith("waiting for the close"):
            market.clock.advance(timedelta(minutes=plan.minutes))

    async with Client.visiting(market.url) as visitor:
        day = Day(visitor, plan, PASSWORD, Tally(record=lines), say)
        summary = await day.play()
        told = [json.loads(line) for line in lines.getvalue().splitlines()]
        logs = {
            auction_id: await visitor.get(f"/api/auctions/{auction_id}/bids")
            for auction_id in {verdict["auction_id"] for verdict in told}
        }
    assert summary["auctions_opened"] == summary["auctions_closed"] == 3
    assert summary["pools"] == 1
    # the pool's auction leads to two contracts, one for each of two agencies
    assert summary["contracts_concluded"] == summary["auctions_won"] + 1
    assert Decimal(summary["saved"]) > 0
    assert summary["bids_accepted"] + sum(summary["bids_refused"].values()) == len(told)
    assert summary["bids_unanswered"] == 0
    for verdict in told:
        if verdict["verdict"] == "accepted":
            found = [
                entry["event"]["amount"]
                for entry in logs[verdict["auction_id"]]
                if entry["event"].get("sequence") == verdict["sequence"]
            ]
            assert found == [verdict["amount"]]
