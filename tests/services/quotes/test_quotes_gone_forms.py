"""Forms of an old tab with a wrong field, sent after the request went on: the page says so, and nothing about the
field."""

from datetime import datetime

from tests.gone import LONG, check_told_over
from tests.market import Market
from tests.services.quotes.test_quotes_service import (
    WHY,
    a_buyer,
    asked,
    choice,
    in_stage,
    number_of,
    to_choose,
)


async def test_a_quote_after_the_deadline_is_late_whatever_stands_in_it(market: Market) -> None:
    request_id, _, dear, _ = await to_choose(market)
    good = {"price-1": "5", "vat_rate": "20", "delivery_days": "3"}
    async with market.browser(dear) as browser:
        for wrong in ({"price-1": "abc"}, {"price-1": ""}, {"delivery_days": "soon"}, {"comment": LONG}):
            await check_told_over(browser, f"/quotes/{request_id}/mine", {**good, **wrong}, "were possible until")


async def test_what_was_chosen_meanwhile_is_chosen(market: Market) -> None:
    request_id, buyer, dear, _ = await to_choose(market)
    number = await number_of(market, request_id, dear)
    assert (await choice(market, request_id, buyer, number, WHY)).status_code == 200
    path = f"/quotes/{request_id}"
    async with market.browser(buyer) as browser:
        for wrong in ({}, {"participant": "abc"}, {"participant": str(number), "justification": LONG}):
            await check_told_over(browser, f"{path}/choice", {**wrong}, "awarded")
        for reason in (" ", LONG):
            await check_told_over(browser, f"{path}/rejection", {"reason": reason}, "awarded")
            await check_told_over(browser, f"{path}/withdrawal", {"reason": reason}, "awarded")


async def test_a_request_that_was_withdrawn_meanwhile_is_over(market: Market) -> None:
    buyer = await a_buyer(market)
    request_id = await asked(market, buyer)
    async with market.browser(buyer) as browser:
        await browser.post(f"/quotes/{request_id}/withdrawal", {"reason": "No money"})
        await in_stage(market, request_id, "withdrawn")
        async with market.client() as client:
            listed = (await client.get("/api/quotes", params={"group": "closed"})).json()["requests"]
        [ended] = [each["ended_at"] for each in listed if each["request_id"] == request_id]
        assert datetime.fromisoformat(ended) <= market.clock(), "before its deadline"
        for reason in (" ", LONG):
            path = f"/quotes/{request_id}/withdrawal"
            await check_told_over(browser, path, {"reason": reason}, "that content counts: “No money”")
