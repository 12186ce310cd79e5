"""People at their browsers, in a market that the demonstration filled. An error on the console of a page fails the
test, including violations of the content security policy."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Playwright, async_playwright, expect

from infra import chromium
from infra.embedded.jars import web_assets
from infra.web.languages import COOKIE
from services.demonstration.cast import cast
from services.demonstration.client import Client
from tests.demo import PASSWORD, fill
from tests.market import Market
from tests.servers import home_of_tests

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SETTLES = 250
"""Milliseconds that a chart or map needs for a new width."""
expect.set_options(timeout=15_000)


@dataclass
class Person:
    """A person with a separate page and browser context."""

    page: Page
    url: str
    screens: Path
    errors: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        answer = await self.page.goto(self.url + path)
        assert answer is not None and answer.status == 200, f"{path}: {answer and answer.status}"
        return self.page

    async def speaks(self, language: str) -> None:
        """Use this language from the next page on."""
        await self.page.context.add_cookies([{"name": COOKIE, "value": language, "url": self.url}])

    async def press(self, name: str) -> None:
        """Press the button or link with exactly this name."""
        await (
            self.page.get_by_role("button", name=name, exact=True)
            .or_(self.page.get_by_role("link", name=name, exact=True))
            .first.click()
        )

    async def fill(self, **fields: str) -> None:
        """Fill inputs, given by their names."""
        for name, value in fields.items():
            await self.page.locator(f"[name={name}]:visible").first.fill(value)

    def sees(self, text: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_text(text).first

    async def shot(self, name: str) -> None:
        """Take pictures at desk and phone width, and check that nothing overflows sideways."""
        for size, label in ((PHONE, "phone"), (DESK, "desk")):
            await self.page.set_viewport_size(size)  # type: ignore[arg-type]
            if await self.page.locator("canvas").count():
                await self.page.wait_for_timeout(SETTLES)
            await picture(self.page, self.screens / f"{name}-{label}.png")
            wide = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{name} sticks out by {wide} px at {size['width']} px: {self.page.url}"


async def picture(page: Page, file: Path) -> None:
    """Save a picture if LONJA_SCREENS is set: drawing whole pages takes most of the time of a browser without a
    screen."""
    if os.environ.get("LONJA_SCREENS"):
        await page.screenshot(path=file, full_page=True)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    playwright: Playwright
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium.ensure(), args=list(FLAGS))
        yield running
        await running.close()


@pytest.fixture(scope="module")
async def demo(market: Market) -> Market:
    """The filled market, with the front-end libraries that `lonja up` unpacks."""
    web_assets(market.resources.config.home, market.resources.config.cache, print)
    await fill(market)
    return market


CUT_SHORT = ("htmx:afterRequest", "htmx:sendAbort")
"""Messages of htmx when a newer request replaces an older one, or a person leaves the page: these are no faults. Each
real fault has another word after the first."""

Meet = Callable[..., Awaitable[Person]]
Api = Callable[[str], Awaitable[Client]]


@pytest.fixture
async def meet(demo: Market, browser: Browser) -> AsyncIterator[Meet]:
    """``await meet("agency")`` is that player of the demonstration, logged in through the form; ``await meet()`` is a
    visitor. Further arguments are those of Playwright's contexts."""
    screens = home_of_tests() / "screens"
    screens.mkdir(parents=True, exist_ok=True)
    met: list[Person] = []
    async with AsyncExitStack() as stack:

        async def someone(key: str = "", **browsing: Any) -> Person:
            context = await browser.new_context(viewport=DESK, locale="en-GB", **browsing)  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            person = Person(await context.new_page(), demo.url, screens.absolute())
            met.append(person)

            def heard(message: ConsoleMessage) -> None:
                if message.type == "error" and message.text not in CUT_SHORT:
                    person.errors.append(f"{key or 'visitor'} at {person.page.url}: {message.text}")

            person.page.on("console", heard)
            person.page.on("pageerror", lambda error: person.errors.append(f"{key} at {person.page.url}: {error}"))
            if key:
                await person.open("/login")
                await person.fill(email=f"{key}@demo.example", password=PASSWORD)
                await person.page.locator("main button").click()
                await expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
            return person

        yield someone
        errors = [error for person in met for error in person.errors]
    assert not errors, "\n".join(errors)


@pytest.fixture
async def api(demo: Market) -> AsyncIterator[Api]:
    """``await api("supplier2")`` is a player who uses the API instead."""
    async with Client.visiting(demo.url) as visitor:

        async def member(key: str) -> Client:
            return await visitor.login(f"{key}@demo.example", PASSWORD)

        yield member


@pytest.fixture(scope="module")
async def sku_ids(demo: Market) -> dict[str, str]:
    """The SKU ids of the demonstration's goods, by name."""
    async with Client.visiting(demo.url) as visitor:
        ids = {}
        for good in cast().skus:
            found = await visitor.get("/api/catalogue/skus", q=good.name)
            ids[good.name] = next(card["sku_id"] for card in found["results"] if card["name"] == good.name)
        return ids
