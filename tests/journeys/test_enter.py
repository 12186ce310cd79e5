"""What the Enter key does in a field, and the errors of a field that changes only a part of its page."""

from playwright.async_api import expect

from services.demonstration.cast import cast
from tests.journeys.conftest import Meet

NO_NUMBER = "must be a number, such as 12.50"


async def test_a_wrong_quantity_has_its_error_beside_it_when_scripts_run(meet: Meet, sku_ids: dict[str, str]) -> None:
    visitor = await meet()
    page = await visitor.open(f"/catalogue/skus/{sku_ids[cast().skus[0].name]}")
    quantity = page.locator("#quantity")
    for typed, said in (("abc", NO_NUMBER), ("-2", "above zero"), ("1,200", "could mean 1200 or 1.2")):
        await quantity.fill(typed)
        await quantity.press("Enter")
        await expect(page.locator("#quantity-note")).to_contain_text(said)
        await expect(quantity).to_have_attribute("aria-invalid", "true")
        await expect(quantity).to_have_value(typed)
    await quantity.fill("2")
    await quantity.press("Enter")
    await expect(page.locator("#quantity-note")).to_have_count(0)
    await expect(page.locator("caption")).to_contain_text(", 2 ×")
    assert await quantity.get_attribute("aria-invalid") is None
    visitor.errors.clear()  # the browser itself notes that the answers were refusals (422)


async def test_a_wrong_price_filter_has_its_error_beside_it_when_scripts_run(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await page.locator("#price_from").fill("abc")
    await page.locator("#price_from").press("Enter")
    await expect(page.locator("#price_from-note")).to_contain_text(NO_NUMBER)
    await page.locator("#price_from").fill("1")
    await page.locator("#price_from").press("Enter")
    await expect(page.locator("#price_from-note")).to_have_count(0)
    visitor.errors.clear()  # as above


async def test_enter_in_the_search_of_a_new_pool_searches(meet: Meet) -> None:
    agency = await meet("agency")
    page = await agency.open("/pools/new")
    await page.locator("#search").fill("paper")
    await page.locator("#search").press("Enter")
    await expect(page.get_by_role("button", name="Add ").first).to_be_visible()
    await expect(page.locator("#title-note.error")).to_have_count(0)
