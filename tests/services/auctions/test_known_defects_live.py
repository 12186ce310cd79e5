"""Named defects of other auction systems, tested over HTTP, on real servers and on the wire. For the rules see
test_known_defects."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from catalogue.policy import load
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidRefused
from infra import migrations
from infra.clock import ShiftedClock
from infra.database import Database
from infra.embedded import Servers
from infra.ids import new_id
from infra.signing import Signer
from services.auctions import journal
from services.auctions.domain.auction import begin
from services.auctions.domain.chain import GENESIS
from services.auctions.judging import WaitingBid
from services.auctions.lane import Lane
from services.auctions.store import Row, auctions, replicas
from services.auctions.store.auctions import StoredAuction
from services.auctions.timers import clock
from tests.market import Market, empty_database
from tests.services.auctions.builders import an_auction
from tests.services.auctions.market_builders import Scene, a_scene

WINDOW = timedelta(seconds=30)
"""The extension window of the demonstration's policy."""


async def a_scene_near_its_end(market: Market, left: timedelta) -> tuple[Scene, datetime]:
    """Return an auction of three minutes with so much time left, and its original end."""
    scene = await a_scene(market, duration_minutes=3)
    rows = await market.fetch("select closes_at from auctions.auctions where auction_id = $1", scene.auction_id)
    ends: datetime = rows[0]["closes_at"]
    market.clock.advance(ends - market.clock() - left)
    return scene, ends


async def test_a_boundary_bid_answered_and_never_published(market: Market) -> None:
    scene, _ = await a_scene_near_its_end(market, timedelta(milliseconds=900))
    answers = [await scene.bid(who, amount) for who, amount in (("a", "990"), ("b", "985"), ("b", "980"))]
    assert [answer.status_code for answer in answers] == [201, 422, 201]
    lines = [answer.json()["receipt"]["line"].encode() for answer in answers]

    async def published() -> bool:
        rows = await market.fetch(
            "select data, published_at from auctions.outbox where envelope like $1 order by position",
            f"%{scene.auction_id}%",
        )
        told = [row["data"] for row in rows[1:] if row["published_at"] is not None]
        return told == [line.partition(b'"data":')[2][:-1] for line in lines]

    await market.eventually(published)


async def test_a_refused_bid_extending_the_end(market: Market) -> None:
    scene, ends = await a_scene_near_its_end(market, timedelta(seconds=5))
    for amount in ("1000", "995", "989.999", "0"):
        assert (await scene.bid("a", amount)).status_code == 422
    assert instant((await scene.view())["closes_at"]) == ends
    rows = await market.fetch("select closes_at, due_at from auctions.auctions where auction_id = $1", scene.auction_id)
    assert tuple(rows[0]) == (ends, ends + timedelta(seconds=1))
    assert len(await scene.events(BidRefused)) == 4


async def test_code_reading_the_original_end(market: Market) -> None:
    """After the original and before the effective end, API, lists and pages show a running auction, and the timer does
    not touch it."""
    scene, original = await a_scene_near_its_end(market, timedelta(seconds=5))
    effective = instant((await scene.bid("a", "990")).json()["closes_at"])
    assert effective > original
    market.clock.advance(original - market.clock() + timedelta(seconds=3))
    async with market.resources.database.transaction("auctions") as tx:
        await clock()(tx)
    view = await scene.view()
    assert (view["status"], view["next_bid"], instant(view["closes_at"])) == ("open", "980.00", effective)
    shown = effective.strftime("%H:%M:%S")
    async with market.client() as visitor, market.browser(scene.suppliers["b"]) as pages:
        found = (
            await visitor.get("/api/auctions", params={"status": "open", "q": scene.buyer.organisation_name})
        ).json()
        assert [(each["auction_id"], instant(each["closes_at"])) for each in found["auctions"]] == [
            (scene.auction_id, effective)
        ]
        closed = (
            await visitor.get("/api/auctions", params={"status": "closed", "q": scene.buyer.organisation_name})
        ).json()
        assert closed["auctions"] == []
        listed = (await pages.get("/auctions", q=scene.buyer.organisation_name)).text
        assert f'data-until="{effective.isoformat()}"' in listed and shown in listed
        page = (await pages.get(f"/auctions/{scene.auction_id}")).text
        assert f'data-until="{effective.isoformat()}"' in page and f"Extended to {shown} UTC by bid 1" in page
        async with visitor.stream("GET", f"/auctions/{scene.auction_id}/live") as stream:
            pushed = ""
            async for text in stream.aiter_text():
                pushed += text
                if shown in pushed:
                    break
    assert (await scene.bid("b", "980")).status_code == 201
    result = await scene.close()
    assert result["price"] == "980.00" and instant(result["closes_at"]) > effective


