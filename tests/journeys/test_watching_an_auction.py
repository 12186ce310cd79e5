"""The page of a running auction: in three languages, by keyboard and screen reader, on a phone, after an interruption,
and under the rules of other countries."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from infra.runtime import load, standing
from infra.web import create_app
from infra.web.server import server
from tests.journeys.conftest import DESK, PHONE, Meet, Person
from tests.market import Market, Markets
from tests.services.auctions.builders import QUALITY
from tests.services.auctions.market_builders import a_scene_under

PRICE = ".live .price"
NEXT_BID = "#mine button[name=amount]"
HOURS_WRONG = """
  const real = Date; let shift = 5 * 3600e3 + 1234;
  window.sleepFor = (milliseconds) => { shift += milliseconds; };
  window.Date = class extends real {
    constructor(...given) { if (given.length) super(...given); else super(real.now() + shift); }
    static now() { return real.now() + shift; }
  };
"""
HEARD = """
  window.heard = [];
  for (const id of ["said", "alarm"]) {
    const place = document.getElementById(id);
    new MutationObserver(() => {
      if (place.textContent) window.heard.push([id, place.textContent, performance.now()]);
    }).observe(place, { childList: true });
  }
"""


@pytest.fixture(scope="module")
async def market(markets: Markets) -> AsyncIterator[Market]:
    """A separate market, because hours pass in these tests: contracts of other tests would lapse and their auctions
    end.

    The file is the last of its folder, so that this market is filled only once.
    """
    yield await markets.of(())
    await markets.stop()


async def a_session(market: Market, policy: str = "demo", minutes: int = 24) -> str:
    scoring = QUALITY if policy == "prozorro" else None
    return f"/auctions/{(await a_scene_under(market, policy, minutes, scoring)).auction_id}"


async def at(path: str, *people: Person) -> None:
    for person in people:
        await person.open(path)


async def bids(person: Person, amount: str) -> None:
    """Bid with the form for another amount; the answer is then in #verdict."""
    if await person.page.locator("#own-amount").get_attribute("open") is None:
        await person.page.locator("#own-amount summary").click()
    await person.page.locator("#amount").fill(amount)
    await person.page.locator("#own-form button").first.click()


async def leads_with(person: Person, amount: str) -> None:
    await bids(person, amount)
    await expect(person.page.locator("#verdict .notice")).to_contain_text(f"of {amount}.00")


async def speak(person: Person, language: str) -> None:
    await person.page.locator(f".languages button[value={language}]").click()
    await expect(person.page.locator("html")).to_have_attribute("lang", language)


async def focused(page: Page) -> str:
    found: str = await page.evaluate("document.activeElement.id || document.activeElement.tagName")
    return found


async def seconds_left(page: Page) -> int:
    hours, minutes, seconds = (await page.locator(".live [data-until]").first.inner_text()).split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


