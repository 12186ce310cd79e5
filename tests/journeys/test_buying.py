import re

from playwright.async_api import expect

from tests.journeys.conftest import Meet

STEP = "form[action$='/steps'] button"


async def test_an_agency_finds_compares_and_buys_directly_and_both_sign(meet: Meet) -> None:
    agency, supplier = await meet("agency"), await meet("supplier7")
    page = await agency.open("/catalogue")
    await agency.fill(q="ofice papr A4")
    result = page.get_by_role("link", name=re.compile("Office paper A4"))
    await expect(result.first).to_be_visible()
    await agency.shot("buying-search")
    await result.first.click()

    await expect(page.get_by_role("heading", name="Reference price")).to_be_visible()
    await expect(page.locator("aside .badge").first).to_contain_text(re.compile("[ABC]"))
    await agency.fill(quantity="40")
    await page.get_by_role("button", name="Show prices").click()
    await expect(agency.sees(re.compile("By landed price for .*Mos.*40"))).to_be_visible()
    rows = page.locator("tbody tr:not(.dropped) td:nth-child(2)")
    landed = [
        float(re.sub(r"[^\d.]", "", text.split("RUB")[0].split("\n")[0])) for text in await rows.all_inner_texts()
    ]
    assert len(landed) >= 5 and landed == sorted(landed)
    await agency.shot("buying-sku")

    await (
        page.get_by_role("row")
        .filter(has_text="Ural Stationery Works")
        .get_by_role("link", name=re.compile("^Buy"))
        .click()
    )
    await expect(page.get_by_role("heading", name="What it costs")).to_be_visible()
    await agency.shot("buying-quote")
    await agency.press("Ask to buy")
    await expect(agency.sees("waits for the supplier")).to_be_visible()
    purchase = page.url.removeprefix(agency.url)

    await supplier.open(purchase)
    await supplier.shot("buying-answer")
    await supplier.press("Accept")
    await expect(supplier.sees("accepted")).to_be_visible()

    await agency.open(purchase)
    await agency.press("Go to the contract")
    await page.locator(STEP).click()
    contract = page.url.removeprefix(agency.url)
    await supplier.open(contract)
    await supplier.shot("buying-contract")
    await supplier.page.locator(STEP).click()
    await expect(supplier.page.locator("main .badge").first).to_contain_text("concluded")
    await agency.open(contract)
    await expect(page.locator("main .badge").first).to_contain_text("concluded")