@pytest.mark.parametrize(
    ("body", "status", "rule"),
    [
        ('{"amount": 990.10000000000000001}', 422, "amount-too-fine"),
        ('{"amount": 0.30000000000000004}', 422, "amount-too-fine"),
        ('{"amount": 989.999}', 422, "amount-too-fine"),
        ('{"amount": 1e400}', 422, "out-of-range"),
        ('{"amount": 1e-400}', 422, "too-many-decimals"),
        ('{"amount": NaN}', 400, None),
        ('{"amount": "NaN"}', 422, "not-finite"),
        ('{"amount": "Infinity"}', 422, "not-finite"),
        ('{"amount": true}', 400, None),
        ('{"amount": null}', 400, None),
        ('{"amount": 9.9e2}', 201, None),
    ],
)
async def test_float_money(market: Market, body: str, status: int, rule: str | None) -> None:
    """A refused amount is in the log with its digits; a value that is not an amount is in no log; an accepted amount is
    a text everywhere."""
    scene = await a_scene(market)
    async with market.client(scene.suppliers["a"]) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post(f"/api/auctions/{scene.auction_id}/bids", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    log = await scene.log()
    judged = status == 201 or (rule or "").startswith("amount-")
    assert len(log) == judged
    if rule:
        assert answer.json()["rule"] == rule
    if rule and judged:
        digits = re.search(r"[\d.]+", body)
        assert digits and log[0]["event"]["amount"] == digits[0]
    if status == 201:
        assert answer.json()["amount"] == "990.00" and (await scene.view())["price"] == "990.00"
        line = json.loads(answer.json()["receipt"]["line"])
        assert line["data"]["amount"] == "990.00"


async def test_a_close_in_the_middle_of_a_form(market: Market) -> None:
    """Forms that were open when the auction closed are refused with a sentence, each once, and change nothing."""
    scene = await a_scene(market)
    await scene.bid("a", "990")
    await scene.bid("b", "980")
    path = f"/auctions/{scene.auction_id}"
    async with (
        market.browser(scene.suppliers["a"]) as a,
        market.browser(scene.suppliers["b"]) as b,
        market.browser(scene.buyer) as buyer,
    ):
        page = (await a.get(path)).text
        key = re.search(r'name="request_key" value="([^"]+)"', page)
        assert key and 'name="amount"' in page
        await b.get(path)
        await buyer.get(f"{path}/withdrawal")
        result = await scene.close()
        form = {"amount": "970", "request_key": key[1]}
        first = await a.post(f"{path}/bids", form)
        again = await a.post(f"{path}/bids", form)
        floor = await b.post(f"{path}/autobid", {"floor": "900", "on": "yes"})
        withdrawal = await buyer.post(f"{path}/withdrawal", {"reason": "The budget was cut."})
    for answer in (first, again):
        assert answer.status_code == 422
        assert "The mini-auction ended at" in answer.text and "auction-over" in answer.text
    assert "The mini-auction is over." in floor.text
    assert withdrawal.status_code == 422 and "The mini-auction was closed at" in withdrawal.text
    assert await scene.view() == result
    assert (result["outcome"], result["price"]) == ("successful", "980.00")
    assert [entry["verdict"] for entry in await scene.log()] == ["refused", "accepted", "accepted"]
    assert len(await scene.events(AuctionClosed)) == 1
    rows = await market.fetch("select autobids::text from auctions.auctions where auction_id = $1", scene.auction_id)
    assert rows[0][0] == "{}"


# Results removed after a late start: the same service, away at the end of an auction.


@asynccontextmanager
async def a_service(servers: Servers) -> AsyncIterator[Database]:
    """The tables of auctions without any process that uses them."""
    clock = ShiftedClock()
    database = await Database.connect(await empty_database(servers, "lonja_late"), clock)
    try:
        await migrations.upgrade(database.engine, "auctions", Row.metadata)
        yield database
    finally:
        await database.close()


async def test_results_wiped_after_a_late_start(servers: Servers, tmp_path: Any) -> None:
    signer, supplier = Signer.load(tmp_path), new_id()
    async with a_service(servers) as database:
        watch: Any = database.clock
        opened = begin_now(watch())
        async with database.transaction("auctions") as tx:
            db = await tx.raw()
            told = [
                OrganisationRegistered(organisation_id=name, roles=("supplier",), name=name, state="active")
                for name in (supplier, "rival")
            ]
            await replicas.organisations.put_all(tx, told)
            policy = load("moscow")
            assert await auctions.insert(tx, begin(opened), policy)
            fresh = StoredAuction(state=begin(opened), policy=policy, lines=0, head=GENESIS, result=None, version=-1)
            entries = journal.entries([opened])
            await journal.write(db, [journal.chained(fresh, entries, begin(opened), tx.now)], tx.now)

        async def bid(lane: Lane, who: str, amount: str) -> BidAccepted | None:
            answer = await lane.place(WaitingBid("auction", who, amount, Decimal(amount), watch()))
            return answer.verdict.accepted

        async def tick() -> int:
            async with database.transaction("auctions") as tx:
                return await clock()(tx)

        before = Lane(database.url, watch, signer)
        async with before.running():
            assert await bid(before, supplier, "990")
        watch.advance(timedelta(hours=30))  # no process runs when the auction ends
        assert await tick() == 0, "nobody could bid up to the end, and so it is not the end"
        after = Lane(database.url, watch, signer)
        async with after.running():
            accepted = await bid(after, "rival", "980")
            assert accepted and accepted.sequence == 2, "the bid before is still there"
            async with database.pool.acquire() as db:
                stored = await auctions.get(db, "auction")
            assert stored is not None
            watch.advance(stored.state.settles_at - watch())
            await after.pulse.beat()
            assert await tick() == 1
        told = [
            (row["type"], json.loads(row["data"]))
            for row in await database.pool.fetch("select type, data from auctions.facts order by line")
        ]
    kinds = [kind for kind, _ in told]
    assert kinds == [opened.TYPE, AuctionExtended.TYPE, AuctionClosed.TYPE]
    assert told[1][1]["reason"] == "outage"
    result = told[2][1]
    assert (result["winner_id"], result["amount"], result["bids"]) == ("rival", "980.00", 2)


def begin_now(now: datetime) -> AuctionOpened:
    opened = an_auction().opened
    return msgspec.structs.replace(opened, opens_at=now, closes_at=now + timedelta(hours=24))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
