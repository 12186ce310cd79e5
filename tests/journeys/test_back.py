"""Back and a reload show a refused form again, with the typed values and the errors, and the browser shows no
warning."""

import re

from playwright.async_api import expect

from tests.journeys.conftest import Meet, Person

LONG = "White, 80 grams, no dust. " * 500


async def away_and_back(person: Person) -> None:
    """Go to another page by a link, back by the browser's button, and reload the page from the server."""
    await person.page.get_by_role("link", name="Catalogue", exact=True).click()
    await expect(person.page).to_have_url(re.compile("/catalogue$"))
    answer = await person.page.go_back()
    assert answer is not None and answer.request.method == "GET"
    again = await person.page.reload()
    assert again is not None and again.request.method == "GET"
    await expect(person.sees("This is the answer to what was sent at")).to_be_visible()


async def test_back_to_a_refused_request_of_an_agency(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/quotes/new")
    await agency.fill(title="Paper for the archive")
    await agency.page.locator("[name=requirements]").fill(LONG)
    await agency.page.locator("button[value=open]").click()
    await expect(agency.page.locator("#requirements-note.error")).to_be_visible()
    await expect(agency.page.get_by_text("This is the answer to what was sent at")).to_have_count(0)
    await away_and_back(agency)
    await expect(agency.page.locator("#requirements-note.error")).to_be_visible()
    await expect(agency.page.locator("[name=title]")).to_have_value("Paper for the archive")
    await expect(agency.page.locator("[name=requirements]")).to_have_value(LONG)
    # it can be corrected and sent from there, and a new refusal has its own address
    await agency.page.locator("[name=requirements]").fill("White, 80 grams.")
    await agency.page.locator("button[value=open]").click()
    await expect(agency.page.locator("#requirements-note.error")).to_have_count(0)
    await away_and_back(agency)
    await expect(agency.page.locator("[name=requirements]")).to_have_value("White, 80 grams.")
    agency.errors.clear()  # that it was refused comes as 422


async def test_back_to_a_refused_login_of_a_visitor(meet: Meet) -> None:
    visitor = await meet()
    await visitor.open("/login")
    await visitor.fill(email="agency@demo.example", password="wrong-wrong-wrong")
    await visitor.page.locator("main").get_by_role("button", name="Log in").click()
    await expect(visitor.sees("E-mail address and password do not match.")).to_be_visible()
    await away_and_back(visitor)
    await expect(visitor.sees("E-mail address and password do not match.")).to_be_visible()
    await expect(visitor.page.locator("[name=email]")).to_have_value("agency@demo.example")
    await expect(visitor.page.locator("[name=password]")).to_have_value("")
    visitor.errors.clear()


async def test_back_to_a_secret_that_is_shown_once(meet: Meet) -> None:
    agency = await meet("agency")
    await agency.open("/account")
    await agency.fill(key_name="robot")
    await agency.page.locator("form[action='/account/keys'] button").click()
    secret = await agency.page.locator("main code").first.inner_text()
    await away_and_back(agency)
    await expect(agency.page.locator("main code").first).to_have_text(secret)
    await agency.press("Log out")
    await expect(agency.sees("You logged out.")).to_be_visible()
    await agency.page.go_back()
    await expect(agency.page.get_by_text(secret)).to_have_count(0)
