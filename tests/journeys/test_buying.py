import re

from playwright.async_api import expect

from tests.journeys.conftest import Meet

STEP = "form[action$='/steps'] button"


async def test_a_click_on_a_result_right_after_typing_opens_it(meet: Meet) -> None:
    """The field that loses the focus must not load the results again: they would replace the link between the press and
    the release of the button."""
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await page.locator("#q").press_sequentially("office paper A4")
    result = page.get_by_role("link", name=re.compile("Office paper A4")).first
    await expect(page).to_have_url(re.compile("q=office"))
    await expect(result).to_be_visible()
    await result.hover()
    await page.mouse.down()
    await page.wait_for_timeout(500)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile("/catalogue/skus/"))


async def test_a_press_that_lasts_is_not_lost_to_a_piece_that_comes_anew(meet: Meet) -> None:
    """The home page reloads its figures every ten seconds."""
    visitor = await meet()
    page = await visitor.open("/")
    link = page.locator("#now a").first
    await link.hover()
    goal = await link.get_attribute("href")
    await page.mouse.down()
    async with page.expect_response(lambda response: response.url == page.url, timeout=20_000):
        pass
    await page.wait_for_timeout(300)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile(re.escape(goal or "-") + "$"))


async def test_an_agency_buys_at_the_price_of_the_quantity_it_typed(meet: Meet) -> None:
    agency = await meet("agency")
    page = await agency.open("/catalogue?q=office+paper+A4")
    await page.get_by_role("link", name=re.compile("Office paper A4")).first.click()
    await page.locator("#quantity").press_sequentially("7")
    buy = page.get_by_role("link", name=re.compile("^Buy")).first
    await expect(buy).to_have_attribute("href", re.compile("quantity=.*7"))
    await buy.hover()
    await page.mouse.down()
    await page.wait_for_timeout(500)
    await page.mouse.up()
    await expect(page.get_by_role("heading", name="What it costs")).to_be_visible()


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
    await expect(agency.sees(re.compile("Sorted by landed price for .*Mos.*40"))).to_be_visible()
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
