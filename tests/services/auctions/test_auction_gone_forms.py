"""Forms of an old tab with a wrong field, sent after the auction ended or the complaint was decided: the page says so,
and nothing about the field."""

from tests.gone import LONG, check_told_over
from tests.market import Market
from tests.services.auctions.market_builders import a_scene
from tests.services.auctions.test_auction_complaints import WORDS, a_moderator


async def test_an_auction_that_ended_meanwhile_is_over(market: Market) -> None:
    scene = await a_scene(market)
    await scene.bid("a", "990")
    await scene.close()
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as browser:
        many_steps = {"amount": "500", "request_key": "m"}
        asked = await browser.post(f"{path}/bids", many_steps)
        assert 'name="sure"' not in asked.text and "cannot be deleted" not in asked.text, "a bid that nobody takes"
        for amount in ("abc", "", "-1"):
            await check_told_over(
                browser,
                f"{path}/bids",
                {"amount": amount, "request_key": "k"},
                "The mini-auction is over",
                "The mini-auction ended",
            )
            await check_told_over(browser, f"{path}/autobid", {"floor": amount, "on": "yes"}, "ended", "over", "closed")


async def test_a_complaint_that_was_decided_meanwhile_is_decided(market: Market) -> None:
    scene = await a_scene(market)
    moderator = await a_moderator(market)
    async with market.client(scene.suppliers["a"]) as client:
        filed = await client.post(f"/api/auctions/{scene.auction_id}/complaints", json=WORDS)
    path = f"/auctions/complaints/{filed.json()['complaint_id']}"
    async with market.browser(moderator) as browser:
        await browser.post(path, {"decision": "rejected", "reason": "Two suppliers have it."})
        for reason in (" ", LONG):
            for decision in ("rejected", "upheld"):
                fields = {"decision": decision, "reason": reason}
                await check_told_over(browser, path, {**fields}, "that content counts", "already")
