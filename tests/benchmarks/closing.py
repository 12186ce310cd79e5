"""How late auctions are closed that end in the same minute: half of them at one instant, like auctions that were opened
on the hour.

Each has a bid; every second also has a rival's bid, every fourth an autobid that answers it, and a third of those that
end together get a bid in their last second, which moves their end. An auction counts as closed when the database
notifies this process; its delay is the time since the end of its settle window.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec

from events.auctions import AuctionClosed
from infra.embedded import Servers
from services.auctions.domain.autobid import Autobid
from services.auctions.journal import channel, write
from services.auctions.judging import WaitingBid, judge
from services.auctions.store import auctions
from tests.benchmarks import Figure
from tests.benchmarks.load import INITIAL, STEP
from tests.benchmarks.site import RULES, Site, site, web, worker

AUCTIONS = 800
LEAD = timedelta(seconds=10)
"""Seconds for openings and bids before the first end."""
SPREAD = timedelta(seconds=20)
SHORT = msgspec.structs.replace(RULES, extension_window_seconds=2, extension_seconds=3, autobid_seconds=1)


async def measure(servers: Servers) -> list[Figure]:
    """Milliseconds from the end of the settle window to the close."""
    async with site(servers) as market, web(market.config) as process, worker(market.config):
        at_once = market.resources.clock() + LEAD
        spread = [at_once + SPREAD * number / (AUCTIONS // 2) for number in range(AUCTIONS // 2)]
        together = await market.open([at_once] * (AUCTIONS - len(spread)), SHORT)
        one_by_one = await market.open(spread, SHORT)
        assert market.config.database_url
        listener = await asyncpg.connect(market.config.database_url)
        heard: dict[str, float] = {}

        def hear(_connection: Any, _pid: int, _name: str, payload: str) -> None:
            heard[msgspec.json.decode(payload)["channel"]] = time.time()

        await listener.add_listener("lonja_live", hear)
        await _bid_on(market, [*together, *one_by_one])
        before_the_end = (at_once - timedelta(seconds=1.5) - market.resources.clock()).total_seconds()
        if before_the_end < 0:
            raise AssertionError("the bids before the end took too long: nothing can be said about the closes")
        await asyncio.sleep(before_the_end)
        late = together[::3]
        await _late(market, process.port, late)
        lateness = await _closed(market, heard)
        await listener.close()
        moved = await market.resources.database.pool.fetchval(
            "select count(distinct auction_id) from auctions.bids where extended"
        )
        await market.check_events()
    lateness.sort()
    return [
        *(
            Figure(
                name=f"{AUCTIONS} closes in one minute, lateness {name}",
                value=1000 * lateness[min(int(len(lateness) * at), len(lateness) - 1)],
                unit="ms",
                aim="below 1,000 ms" if name == "max" else "",
            )
            for name, at in (("p50", 0.5), ("p99", 0.99), ("max", 1))
        ),
        Figure(name="of these with the end moved by a late bid", value=moved, unit=f"of {len(late)} late bids"),
    ]


async def _bid_on(market: Site, auction_ids: Sequence[str]) -> None:
    """Place a bid on each, a rival's bid on every second one, and a floor of the first bidder on every fourth."""
    first, rival, *_ = market.tokens
    now = market.resources.clock()
    asked = [
        WaitingBid(each, supplier, f"before/{steps}", INITIAL - steps * STEP, now)
        for number, each in enumerate(auction_ids)
        for supplier, steps in ((first, 1), (rival, 2))[: 2 - number % 2]
    ]
    floors = {each: {first: Autobid(INITIAL - 5 * STEP, now)} for each in auction_ids[::4]}
    async with market.resources.database.transaction("auctions") as tx:
        db = await tx.raw()
        current = await auctions.load(db, auction_ids)
        judged = judge(asked, current, {}, dict.fromkeys((first, rival), "active"), now)
        afters = {one.after.opened.auction_id: one.after for one in judged.written}
        await write(db, judged.written, now)
        await auctions.save(
            db,
            [
                msgspec.structs.replace(afters[auction_id], autobids=autobids, version=afters[auction_id].version + 1)
                for auction_id, autobids in floors.items()
            ],
        )


async def _late(market: Site, port: int, auction_ids: Sequence[str]) -> None:
    """Place a bid on each, all at once."""
    headers = {"authorization": f"Bearer {list(market.tokens.values())[2]}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, headers=headers) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"/api/auctions/{each}/bids", json={"amount": str(INITIAL - 10 * STEP)})
                for each in auction_ids
            )
        )
    if refused := [answer.text for answer in answers if answer.status_code not in (201, 422)]:
        raise AssertionError(refused[0])


async def _closed(market: Site, heard: dict[str, float]) -> list[float]:
    """Wait until all are closed, each exactly once, and in the market's log. Return the delays after the settle window
    in seconds."""
    pool = market.resources.database.pool
    async with asyncio.timeout(60):
        while await pool.fetchval("select count(leaf) from auctions.auctions") < AUCTIONS:
            await asyncio.sleep(0.2)
    closes = await pool.fetchval("select count(*) from auctions.facts where type = $1", AuctionClosed.TYPE)
    if closes != AUCTIONS:
        raise AssertionError(f"{AUCTIONS} auctions have {closes} closes")
    settle = timedelta(seconds=SHORT.settle_seconds)
    rows = await pool.fetch("select auction_id, closes_at from auctions.auctions")
    return [
        (datetime.fromtimestamp(heard[channel(row["auction_id"])], UTC) - row["closes_at"] - settle).total_seconds()
        for row in rows
    ]
