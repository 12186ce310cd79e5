"""The page under other rules, the question before large cuts, and a stream that continues where it broke: all without
scripts."""

import re
from datetime import timedelta

import httpx

from events.auctions import BidAccepted
from tests.market import Browser, Market
from tests.services.auctions.builders import QUALITY
from tests.services.auctions.market_builders import Scene, a_scene, a_scene_under

SEALED = 10


async def place(browser: Browser, scene: Scene, amount: str, **fields: str) -> httpx.Response:
    return await browser.post(f"/auctions/{scene.auction_id}/bids", {"amount": amount, **fields})


# Large cuts


async def test_a_cut_of_many_steps_is_asked_about_first_and_placed_when_confirmed(market: Market) -> None:
    scene = await a_scene(market)
    async with market.browser(scene.suppliers["a"]) as a:
        asked = await place(a, scene, "630", request_key="k")
        assert asked.status_code == 200 and "Bid 630.00\u00a0RUB?" in asked.text
        assert "37.0\u202f%, 37 steps at once" in asked.text and "cannot be deleted" in asked.text
        assert await scene.log() == []
        hidden = dict(re.findall(r'<input type="hidden" name="(amount|sure|request_key)" value="([^"]*)">', asked.text))
        assert hidden == {"amount": "630", "sure": "yes", "request_key": "k"}
        assert (
            "Bid 1 of 630.00\u00a0RUB was accepted" in (await a.post(f"/auctions/{scene.auction_id}/bids", hidden)).text
        )
    assert [entry["event"]["amount"] for entry in await scene.log()] == ["630.00"]


async def test_ten_steps_and_what_a_rule_refuses_are_decided_at_once(market: Market) -> None:
    scene = await a_scene(market)
    async with market.browser(scene.suppliers["a"]) as a:
        assert "amount-not-positive" in (await place(a, scene, "-5")).text
        assert "was accepted" in (await place(a, scene, "900")).text


# Pregao


async def test_pregao_offers_the_lead_and_ones_own_next_and_a_bid_can_be_deleted(market: Market) -> None:
    scene = await a_scene_under(market, "pregao", 10)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.suppliers["b"]) as b:
        await place(a, scene, "900")
        behind = await place(b, scene, "1000")
        assert "You do not lead" in behind.text and "Your place: 2 of 2" in behind.text
        assert re.findall(r'name="amount" value="([\d.]+)"', behind.text)[:3] == ["890.00", "990.00", "980.00"]
        assert "Delete my last bid" in behind.text
        assert "Your last bid was deleted." in (await b.post(f"{path}/deletion")).text
        after = (await a.get(path)).text
        assert "deleted by its bidder" in after
        again = await place(b, scene, "990")
        assert "Delete my last bid" not in again.text  # once in an auction
        market.clock.advance(timedelta(seconds=16))
        assert "Delete my last bid" not in (await a.get(path)).text  # too late


async def test_pregao_says_why_it_goes_on_once(market: Market) -> None:
    scene = await a_scene_under(market, "pregao", 10)
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.suppliers["b"]) as b:
        await place(a, scene, "900", sure="yes")
        await place(b, scene, "700", sure="yes")
        market.clock.advance(timedelta(minutes=10, seconds=2))

        async def goes_on() -> bool:
            return (
                "the second bid was 5\u202f% or more above the first"
                in (await a.get(f"/auctions/{scene.auction_id}")).text
            )

        await market.eventually(goes_on)


# Prozorro


