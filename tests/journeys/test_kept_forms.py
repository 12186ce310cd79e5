"""Typed text is kept: after a change of language, after a logout in another tab, and if a text is too long."""

import re

from playwright.async_api import expect

from tests.demo import PASSWORD
from tests.journeys.conftest import Meet


async def test_a_typed_registration_stays_after_a_change_of_language(meet: Meet) -> None:
    visitor = await meet()
    await visitor.open("/register")
    await visitor.fill(
        organisation="Papelera del Sur", name="Ana", email="ana@papelera.example", password="hush-hush-hush"
    )
    await visitor.page.locator("[name=country]").select_option("AR")
    await visitor.page.get_by_label("Buyer: a public agency").check()
    await visitor.page.locator("[name=divisions]").first.check()
    await visitor.press("Русский")
    await expect(visitor.page.locator("html")).to_have_attribute("lang", "ru")
    for name, value in {"organisation": "Papelera del Sur", "email": "ana@papelera.example", "country": "AR"}.items():
        await expect(visitor.page.locator(f"[name={name}]")).to_have_value(value)
    await expect(visitor.page.locator("[name=kind][value=buyer]")).to_be_checked()
    await expect(visitor.page.locator("[name=divisions]").first).to_be_checked()
    await expect(visitor.page.locator("[name=password]")).to_have_value("")


async def test_a_typed_auction_with_added_lines_stays_after_a_change_of_language(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/auctions/new")
    await agency.fill(title="Paper for two schools")
    await agency.press("Add a line")
    await agency.page.locator("[name=line-1-description]").fill("Envelopes")
    await agency.press("Español")
    await expect(agency.page.locator("html")).to_have_attribute("lang", "es")
    await expect(agency.page.locator("[name=title]")).to_have_value("Paper for two schools")
    await expect(agency.page.locator("[name=line-1-description]")).to_have_value("Envelopes")
    await agency.shot("kept-auction")


async def test_who_logged_out_in_another_tab_sends_the_form_after_a_login(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/quotes/new")
    await agency.fill(title="Paper for the reading room")
    await agency.page.locator("[name=requirements]").fill("White, 80 grams, and no dust.\nIn boxes.")
    other = await agency.page.context.new_page()
    await other.goto(agency.url + "/")
    await other.get_by_role("button", name="Log out").click()
    await agency.page.locator("button[value=add]").first.click()
    await expect(agency.sees("What you had written is kept")).to_be_visible()
    await agency.shot("kept-login")
    agency.errors.clear()  # that a login is asked for comes as 401
    await agency.fill(email="agency@demo.example", password="wrong-wrong-wrong")
    await agency.page.locator("main").get_by_role("button", name="Log in").click()
    await expect(agency.sees("E-mail address and password do not match.")).to_be_visible()
    agency.errors.clear()
    await agency.fill(email="agency@demo.example", password=PASSWORD)
    await agency.page.locator("main").get_by_role("button", name="Log in").click()
    await expect(agency.sees("White, 80 grams")).to_be_visible()
    agency.errors.clear()
    await agency.shot("kept-again")
    await agency.press("Send it now")
    await expect(agency.page.locator("[name=title]")).to_have_value("Paper for the reading room")
    await expect(agency.page.locator("[name=requirements]")).to_have_value(re.compile("In boxes"))


async def test_a_text_that_is_too_long_has_its_error_at_its_field(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/quotes/new")
    await agency.fill(title="Paper")
    await agency.page.locator("[name=requirements]").fill("x" * 4_001)
    await agency.page.locator("button[value=open]").click()
    await expect(agency.page.locator("#requirements-note")).to_have_text("must have at most 4\u202f000 characters")
    await expect(agency.page.locator("[name=title]")).to_have_value("Paper")
    # all errors are shown at once
    for field in ("line-0-description", "line-0-unit", "line-0-quantity"):
        await expect(agency.page.locator(f"#{field}-note.error")).to_be_visible()
    agency.errors.clear()  # that it was refused comes as 422
    await agency.shot("kept-too-long")


async def test_pools_and_quick_quotes_are_whole_in_every_language(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/pools?group=all")
    pool = await agency.page.locator(".grid h2 a").first.get_attribute("href")
    await agency.open("/quotes?group=all")
    quote = await agency.page.locator("a.card").first.get_attribute("href")
    for language, code in (("Español", "es"), ("Русский", "ru")):
        await agency.press(language)
        await expect(agency.page.locator("html")).to_have_attribute("lang", code)
        for number, path in enumerate(
            ("/pools?group=all", pool, "/pools/new", "/quotes?group=all", quote, "/quotes/new")
        ):
            assert path is not None
            await agency.open(path)
            await expect(agency.page.locator("html")).to_have_attribute("lang", code)
            await expect(agency.page.locator("main[lang=en]")).to_have_count(0)
            await agency.shot(f"spoken-{code}-{number}")
