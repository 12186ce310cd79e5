"""Forms of an old tab, wrong in a field, sent after another decided about the card: the page says so, and of no field."""

import pytest

from tests.gone import LONG, check_told_over
from tests.market import Market
from tests.services.catalogue.market_builders import Stall, a_card


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


async def test_a_card_that_was_decided_about_meanwhile_is_decided(stall: Stall) -> None:
    for step, said in (
        ("publish", "The state of this SKU is “published”"),
        ("return", "that content counts: “say its length”"),
    ):
        made = await stall.post(stall.buyer, "/skus", a_card(f"Zither {step}", none_of_these=True))
        sku_id = made.json()["sku"]["sku_id"]
        done = await stall.post(
            stall.moderator, f"/skus/{sku_id}/{step}", {"reasons": ["say its length"]} if step == "return" else None
        )
        assert done.status_code == 200
        async with stall.market.browser(stall.moderator) as browser:
            for reasons in (" ", LONG):
                fields = {"version": 1, "reasons": reasons, "page": 1}
                await check_told_over(browser, f"/catalogue/skus/{sku_id}/return", {**fields}, said)
            if step == "return":
                path = f"/catalogue/skus/{sku_id}/publish"
                await check_told_over(browser, path, {"version": 1, "page": 1}, "The state of this SKU is “returned”")


async def test_a_card_that_was_archived_meanwhile_is_archived(stall: Stall) -> None:
    sku_id = await stall.published("Zither string")
    path = f"/catalogue/skus/{sku_id}/archive"
    async with stall.market.browser(stall.moderator) as browser:
        assert "is archived" in (await browser.post(path, {"reason": "Nobody makes it"})).text
        for reason in (" ", LONG):
            await check_told_over(browser, path, {"reason": reason}, "that content counts: “Nobody makes it”")