async def test_prozorro_hides_first_bids_then_shows_whose_turn_it_is(market: Market) -> None:
    scene = await a_scene_under(market, "prozorro", SEALED, QUALITY)
    path = f"/auctions/{scene.auction_id}"
    async with (
        market.browser(scene.suppliers["a"]) as a,
        market.browser(scene.suppliers["b"]) as b,
        market.browser() as visitor,
    ):
        sealed = (await a.get(path)).text
        assert "sealed first bids" in sealed and "3 years" in sealed and "if at least two bid" in sealed
        missing = await place(a, scene, "900")
        assert missing.status_code == 422 and "choices-missing" in missing.text
        looked = await place(a, scene, "900", **{"choice-0": "1", "sure": "no"})
        assert "Ranked by 810.00\u00a0UAH" in looked.text and 'name="choice-0" value="1"' in looked.text
        assert "was accepted" in (await place(a, scene, "900", **{"choice-0": "1"})).text
        await place(b, scene, "850", **{"choice-0": "0"})
        for browser in (b, visitor):
            others = (await browser.get(path)).text
            assert "900.00" not in others and "sealed first bids are not counted here" in others
        assert "Your last bid was 900.00" in (await a.get(path)).text
        market.clock.advance(timedelta(minutes=SEALED, seconds=2))

        async def begun() -> str:
            text = (await b.get(path)).text
            return text if "round 1 of 3" in text else ""

        worst = await market.eventually(begun)
        assert "It is your turn:" in worst, "850 is ranked behind 810, so b moves first"
        assert "leads by its scored value, 810.00\u00a0UAH" in worst and "Your place: 2 of 2" in worst
        waits = (await a.get(path)).text
        assert "Your turn in this round:" in waits and "It is your turn:" not in waits
        market.clock.advance(timedelta(minutes=5))
        assert "was accepted" in (await place(b, scene, "800", **{"choice-0": "0"})).text
        hidden = (await a.get(path)).text
        assert "800.00" not in hidden, "until the turn ends"
        refused = await place(a, scene, "700", **{"choice-0": "1", "sure": "yes"})
        assert "not-your-turn" in refused.text
        market.clock.advance(timedelta(minutes=2))
        await market.eventually(lambda: _shows(a, path, "800.00"))


async def _shows(browser: Browser, path: str, words: str) -> bool:
    return words in (await browser.get(path)).text


async def test_the_scored_value_of_a_bid_is_shown_before_it_is_placed(market: Market) -> None:
    scene, by_price = await a_scene_under(market, "prozorro", SEALED, QUALITY), await a_scene(market)
    async with market.browser() as visitor:

        async def told(auction_id: str, **fields: str) -> str:
            return (await visitor.get(f"/auctions/{auction_id}/score", **fields)).text

        assert "Ranked by 810.00" in await told(scene.auction_id, amount="900", **{"choice-0": "1"})
        for fields in ({"amount": "900"}, {"amount": "900", "choice-0": "7"}, {"amount": "x", "choice-0": "1"}, {}):
            assert "Ranked by" not in await told(scene.auction_id, **fields)
        assert "Ranked by" not in await told(by_price.auction_id, amount="900")
        assert (await visitor.get("/auctions/no-such/score", amount="1")).status_code == 404


# The stream


async def pushed(browser: Browser, path: str, last: str = "") -> tuple[list[str], str]:
    """Return the names of the events up to the first that ends a push, and its id."""
    names = []
    headers = {"last-event-id": last} if last else {}
    async with browser.client.stream("GET", path, headers=headers) as stream:
        number = ""
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                number = line[4:]
            if line.startswith("event: "):
                names.append(line[7:])
            if not line and names[-1:] == ["seen"]:
                return names, number
    raise AssertionError(f"the stream ended after {names}")


async def test_a_watcher_that_reconnects_gets_what_it_missed_and_nothing_twice(market: Market) -> None:
    scene = await a_scene(market)
    live = f"/auctions/{scene.auction_id}/live"
    everything = ["price", "log", "said", "mine", "seen"]
    async with market.browser() as visitor:
        names, number = await pushed(visitor, f"{live}?since=0")
        assert (names, number) == (everything, "1")
        assert (await pushed(visitor, f"{live}?since=0", last=number))[0] == ["seen"], "only the server's time"
        await scene.bid("a", "990")
        await scene.bid("b", "985")
        await scene.bid("b", "980")
        assert len(await scene.events(BidAccepted)) == 2
        assert await pushed(visitor, f"{live}?since=0", last=number) == (everything, "4")
        assert await pushed(visitor, f"{live}?since=1") == (everything, "4")
        assert await pushed(visitor, f"{live}?since=4") == (["seen"], "4")
        assert (await pushed(visitor, live, last="no-number"))[0] == everything
