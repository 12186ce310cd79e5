import re
from datetime import timedelta
from decimal import Decimal

from playwright.async_api import Page, expect

from services.demonstration.cast import cast
from tests.journeys.conftest import Meet
from tests.market import Market

STEP_BUTTON = "form[action$='/steps'] button"
GOOD = next(good for good in cast().skus if good.name.startswith("Lever arch file"))


async def price_of(page: Page) -> Decimal:
    return Decimal(re.sub(r"[^\d.]", "", (await page.locator(".live .price").inner_text()).split("RUB")[0]))


async def test_an_auction_is_shown_live_from_its_opening_to_the_signatures(
    demo: Market, meet: Meet, sku_ids: dict[str, str]
) -> None:
    agency, first, second = await meet("agency2"), await meet("supplier3"), await meet("supplier7")
    page = await agency.open(f"/catalogue/skus/{sku_ids[GOOD.name]}?quantity=100")
    await agency.press("Open a mini-auction")
    await expect(page.get_by_text("The initial price must not be above the reference price")).to_be_visible()
    await agency.fill(title="Lever arch files for the archive")
    await page.locator("[name=duration_minutes][value='3']").check()
    await agency.shot("auction-compose")
    await agency.press("Review the mini-auction")
    await expect(page.get_by_role("heading", name="Review the mini-auction")).to_be_visible()
    await agency.shot("auction-review")
    await agency.press("Open the mini-auction")
    await expect(page.get_by_role("heading", name="Lever arch files for the archive")).to_be_visible()
    auction = page.url.removeprefix(agency.url).partition("?")[0]
    initial = await price_of(page)
    await page.evaluate("window.never_reloaded = true")

    for supplier in (first, second):
        await supplier.open(auction)
        await supplier.page.locator("#mine button[name=amount]").first.click()
        await expect(supplier.page.locator("#verdict .notice")).to_contain_text("was accepted")
        await expect(supplier.page.get_by_text("You lead", exact=True)).to_be_visible()
    await expect(page.locator(".live")).to_contain_text("2 bids by 2 participants")
    price = await price_of(page)
    assert price < initial
    await expect(first.page.get_by_text("You do not lead", exact=True)).to_be_visible()

    await first.page.get_by_text("Another amount").click()
    await first.page.locator("#amount").fill(str(price - Decimal("0.01")))
    await first.press("Bid this amount")
    await expect(first.page.locator("#verdict [role=alert]")).to_contain_text("Rule cut-below-step")
    await first.shot("auction-refused")
    assert await price_of(page) == price
    await agency.shot("auction-running")
    text = await page.locator("main").inner_text()
    assert "Bureau and Sons" not in text and "Ural Stationery Works" not in text

    early = await first.page.context.new_page()  # a page that was opened before the contract was made
    await early.goto(f"{first.url}/contracts?process={auction[10:]}")
    await expect(early.get_by_text("no contract from this process")).to_be_visible()
    await early.locator("#q").fill("archive")  # this text must stay when the page is updated

    closes = (await demo.fetch("select closes_at from auctions.auctions where auction_id = $1", auction[10:]))[0][0]
    demo.clock.advance(closes - demo.clock() - timedelta(seconds=20))
    await first.page.locator("#mine button[name=amount]").first.click()
    await expect(first.page.locator("#verdict .notice")).to_contain_text("The end moved to")
    await expect(page.locator(".live")).to_contain_text("Extended to")
    demo.clock.advance(timedelta(seconds=32))
    await expect(page.locator(".live")).to_contain_text("won by Bureau and Sons")
    assert await page.evaluate("window.never_reloaded"), "the page was updated without a reload"
    await expect(page.get_by_role("heading", name="The result")).to_be_visible()
    assert await price_of(page) < price
    await agency.shot("auction-won")
    await expect(second.page.get_by_text("You did not win")).to_be_visible()
    assert "Ural Stationery Works" not in await page.locator("main").inner_text()

    await expect(early.locator("main a[href^='/contracts/']").first).to_be_visible()
    await expect(early.locator("#q")).to_have_value("archive")
    await first.press("The contract")
    await first.page.locator("main a[href^='/contracts/']").first.click()
    contract = first.page.url.removeprefix(first.url)
    await first.page.locator(STEP_BUTTON).click()
    await agency.open(contract)
    await page.locator(STEP_BUTTON).click()
    await first.open(contract)
    await first.page.locator(STEP_BUTTON).click()
    await expect(first.page.locator("main .badge").first).to_contain_text("concluded")
    await first.shot("auction-contract")