async def test_an_auction_is_followed_in_three_languages(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    first, second, visitor = await meet("supplier3"), await meet("supplier7"), await meet()
    await at(path, first, second, visitor)
    await leads_with(first, "990")
    await leads_with(second, "980")
    await leads_with(first, "960")
    for language, told in (
        ("es", "Una puja debe bajar de 960,00"),
        ("ru", "Ставка должна быть ниже 960,00"),
        ("en", "A bid must be at least one step"),
    ):
        await speak(second, language)
        await bids(second, "955")
        await expect(second.page.locator("#verdict [role=alert]")).to_contain_text(told)
        await second.shot(f"auction-refused-{language}")
    await speak(second, "es")
    await second.open("/auctions?status=all")
    await second.shot("auction-list-es")
    await second.open(path)
    await speak(second, "en")
    await speak(visitor, "ru")
    await leads_with(second, "950")
    await expect(visitor.page.locator(PRICE)).to_contain_text("950,00")
    await expect(visitor.page.locator(".live .counts")).to_contain_text("4 ставки от 2 участников")
    await visitor.shot("auction-visitor-ru")


async def test_changes_are_heard_once_and_calmly_and_the_lost_lead_at_once(demo: Market, meet: Meet) -> None:
    path = await a_session(demo, minutes=3)
    first, second = await meet("supplier3"), await meet("supplier7")
    await at(path, first, second)
    await leads_with(first, "990")
    await first.page.evaluate(HEARD)
    await leads_with(second, "980")
    await expect(first.page.locator("#alarm")).to_have_text("You no longer lead: the price is 980.00\u00a0RUB.")
    await leads_with(first, "970")
    await leads_with(second, "960")
    await expect(first.page.locator("#said")).to_contain_text("Bid 4: 960.00\u00a0RUB by participant 2.")
    heard = await first.page.evaluate("window.heard")
    spoken = [when for place, _, when in heard if place == "said"]
    assert all(later - earlier >= 3900 for earlier, later in pairwise(spoken)), heard
    assert sum("980.00" in words for place, words, _ in heard if place == "said") <= 1

    demo.clock.advance(timedelta(seconds=125))
    await leads_with(first, "950")
    await expect(second.page.locator("#said")).to_contain_text("One minute left.")
    demo.clock.advance(timedelta(seconds=20))
    await leads_with(second, "940")
    await expect(first.page.locator("#said")).to_contain_text("The end moved to")
    demo.clock.advance(timedelta(seconds=32))
    await expect(first.page.locator("#said")).to_contain_text("Another supplier won the mini-auction.")
    assert any("closed at 940.00" in words for _, words, _ in await first.page.evaluate("window.heard"))


async def test_the_keyboards_place_is_never_lost(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    first, second = await meet("supplier3"), await meet("supplier7")
    await at(path, first, second)
    page = second.page
    await page.locator(NEXT_BID).nth(1).focus()
    assert await focused(page) == "bid-980.00"
    await leads_with(first, "990")
    await expect(page.locator(NEXT_BID).first).to_have_text("Bid 980.00\u00a0RUB")
    assert await focused(page) == "bid-980.00", "the same amount, which is now the first"
    third = await meet("supplier2")
    await third.open(path)
    await leads_with(third, "960")
    await expect(page.locator(NEXT_BID).first).to_have_text("Bid 950.00\u00a0RUB")
    assert await focused(page) == "bid-950.00", "its successor, since nobody can bid 980 any more"
    await page.wait_for_timeout(300)
    await page.keyboard.press("Enter")
    await expect(page.locator("#verdict .notice")).to_contain_text("950.00")
    await expect(page.locator("#mine h2")).to_be_focused()


STOP_THE_CLOCKS = """() => {
  const steady = performance.now(), now = Date.now();
  window.dateNow = Date.now;
  performance.now = () => steady;
  Date.now = () => now;
}"""
LET_THE_CLOCKS_GO_ON = "() => { delete performance.now; Date.now = window.dateNow; }"


async def test_a_price_that_changes_before_the_click_is_not_bid_and_the_page_says_so(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    first, second = await meet("supplier3"), await meet("supplier7")
    await at(path, first, second)
    page = second.page
    # both clocks are stopped: if they differ by two seconds, the page assumes that the machine was suspended
    await page.evaluate(STOP_THE_CLOCKS)
    await leads_with(first, "990")
    await expect(page.locator(NEXT_BID).first).to_have_text("Bid 980.00\u00a0RUB")
    await page.locator(NEXT_BID).first.click()
    await expect(page.locator("#verdict [role=alert]")).to_contain_text("no bid was placed")
    await page.evaluate(LET_THE_CLOCKS_GO_ON)
    await page.wait_for_timeout(300)
    await page.locator(NEXT_BID).first.click()
    await expect(page.locator("#verdict .notice")).to_contain_text("Bid 2 of 980.00")


async def test_a_large_cut_is_asked_about_and_can_be_thought_better_of(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    bidder = await meet("supplier3")
    await bidder.open(path)
    page = bidder.page
    await bids(bidder, "99")
    await expect(page.get_by_role("heading", name="Bid 99.00")).to_be_focused()
    await bidder.shot("auction-sure")
    await bidder.press("Do not bid")
    await expect(page.locator("#amount")).to_be_focused()
    await expect(page.locator("#verdict")).to_be_empty()
    await bids(bidder, "850")
    await page.locator(".sure button").click()
    await expect(page.locator("#verdict .notice")).to_contain_text("Bid 1 of 850.00")


async def test_on_a_phone_price_time_and_next_bid_stay_in_reach(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    bidder = await meet("supplier3")
    page = bidder.page
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await bidder.open(path)
    for scrolled in (0, 400, 10_000):
        await page.evaluate(f"window.scrollTo(0, {scrolled})")
        await page.wait_for_timeout(100)
        for what, top, bottom in ((PRICE, 0, 844), (".live [data-until]", 0, 844), (NEXT_BID, 560, 844)):
            box = await page.locator(what).first.bounding_box()
            assert box is not None and top <= box["y"] and box["y"] + box["height"] <= bottom, (what, scrolled, box)
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    await page.screenshot(path=bidder.screens / "auction-thumb-phone.png")
    await page.locator(NEXT_BID).first.click()
    await expect(page.locator("#verdict .notice")).to_be_visible()
    await page.set_viewport_size(DESK)  # type: ignore[arg-type]


async def test_a_clock_that_is_wrong_by_hours_and_a_machine_that_slept_show_the_servers_time(
    demo: Market, meet: Meet
) -> None:
    path = await a_session(demo)
    visitor = await meet()
    page = visitor.page
    await page.add_init_script(HOURS_WRONG)
    await visitor.open(path)

    async def true_time() -> None:
        closes = (await demo.fetch("select closes_at from auctions.auctions where auction_id = $1", path[10:]))[0][0]
        left = (closes - demo.clock()).total_seconds()
        assert abs(await seconds_left(page) - left) <= 2

    await page.wait_for_timeout(500)
    await true_time()
    demo.clock.advance(timedelta(minutes=7))
    await page.evaluate("window.sleepFor(7 * 60e3)")  # its timers were stopped, its clock was not
    await page.wait_for_timeout(2500)
    await true_time()
    await page.evaluate("window.sleepFor(-3600e3)")  # its owner has set the clock
    await page.wait_for_timeout(2500)
    await true_time()
    cut_off(visitor)


@asynccontextmanager
async def a_web_part(market: Market, port: int) -> AsyncIterator[str]:
    """Run a second web server of the market on this port while the block runs. Yield its address."""
    async with standing(market.resources.config, market.clock) as resources:
        app = create_app(resources, load(resources), market.resources.config.home / "static")
        served = server(app, resources.config, resources.live.end, port=port)
        serving = asyncio.create_task(served.serve())
        while not served.started:
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        served.should_exit = True
        await serving


def cut_off(person: Person) -> None:
    """Ignore what browser and htmx write about a lost connection, which is not a fault of the page."""
    of_the_cut = re.compile(r"ERR_|: Event$")
    person.errors[:] = [error for error in person.errors if not of_the_cut.search(error)]


async def test_cut_off_by_a_restart_the_page_says_so_and_catches_up_exactly(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    first, second, watcher = await meet("supplier3"), await meet("supplier7"), await meet()
    await at(path, first, second)
    page = watcher.page
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rows, notice = page.locator("#log-table tbody tr"), page.get_by_text("Connection lost, reconnecting…")
    async with a_web_part(demo, port) as watcher.url:
        await watcher.open(path)
        await page.evaluate("window.never_reloaded = true")
        await leads_with(first, "990")
        await expect(rows).to_have_count(1)
        await expect(notice).to_be_hidden()
    await expect(notice).to_be_visible()
    await watcher.shot("auction-connection-lost")
    await leads_with(second, "980")
    await bids(first, "975")
    await expect(first.page.locator("#verdict [role=alert]")).to_be_visible()
    await leads_with(first, "970")
    async with a_web_part(demo, port):
        await expect(page.locator(PRICE)).to_contain_text("970.00", timeout=30_000)
        await expect(notice).to_be_hidden()
        arrived = [await rows.nth(number).locator("td, th").nth(2).inner_text() for number in range(await rows.count())]
        assert [text.split("\u00a0")[0] for text in arrived] == ["970.00", "975.00", "980.00", "990.00"]
        await page.context.set_offline(True)
        await leads_with(second, "960")
        await page.context.set_offline(False)
        await expect(page.locator(PRICE)).to_contain_text("960.00", timeout=30_000)
        await expect(rows).to_have_count(5)
        demo.clock.advance(timedelta(minutes=24, seconds=5))
        await expect(page.locator(".live")).to_contain_text("won by", timeout=30_000)
        await expect(notice).to_be_hidden()
    await page.wait_for_timeout(1500)
    await expect(notice).to_be_hidden()  # a closed auction needs no connection
    assert await page.evaluate("window.never_reloaded")
    cut_off(watcher)


async def test_a_bid_that_gets_no_answer_is_not_silent(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    bidder = await meet("supplier3")
    await bidder.open(path)
    await bidder.page.context.set_offline(True)
    await bidder.page.locator(NEXT_BID).first.click()
    await expect(bidder.page.locator("#verdict [role=alert]")).to_contain_text("never placed twice")
    await bidder.page.context.set_offline(False)
    await bidder.page.wait_for_timeout(300)
    await bidder.page.locator(NEXT_BID).first.click()
    await expect(bidder.page.locator("#verdict .notice")).to_contain_text("was accepted")
    await bidder.page.context.clear_cookies(name="lonja_session")
    await bids(bidder, "900")
    await expect(bidder.page.locator("#verdict [role=alert]")).to_contain_text("Log in again")
    bidder.errors.clear()


async def test_without_script_the_page_works_by_loading_it_again(demo: Market, meet: Meet) -> None:
    path = await a_session(demo)
    bidder = await meet("supplier3", java_script_enabled=False)
    await bidder.open(path)
    await bidder.page.locator(NEXT_BID).first.click()
    await expect(bidder.page.locator("#verdict .notice")).to_contain_text("was accepted")
    await bidder.press("Load the page again")
    await expect(bidder.page.get_by_text("You lead", exact=True)).to_be_visible()


async def test_pregao_on_the_page(demo: Market, meet: Meet) -> None:
    path = await a_session(demo, "pregao", 10)
    first, second = await meet("supplier3"), await meet("supplier7")
    await at(path, first, second)
    await leads_with(first, "900")
    await leads_with(second, "999")
    await second.shot("auction-pregao-behind")
    await second.page.locator("#delete-last").click()
    await expect(second.page.get_by_text("Your last bid was deleted.")).to_be_visible()
    await expect(first.page.locator("#log-table")).to_contain_text("deleted by its bidder")
    demo.clock.advance(timedelta(seconds=16))
    await leads_with(second, "990")
    await expect(first.page.locator("#delete-last")).to_be_hidden()  # its seconds are over


async def test_prozorro_on_the_page(demo: Market, meet: Meet) -> None:
    path = await a_session(demo, "prozorro", 10)
    first, second = await meet("supplier3"), await meet("supplier7")
    await at(path, first, second)
    await first.page.get_by_label("3 years").check()
    await expect(first.page.locator("#score")).to_contain_text("Ranked by 900.00")
    await leads_with(first, "900")
    await expect(first.page.locator("#score")).to_contain_text("Ranked by 810.00")
    await second.page.get_by_label("1 year").check()
    await leads_with(second, "850")
    assert "900.00" not in await second.page.locator("main").inner_text()
    await first.shot("auction-prozorro-sealed")
    demo.clock.advance(timedelta(minutes=10, seconds=2))
    await expect(second.page.locator(".turn .before")).to_be_visible(timeout=30_000)
    demo.clock.advance(timedelta(minutes=5))
    await leads_with(second, "800")
    await expect(second.page.locator(".turn .after")).to_be_visible()
    await expect(second.page.locator("#alarm")).to_have_text("It is your turn.")
    await second.shot("auction-prozorro-turn")
    assert "800.00" not in await first.page.locator("main").inner_text()
    demo.clock.advance(timedelta(minutes=2))
    await expect(first.page.locator("#log-table")).to_contain_text("800.00", timeout=30_000)
    await first.shot("auction-prozorro-round")
    demo.clock.advance(timedelta(minutes=30))
    for person in (first, second):
        await expect(person.page.locator("#own-amount")).to_have_count(0, timeout=30_000)
        await expect(person.page.locator("#mine h2")).to_contain_text("win" if person is first else "won")
