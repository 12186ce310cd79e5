"""A click uses the values in the fields at that moment, even if the page has not sent them yet; and they are kept when
the language changes, and after Back."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, Route, expect

from tests.journeys.conftest import Meet, Person

PAPER = re.compile("Office paper A4")


async def at_a_sku(person: Person) -> Page:
    """The page of a SKU without open requests, with answers so slow that a click does not wait for one."""
    page = await person.open("/catalogue?q=office+paper+A4&region=RU-MOW")
    await page.get_by_role("link", name=PAPER).first.click()
    await expect(page.locator("#prices caption")).to_be_visible()
    await page.locator("#quantity").fill("7")
    await expect(page).to_have_url(re.compile("quantity=7"))
    await expect(page.locator("#prices caption")).to_contain_text("7 ×")
    return page


@pytest.fixture
async def unanswered() -> AsyncIterator[list[Route]]:
    """Leave the requests of a script without an answer until the end of the test."""
    held: list[Route] = []
    yield held
    for route in held:
        await route.abort()


async def hold(page: Page, held: list[Route]) -> None:
    async def keep(route: Route) -> None:
        if route.request.resource_type == "xhr":
            held.append(route)
        else:
            await route.continue_()

    await page.route("**/catalogue**", keep)


@pytest.mark.parametrize(
    ("press", "at"),
    [
        ("a:has-text('Buy')", "quantity=900"),
        ("a:has-text('Open a mini-auction')", "quantity=900"),
        ("a:has-text('Ask for quotes')", "quantity=900"),
    ],
)
async def test_a_link_of_a_sku_takes_the_quantity_in_the_box(
    meet: Meet, unanswered: list[Route], press: str, at: str
) -> None:
    agency = await meet("agency")
    page = await at_a_sku(agency)
    await hold(page, unanswered)
    await page.locator("#quantity").fill("900")
    await page.locator(press).first.click()
    await expect(page).to_have_url(re.compile(at + "$"))
    await expect(page.locator("[name$=quantity]:visible").first).to_have_value("900")


async def test_the_basket_takes_the_quantity_in_the_box(meet: Meet, unanswered: list[Route]) -> None:
    agency = await meet("agency")
    page = await at_a_sku(agency)
    await hold(page, unanswered)
    await page.locator("#quantity").fill("900")
    await page.locator("form[action='/catalogue/basket'] button").click()
    await expect(agency.sees("In your basket: 900.")).to_be_visible()


async def test_back_at_a_sku_box_prices_and_links_agree(meet: Meet, unanswered: list[Route]) -> None:
    agency = await meet("agency")
    page = await at_a_sku(agency)
    await hold(page, unanswered)
    await page.locator("#quantity").fill("90")
    await page.locator("a:has-text('Buy')").first.click()
    await expect(page.get_by_role("heading", name="What it costs")).to_be_visible()
    await page.unroute_all()
    await page.go_back()
    quantity = await page.locator("#quantity").input_value()
    await expect(page.locator("#prices caption")).to_contain_text(f"{quantity} ×")
    await expect(page.locator("a:has-text('Buy')").first).to_have_attribute("href", re.compile(f"quantity={quantity}$"))


async def test_back_to_an_earlier_search_box_and_results_agree(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    for words in ("paper", "toner"):
        await page.locator("#q").fill(words)
        await expect(page).to_have_url(re.compile(f"q={words}"))
        await page.wait_for_load_state("networkidle")
    await page.go_back()
    await expect(page).to_have_url(re.compile("q=paper"))
    await expect(page.locator("#q")).to_have_value("paper")
    await expect(page.get_by_role("link", name=PAPER).first).to_be_visible()


async def test_a_facet_takes_the_words_in_the_box(meet: Meet, unanswered: list[Route]) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await hold(page, unanswered)
    await page.locator("#q").fill("paper")
    await page.locator("[name=price_to]").fill("90000")
    await page.locator("#results aside li a").first.click()
    await expect(page).to_have_url(re.compile("category="))
    await expect(page.locator("#q")).to_have_value("paper")
    await expect(page.locator("[name=price_to]")).to_have_value("90000")
    await expect(page.locator("[name=category]")).not_to_have_value("")


async def test_a_press_while_the_results_come_is_not_lost(meet: Meet) -> None:
    agency = await meet("agency")
    page = await at_a_sku(agency)
    buy = page.locator("a:has-text('Buy')").first
    await buy.hover()
    await page.locator("#quantity").fill("8")
    async with page.expect_response(re.compile("quantity=8")):
        await page.mouse.down()
    await page.wait_for_timeout(300)
    await page.mouse.up()
    await expect(page).to_have_url(re.compile("purchases/new.*quantity=8$"))


async def test_a_search_comes_along_into_another_language(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await page.locator("#q").fill("toner")
    await expect(page).to_have_url(re.compile("q=toner"))
    found = page.locator("#results h2 a")
    names = await found.all_inner_texts()
    await visitor.press("Español")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(page.locator("#q")).to_have_value("toner")
    await expect(found).to_have_count(len(names))
    # and a word that was not sent yet
    await page.locator("#q").fill("paper")
    await visitor.press("Русский")
    await expect(page.locator("html")).to_have_attribute("lang", "ru")
    await expect(page.locator("#q")).to_have_value("paper")
    await expect(page.get_by_role("link", name=PAPER).first).to_be_visible()


async def test_a_quantity_comes_along_into_another_language(meet: Meet) -> None:
    agency = await meet("agency")
    page = await at_a_sku(agency)
    await agency.press("Русский")
    await expect(page.locator("html")).to_have_attribute("lang", "ru")
    await expect(page.locator("#quantity")).to_have_value("7")
    await page.locator("#quantity").fill("44")
    await agency.press("English")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#quantity")).to_have_value("44")
    await expect(page.locator("#prices caption")).to_contain_text("44 ×")


@pytest.mark.parametrize("path", ["/auctions", "/organisations", "/observatory", "/contracts?group=all", "/quotes"])
async def test_words_that_are_not_sent_come_along_into_another_language(meet: Meet, path: str) -> None:
    agency = await meet("agency")
    page = await agency.open(path)
    box = page.locator("main form[role=search] input:is([type=search], [type=text]):visible").first
    await box.fill("paper")
    await agency.press("Español")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(box).to_have_value("paper")
    await expect(page).to_have_url(agency.url + path)


async def test_back_to_a_search_that_was_left_before_it_was_answered(meet: Meet, unanswered: list[Route]) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await hold(page, unanswered)
    await page.locator("#q").fill("toner")
    await page.locator("#results h2 a").first.click()
    await expect(page).to_have_url(re.compile("/catalogue/skus/"))
    await page.go_back()
    await expect(page.locator("#q")).to_have_value("toner")
    names = page.locator("#results h2 a")
    await expect(names.first).to_contain_text(re.compile("toner", re.IGNORECASE))
    await expect(page.get_by_role("link", name=PAPER)).to_have_count(0)
    await visitor.shot("typed-back")
    # and onward and back once more
    await page.go_forward()
    await expect(page).to_have_url(re.compile("/catalogue/skus/"))
    await page.go_back()
    await expect(page.locator("#q")).to_have_value("toner")


async def test_a_search_that_is_answered_has_one_entry_in_the_history(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await page.locator("#q").fill("toner")
    await expect(page).to_have_url(re.compile("q=toner"))
    length = await page.evaluate("history.length")
    async with page.expect_response(re.compile("q=toner")):
        await page.get_by_role("button", name="Search", exact=True).click()
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("history.length") == length
    await page.go_back()
    await expect(page).to_have_url(visitor.url + "/catalogue")


async def test_the_search_words_are_still_there_after_adding_to_the_basket(meet: Meet, unanswered: list[Route]) -> None:
    agency = await meet("agency2")
    page = await agency.open("/catalogue")
    await hold(page, unanswered)
    await page.locator("#q").fill("toner")
    await page.locator("#results form[action='/catalogue/basket'] button").first.click()
    await expect(agency.sees("In your basket:")).to_be_visible()
    await expect(page.locator("#q")).to_have_value("toner")
    await expect(page.locator("#results h2 a").first).to_contain_text(re.compile("toner", re.IGNORECASE))


@pytest.mark.parametrize(("typed", "said"), [("abc", "must be a number"), ("", "is required")])
async def test_an_odd_quantity_is_refused_beside_its_box(
    meet: Meet, unanswered: list[Route], typed: str, said: str
) -> None:
    agency = await meet("agency3")
    page = await at_a_sku(agency)
    await hold(page, unanswered)
    name = await page.locator("h1").inner_text()
    await page.locator("#quantity").fill(typed)
    await page.locator("form[action='/catalogue/basket'] button").click()
    await expect(page.locator("#quantity-note.error")).to_contain_text(said)
    await expect(page.locator("h1")).to_have_text(name)
    await expect(page.locator("#quantity")).to_have_value(typed)
    await expect(page.locator("#region")).to_have_value("RU-MOW")
    await agency.shot(f"typed-quantity-{typed or 'empty'}")
    await page.reload()
    await expect(page.locator("#quantity-note.error")).to_contain_text(said)
    await agency.press("Español")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(page.locator("h1")).to_have_text(name)
    if typed:
        await expect(page.locator("#quantity")).to_have_value(typed)
        await expect(page.locator("#quantity-note.error")).to_be_visible()
    await agency.press("English")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.locator("#quantity").fill("12")
    # the page has been updated
    await expect(page.locator("form[action='/catalogue/basket'] [name=quantity]")).to_have_value("12")
    await page.locator("form[action='/catalogue/basket'] button").click()
    await expect(agency.sees("In your basket: 12.")).to_be_visible()
    agency.errors.clear()  # that it was refused comes as 422


async def test_back_from_a_refused_quantity_each_address_has_its_own_note(meet: Meet) -> None:
    visitor = await meet()
    page = await at_a_sku(visitor)
    box, note = page.locator("#quantity"), page.locator("#quantity-note.error")
    await box.fill("abc")
    await expect(note).to_contain_text("must be a number")
    await box.fill("9")
    await expect(page.locator("#prices caption")).to_contain_text("9 ×")
    await expect(note).to_have_count(0)
    await page.go_back()
    await expect(box).to_have_value("abc")
    await expect(note).to_contain_text("must be a number")
    await page.go_back()
    await expect(box).to_have_value("7")
    await expect(page.locator("#prices caption")).to_contain_text("7 ×")
    await expect(note).to_have_count(0)
    await expect(box).not_to_have_attribute("aria-invalid", "true")
    # The kept page already has the message; the browser reports the refusal when it arrives.
    async with page.expect_console_message(lambda told: "422" in told.text):
        await page.go_forward()
    await expect(note).to_contain_text("must be a number")
    visitor.errors.clear()


async def test_what_is_typed_while_the_page_loads_in_another_language_is_kept(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/catalogue")
    await page.locator("#q").fill("toner")
    await expect(page).to_have_url(re.compile("q=toner"))
    typed = asyncio.Event()

    async def wait(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await page.route("**/lonja.js", wait)
    await page.get_by_role("button", name="Español").click(no_wait_after=True)
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await page.locator("#q").fill("paper")
    typed.set()
    await page.wait_for_load_state("networkidle")
    await expect(page.locator("#q")).to_have_value("paper")
    await expect(page.get_by_role("link", name=PAPER).first).to_be_visible()
