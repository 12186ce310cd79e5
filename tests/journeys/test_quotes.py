import re
from datetime import timedelta
from zoneinfo import ZoneInfo

from playwright.async_api import expect

from services.demonstration.cast import cast
from services.demonstration.client import sign
from tests.journeys.conftest import Api, Meet, Person
from tests.market import Market

GOOD = next(good for good in cast().skus if good.name.startswith("Lever arch"))
WHY = "It comes before the term begins, the cheaper one after"


def refused(person: Person) -> None:
    """The form was refused with 422, which the browser writes on its console."""
    assert "422" in person.errors.pop()


async def test_a_buyer_asks_for_quotes_and_chooses_without_names(
    demo: Market, meet: Meet, api: Api, sku_ids: dict[str, str]
) -> None:
    buyer = await meet("agency")
    page = await buyer.open(f"/catalogue/skus/{sku_ids[GOOD.name]}?quantity=40")
    await buyer.press("Ask for quotes")
    await buyer.fill(requirements="Delivered in one go before the term begins.")
    await page.get_by_role("button", name="Add a line in your own words").click()
    await page.get_by_label("Description").fill("Cardboard dividers, A4, set of 10")
    await page.get_by_label("Category").fill("30199500")
    await page.locator("[name=line-1-quantity]").fill("40")
    await page.locator("[name=line-1-unit]").fill("piece")
    await buyer.shot("quotes-compose")
    await page.locator("[name=title]").fill("")
    await page.get_by_role("button", name="Ask for quotes").click()
    await expect(page.locator("#title-note")).to_be_visible()
    refused(buyer)
    await expect(page.get_by_label("Description")).to_have_value("Cardboard dividers, A4, set of 10")
    ends = (demo.clock() + timedelta(minutes=20)).astimezone(ZoneInfo("Europe/Moscow"))
    await buyer.fill(title="Files for the archive", closes_at=ends.strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_role("button", name="Ask for quotes").click()
    await expect(page.get_by_role("heading", name="Files for the archive")).to_be_visible()
    await page.evaluate("window.never_reloaded = true")
    request = page.url.removeprefix(buyer.url)
    await expect(page.locator(".live .price")).to_contain_text("0")

    supplier = await meet("supplier")
    await supplier.open(request)
    await supplier.page.locator("[name=price-1]").fill("230")
    await supplier.page.get_by_role("button", name="Send a sealed quote").click()
    await expect(supplier.page.locator("#price-2-note")).to_be_visible()
    refused(supplier)
    await expect(supplier.page.locator("[name=price-1]")).to_have_value("230")
    await supplier.page.locator("[name=price-2]").fill("55,50")
    await supplier.fill(delivery_days="3", comment="Ten boxes on one pallet")
    await supplier.page.get_by_role("button", name="Send a sealed quote").click()
    await expect(supplier.sees("version 1")).to_be_visible()
    await supplier.shot("quotes-sealed")
    cheap = await api("supplier7")
    quote = {"prices": {"1": "200", "2": "50"}, "delivery_days": 30, "vat_rate": "20"}
    await cheap.post(f"/api{request}/mine", quote)
    await expect(page.locator(".live .price")).to_contain_text(re.compile(r"2\s+quotes"))
    assert await page.evaluate("window.never_reloaded")
    assert "230" not in await page.locator("main").inner_text()
    await buyer.shot("quotes-waiting")
    visitor = await meet()
    await visitor.open("/quotes")
    await expect(visitor.sees("Files for the archive")).to_be_visible()
    await visitor.shot("quotes-list")

    demo.clock.advance(timedelta(minutes=21))
    await page.get_by_role("link", name="See what happens next").click()
    await expect(page.get_by_role("heading", name="Quotes to choose from: 2")).to_be_visible()
    assert "Papyrus" not in await page.locator("main").inner_text()
    await page.locator("label.choice").nth(1).click()
    await buyer.fill(justification="Quicker")
    await page.get_by_role("button", name="Choose this participant").click()
    await expect(page.locator("#justification-note")).to_contain_text("at least 20 characters")
    refused(buyer)
    await expect(page.locator("label.choice").nth(1).locator("input")).to_be_checked()
    await buyer.shot("quotes-choose")
    await buyer.fill(justification=WHY)
    await page.get_by_role("button", name="Choose this participant").click()
    await expect(page.get_by_role("heading", name="Chosen: Papyrus Office Supplies")).to_be_visible()
    await expect(buyer.sees(WHY)).to_be_visible()

    agency, winner = await api("agency"), await api("supplier")

    async def drafted() -> str:
        found = await agency.get(f"/api{request}")
        return str(found["contract"]["contract_id"]) if found["contract"] else ""

    signed = await sign(await demo.eventually(drafted), agency, winner)
    assert (signed["state"], signed["amount"]) == ("concluded", "11420.00")
    await expect(visitor.page.get_by_role("link", name="Quick quotes")).to_be_visible()

    async def shown() -> bool:
        await visitor.open(request)
        return await visitor.page.get_by_role("link", name="The signed contract").is_visible()

    await demo.eventually(shown)
    assert "Ural Stationery" not in await visitor.page.locator("main").inner_text()
    await visitor.shot("quotes-awarded")
    await visitor.page.get_by_role("link", name="The signed contract").click()
    await expect(visitor.page.get_by_role("link", name="a quick quote")).to_be_visible()
