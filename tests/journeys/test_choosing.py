"""Choosing among more participants than one page shows: the mark and the reason are kept, also in another language."""

import re

import pytest
from playwright.async_api import Page, expect

from services.quotes import views
from tests.journeys.choosing import to_be_chosen
from tests.journeys.conftest import Api, Meet, Person
from tests.market import Market

WHY = "It delivers before the term begins, and nobody else does."
NO = "The prices are far above the reference."
LONG_WORD = "W" * 290


@pytest.fixture
async def path(demo: Market, api: Api, sku_ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a request with three participants, two on a page."""
    monkeypatch.setattr(views, "PARTICIPANTS", 2)
    described = {"description": LONG_WORD, "category": "30197630", "unit": "piece", "quantity": "2"}
    lines = [{"sku_id": next(iter(sku_ids.values())), "quantity": "5"}, described]
    quotes = [
        (
            await api(f"supplier{number}" if number > 1 else "supplier"),
            {"prices": {"1": f"1{number}.00", "2": "1200.00"}, "vat_rate": "20", "delivery_days": 3, "comment": ""},
        )
        for number in (1, 2, 3)
    ]
    return f"/quotes/{await to_be_chosen(demo, await api('agency'), lines, quotes)}"


async def speaks(page: Page, language: str) -> None:
    await expect(page.locator("html")).to_have_attribute("lang", language)


async def on_the_second_page(agency: Person, path: str, *, marked_there: bool) -> str:
    """Go to the second page with a participant marked, there or on the first page, and a reason typed. Return the
    participant's number."""
    page = await agency.open(path)
    choices = page.locator("input[name=participant]")
    if not marked_there:
        await choices.nth(1).check()
    await page.locator("#justification").fill(WHY)
    await agency.press("Next page")
    await expect(agency.sees("Earlier page")).to_be_visible()
    await expect(page.locator("#justification")).to_have_value(WHY)
    if marked_there:
        await choices.last.check()
    number = await page.locator("input[name=participant]:checked").get_attribute("value")
    assert number is not None
    return number


async def is_whole(page: Page, number: str) -> None:
    """Check that it is the second page, with the participant marked and the reason filled in."""
    await expect(page.locator("button[name=show][value='1']")).to_be_visible()
    await expect(page.locator("button[name=show][value='2']")).to_have_count(0)
    await expect(page.locator("#justification")).to_have_value(WHY)
    await expect(page.locator("input[name=participant]:checked")).to_have_value(number)
    await expect(page.locator("input[name=participant]:checked")).to_have_count(1)
    assert await page.locator(".scroll").evaluate("each => each.scrollWidth - each.clientWidth") <= 0


@pytest.mark.parametrize("marked_there", [False, True])
async def test_mark_and_reason_come_along_into_another_language(meet: Meet, path: str, marked_there: bool) -> None:
    agency = await meet("agency")
    number = await on_the_second_page(agency, path, marked_there=marked_there)
    await agency.press("Español")
    await speaks(agency.page, "es")
    await is_whole(agency.page, number)
    await agency.page.reload()
    await is_whole(agency.page, number)
    await agency.shot(f"choosing-es-{marked_there}")
    await agency.press("Русский")
    await speaks(agency.page, "ru")
    await is_whole(agency.page, number)
    await agency.page.locator("#justification").fill(WHY + "!")
    await agency.press("English")
    await speaks(agency.page, "en")
    await expect(agency.page.locator("#justification")).to_have_value(WHY + "!")


async def test_a_mark_of_another_page_comes_along_on_the_first(meet: Meet, path: str) -> None:
    agency = await meet("agency")
    number = await on_the_second_page(agency, path, marked_there=True)
    await agency.press("Earlier page")
    await expect(agency.sees("Next page")).to_be_visible()
    await agency.press("Español")
    await speaks(agency.page, "es")
    await expect(agency.page.locator("button[name=show][value='2']")).to_be_visible()
    await expect(agency.page.locator("input[name=participant]:checked")).to_have_value(number)
    await expect(agency.page.locator("#justification")).to_have_value(WHY)


async def test_the_other_form_of_the_page_comes_along_too(meet: Meet, path: str) -> None:
    agency = await meet("agency")
    number = await on_the_second_page(agency, path, marked_there=False)
    await agency.page.locator("details:has(#reason) summary").click()
    await agency.page.locator("#reason").fill(NO)
    await agency.press("Español")
    await speaks(agency.page, "es")
    await is_whole(agency.page, number)
    await expect(agency.page.locator("#reason")).to_have_value(NO)
    await expect(agency.page.locator("#reason")).to_be_visible()  # its details are open


async def test_without_a_script_it_stays_on_the_page_and_says_what_is_emptied(meet: Meet, path: str) -> None:
    agency = await meet("agency", java_script_enabled=False)
    await on_the_second_page(agency, path, marked_there=False)
    await expect(agency.sees("This empties a form that is not sent yet.")).to_be_visible()
    await agency.press("Español")
    await speaks(agency.page, "es")
    await expect(agency.page).to_have_url(re.compile(r"\?page=2$"))
    await expect(agency.page.locator("button[name=show][value='1']")).to_be_visible()


@pytest.mark.parametrize("scripted", [True, False])
async def test_a_refused_choice_leads_to_what_is_missing(meet: Meet, path: str, scripted: bool) -> None:
    agency = await meet("agency", java_script_enabled=scripted)
    page = await agency.open(path)
    await page.set_viewport_size({"width": 390, "height": 400})
    await page.locator("input[name=participant]").last.check()
    await agency.press("Choose this participant")
    refusal = agency.sees("Please correct 1 field")
    await expect(refusal).to_be_visible()
    if scripted:
        await expect(refusal).to_be_in_viewport()
        await expect(refusal).to_be_focused()
    await refusal.get_by_role("link").click()
    await expect(page.locator("#justification-note")).to_be_in_viewport()
    if scripted:
        await expect(page.locator("#justification")).to_be_focused()
    agency.errors.clear()  # that it was refused comes as 422


async def test_the_lines_of_a_participant_fit_a_phone(meet: Meet, path: str) -> None:
    agency = await meet("agency")
    page = await agency.open(f"{path}/participants/1")
    await agency.shot("choosing-participant")
    await page.set_viewport_size({"width": 390, "height": 844})
    for price in await page.locator("td.num").all():
        box = await price.bounding_box()
        assert box is not None and box["x"] + box["width"] <= 390
    assert await page.locator(".scroll").evaluate("each => each.scrollWidth - each.clientWidth") <= 0
