from playwright.async_api import expect

from services.demonstration.cast import cast
from services.demonstration.seed import open_auction
from tests.demo import LONGEST_AUCTION
from tests.journeys.conftest import Api, Meet


async def test_a_visitor_reads_every_public_page_without_login(meet: Meet, sku_ids: dict[str, str]) -> None:
    visitor = await meet()
    paths = {"home": "/"} | {
        name: f"/{name}"
        for name in (
            "catalogue",
            "auctions",
            "pools",
            "contracts",
            "observatory",
            "transparency",
            "recommender",
            "organisations",
            "register",
            "login",
        )
    }
    paths["sku"] = f"/catalogue/skus/{sku_ids[cast().skus[0].name]}"
    for name, path in paths.items():
        page = await visitor.open(path)
        await expect(page.locator("h1")).to_have_count(1)
        await visitor.shot(f"visitor-{name}")


async def test_from_the_home_page_a_visitor_reaches_an_auction_a_pool_and_a_contract(
    meet: Meet, api: Api, sku_ids: dict[str, str]
) -> None:
    sku_id = sku_ids[cast().skus[0].name]
    await open_auction(await api("agency"), "RU-MOW", "Paper for the reading room", sku_id, 20, LONGEST_AUCTION)
    visitor = await meet()
    for menu, thing in (("Mini-auctions", "/auctions/"), ("Pools", "/pools/"), ("Contracts", "/contracts/")):
        page = await visitor.open("/")
        await page.get_by_label("Main").get_by_role("link", name=menu).click()
        await page.locator(f"main a[href^='{thing}']:not([href$='new'])").first.click()
        await expect(page.locator("h1")).to_have_count(1)
        await visitor.shot(f"visitor-one-{menu.lower()}")
