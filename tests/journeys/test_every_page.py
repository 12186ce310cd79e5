"""Every page, for each kind of reader that may see it: it is found by links, accessible to screen readers, fits every
width, and is in the language that its reader chose.

A new route is covered as soon as a page links to it; a route without links fails by name until it has an example in the
fixture ``unlinked``.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pytest
from playwright.async_api import expect

from infra.secrets import secret
from infra.web.languages import pgettext, speaking
from services.demonstration.cast import cast
from services.demonstration.client import Client, when_heard
from services.demonstration.seed import open_auction
from services.notifications.links import Links
from tests.demo import LONGEST_AUCTION, PASSWORD
from tests.journeys.choosing import to_be_chosen
from tests.journeys.conftest import DESK, PHONE, Meet, Person, picture
from tests.journeys.exploring import READERS, Explorer, Found, get_routes
from tests.journeys.sound import breaches, fits, frame
from tests.journeys.speech import SAID, left_in_english, written_by_people
from tests.market import Market
from tests.test_access import composed

ZOOMED = {"width": DESK["width"] // 2, "height": DESK["height"] // 2}
"""A desk's window at 200 %."""
NO_PAGES = re.compile("/health.*|/metrics|/static/.*|.*/live")
"""Routes to which no link leads and which no browser shows."""
PARTS = {"/register/regions", "/catalogue/new/attributes", "/auctions/{auction_id:str}/score"}
"""Parts that a page loads into itself; they are checked with the page."""
ALIKE = 2
"""The most differing pages of one route that are checked for a reader."""

LONG_WORD = "W" * 290
"""A name or description without blanks."""
EVIDENCE, COMMENT = "Line 1, its attributes", "On pallets."
"""Texts of a supplier that are in no event, or sealed in one."""
OTHERS = ("ru", "es")
"""The languages in which the pages of a route are checked in turn; the one with longer words first."""
AT_ONCE = 2
"""Pages that are checked at the same time."""

Explored = dict[str, dict[str, Found]]


@pytest.fixture(scope="module")
async def unlinked(demo: Market) -> dict[str, list[str]]:
    """Pages, by reader, to which only letters or other people's links lead."""
    async with Client.visiting(demo.url) as visitor:
        agency = await visitor.login("agency@demo.example", PASSWORD)
        supplier = await visitor.login("supplier2@demo.example", PASSWORD)
        colleague = {"email": f"{'c' * 64}@demo.example", "name": LONG_WORD, "roles": ["buyer_officer"]}
        invited = await agency.post("/api/members", colleague)
        config = demo.resources.config
        links = Links(secret(config.secrets_dir, "unsubscribe"), "")
    return {"": [invited["path"], links.url(supplier.me["member_id"], "digest"), "/register/regions?country=RU"]}


@pytest.fixture(scope="module")
async def filled(demo: Market) -> dict[str, list[str]]:
    """Add what the demonstration does not have: a basket, a card to moderate, a complaint, a draft, a dispute, quotes to
    choose from. Return by reader the pages to open in any case: of many pages of a kind, such as contracts, only a few
    are opened."""
    async with Client.visiting(demo.url) as visitor, demo.browser() as browser:
        await browser.post("/login", {"email": "agency@demo.example", "password": PASSWORD})
        agency = await visitor.login("agency@demo.example", PASSWORD)
        supplier = await visitor.login("supplier2@demo.example", PASSWORD)
        found = await visitor.get("/api/catalogue/skus")
        for card, quantity in zip(found["results"][:4], ("2", "1", "5000000", "3"), strict=True):
            await browser.post("/catalogue/basket", {"sku": card["sku_id"], "quantity": quantity})
        traits = [{"name": f"trait {number}", "value": "striped"} for number in range(4)]
        card = {"name": "Hammock for the staff room", "category": "37000000", "base_unit": "C62", "attributes": traits}
        await agency.post("/api/catalogue/skus", {**card, "none_of_these": True}, key="every page")
        sku_id = found["results"][0]["sku_id"]
        running = await open_auction(agency, "RU-MOW", "For every page", sku_id, 5, LONGEST_AUCTION)
        wanted = {"grounds": "The lines name one maker's article.", "evidence": EVIDENCE}
        await supplier.post(f"/api/auctions/{running}/complaints", wanted, key="every page")
        contract_id = await _draft(agency, supplier, found["results"])
        await _dispute(agency)
        described = {"description": LONG_WORD, "category": "30197630", "unit": "piece", "quantity": "2"}
        lines = [{"sku_id": sku_id, "quantity": "5"}, described]
        quote = {
            "prices": {"1": "10.00", "2": "1200.00"},
            "vat_rate": "20",
            "delivery_days": 3,
            "comment": f"{COMMENT} " * 40,
        }
        request_id = await to_be_chosen(demo, agency, lines, [(supplier, quote)])
    return {"supplier2": [f"/contracts/{contract_id}"], "agency": [f"/quotes/{request_id}"]}


async def _dispute(agency: Client) -> None:
    """Make a dispute about an invoice that the agency has not paid yet."""
    concluded = await agency.get("/api/contracts", state="concluded")
    for contract in concluded["contracts"]:
        path = f"/api/contracts/{contract['contract_id']}"
        for invoice in (await agency.get(f"{path}/execution"))["invoices"]:
            if invoice["status"] == "submitted":
                wanted = {"about": "invoice", "number": invoice["number"], "asks": "set-aside", "reasons": "Not ours"}
                await agency.post(f"{path}/disputes", wanted, key="every page")
                return
    raise AssertionError("the demonstration has no invoice to be paid")


async def _draft(agency: Client, supplier: Client, cards: list[dict[str, Any]]) -> str:
    """The id of a contract whose draft waits for the supplier."""
    offers = {
        each["offer"]["sku_id"]: each["offer"]["offer_id"] for each in await supplier.get("/api/catalogue/offers")
    }
    offer_id = next(offers[card["sku_id"]] for card in cards if card["sku_id"] in offers)
    wanted = {"offer_id": offer_id, "quantity": "1"}
    made = await when_heard(lambda: agency.post("/api/contracts/purchases", wanted, key="every page"))
    path = f"/api/contracts/purchases/{made['purchase_id']}"
    answered = await supplier.post(f"{path}/answer", {"accept": True})
    contract = await when_heard(lambda: agency.get(f"/api/contracts/{answered['contract_id']}"))
    while contract["step"] != "supplier-signature":
        side = agency if contract["waits_for"] == agency.me["organisation_id"] else supplier
        contract = await side.post(f"/api/contracts/{answered['contract_id']}/steps", {"step": contract["step"]})
    return str(answered["contract_id"])


@pytest.fixture(scope="module")
async def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, re.Pattern[str]]:
    return get_routes(composed(tmp_path_factory.mktemp("every-page")))


@pytest.fixture(scope="module")
async def explored(
    demo: Market, filled: dict[str, list[str]], unlinked: dict[str, list[str]], routes: dict[str, re.Pattern[str]]
) -> Explored:
    found: Explored = {}
    for reader in READERS:
        async with demo.browser() as browser:
            if reader:
                fields = {"email": f"{reader}@demo.example", "password": PASSWORD}
                await browser.post("/login", fields)
            browser.client.follow_redirects = False
            explorer = Explorer(browser.client, reader, routes)
            found[reader] = await explorer.explore(["/", *filled.get(reader, ()), *unlinked.get(reader, ())])
    return found


def every(explored: Explored) -> list[Found]:
    return [each for of_reader in explored.values() for each in of_reader.values()]


async def test_no_link_leads_nowhere_or_where_its_reader_may_not_go(explored: Explored) -> None:
    broken = [
        f"{each.status} {each.path} as {each.reader or 'visitor'}, linked from {each.linked_from}"
        for each in every(explored)
        if each.status >= 400 and not (each.status == 401 and not each.reader)
    ]
    assert not broken, "\n".join(broken)
    assert len(every(explored)) > 200


async def test_every_route_is_found_by_somebody(explored: Explored, routes: dict[str, re.Pattern[str]]) -> None:
    met = {each.route for each in every(explored) if each.status < 400}
    missing = sorted(route for route in set(routes) - met - PARTS if not NO_PAGES.fullmatch(route))
    assert not missing, f"no page links to {missing}: link to them, or give an example in `unlinked`"


def shown(explored: Explored) -> list[Found]:
    """Pages with different content, by the reader who saw them first; a limited number per route and reader."""
    pages: dict[str, Found] = {}
    of_route: Counter[tuple[str, str]] = Counter()
    for each in every(explored):
        kind = each.route, each.reader
        if each.html and each.status == 200 and each.route not in PARTS | {""} and each.said not in pages:
            of_route[kind] += 1
            if of_route[kind] <= ALIKE:
                pages[each.said] = each
    return list(pages.values())


def with_languages(pages: Iterable[Found]) -> Iterator[tuple[Found, str]]:
    """Each page with the language in which it is checked besides English; the pages of one route alternate."""
    of_route: Counter[str] = Counter()
    for each in pages:
        yield each, OTHERS[of_route[each.route] % len(OTHERS)]
        of_route[each.route] += 1


@pytest.fixture(scope="module")
async def written(demo: Market, filled: dict[str, list[str]]) -> list[str]:
    """Return the texts that people wrote, and the attributes of cards that their category does not define."""
    said = {word for good in cast().skus for name, value, _ in good.attributes for word in (name, value)}
    with speaking(OTHERS[0]):
        own = [word for word in said if pgettext("attribute", word) == word]
    return await written_by_people(demo, (EVIDENCE, COMMENT, LONG_WORD, *own))


@pytest.mark.parametrize("reader", READERS)
async def test_every_page_is_sound_at_every_width_in_every_language(
    meet: Meet, explored: Explored, written: list[str], reader: str
) -> None:
    mine = [(each, language) for each, language in with_languages(shown(explored)) if each.reader == reader]
    people = [await meet(reader) for _ in range(AT_ONCE)]
    wrong = await asyncio.gather(
        *(faults(person, mine[start::AT_ONCE], written) for start, person in enumerate(people))
    )
    assert not any(wrong), "\n".join(chain.from_iterable(wrong))
    assert mine or reader, "a visitor finds pages"


async def faults(person: Person, pages: Iterable[tuple[Found, str]], written: list[str]) -> list[str]:
    wrong: list[str] = []
    for each, language in pages:
        page = await person.open(each.path)
        wrong += [f"{each.path}: {said}" for said in await frame(page)]
        for size, name in ((DESK, "desk"), (ZOOMED, "zoomed"), (PHONE, "phone")):
            await page.set_viewport_size(size)  # type: ignore[arg-type]
            if not await fits(page):
                wrong.append(f"{each.path}: sticks out sideways at {name}")
            if size is not ZOOMED:
                wrong += [f"{each.path} at {name}: {said}" for said in await breaches(page)]
            await picture(page, person.screens / screen(each, name))
        wrong += await faults_in(language, person, each, written)
    return wrong


async def faults_in(language: str, person: Person, each: Found, written: list[str]) -> list[str]:
    """Check that the page fits its width with longer words, and has no English text."""
    await person.speaks(language)
    page = await person.open(each.path)
    wrong: list[str] = []
    for size, name in ((PHONE, "phone"), (DESK, "desk")):
        await page.set_viewport_size(size)  # type: ignore[arg-type]
        if not await fits(page):
            wrong.append(f"{each.path} in {language}: sticks out sideways at {name}")
        await picture(page, person.screens / screen(each, f"{language}-{name}"))
    wrong += [
        f"{each.path} in {language}: {piece!r}"
        for piece in left_in_english(await page.evaluate(SAID), language, written)
    ]
    await person.speaks("en")
    return wrong


async def test_a_fault_of_a_page_is_noticed(meet: Meet) -> None:
    visitor = await meet()
    page = await visitor.open("/login")
    assert (await frame(page), await breaches(page), await fits(page)) == ([], [], True)
    await page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend',"
        ' \'<h1>Again</h1><img src="/static/lonja.svg"><div style="width: 3000px">wide</div>\')'
    )
    assert await frame(page) == ["2 first headings"] and not await fits(page)
    assert any(said.startswith("image-alt") for said in await breaches(page))


async def test_what_a_page_says_in_english_is_noticed(meet: Meet) -> None:
    visitor = await meet()
    await visitor.speaks("ru")
    page = await visitor.open("/login")
    assert left_in_english(await page.evaluate(SAID), "ru", ()) == []
    await page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<p>Paper for the school <b>3 members</b></p>"
        "<p>2026-11-20</p><p>20 нояб. 2026</p><p>2027-01-31</p>"
        '<span lang="en">Parts and accessories</span><input aria-label="Lots of paper">\')'
    )
    left = left_in_english(await page.evaluate(SAID), "ru", ["Paper for the school"])
    assert left == ["3 members", "2026-11-20", "Lots of paper"]


def screen(each: Found, size: str) -> str:
    """The name of its picture."""
    name = re.sub(r"[^a-z]+", "-", each.route.lower()).strip("-") or "home"
    number = re.sub(r"\W+", "", each.path)[-6:]
    return f"{name}-{each.reader or 'visitor'}-{number}-{size}.png"


async def test_an_auction_is_composed_mended_and_looked_over_soundly(meet: Meet, sku_ids: dict[str, str]) -> None:
    """From two lines in the basket to the final check, with a mistake on the way: states to which no link leads."""
    agency = await meet("agency")
    first, second = [sku_id for name, sku_id in sku_ids.items() if name.startswith("Office paper")][:2]
    page = await agency.open(f"/auctions/new?sku={first}&quantity=20&sku={second}&quantity=5")
    await expect(page.get_by_text("At the last prices this would cost")).to_be_visible()
    await agency.fill(**{"line-1-quantity": "some"})
    await agency.press("Review the mini-auction")
    await expect(agency.sees("must be a number")).to_be_visible()
    wrong = await breaches(page)
    await agency.shot("compose-mistake")
    agency.errors.clear()  # the browser itself notes that the answer was a refusal (422)
    await agency.fill(**{"line-1-quantity": "5"})
    await page.locator("[name=duration_minutes][value='6']").check()
    await agency.press("Review the mini-auction")
    await expect(page.get_by_role("button", name="Open the mini-auction")).to_be_visible()
    await agency.shot("compose-review")
    wrong += await breaches(page)
    await agency.press("Change the form")
    await expect(page.locator("[name='line-1-quantity']")).to_have_value("5")
    await agency.open("/auctions/new/history")
    await page.get_by_role("link", name=re.compile("Buy again")).first.click()
    await expect(page.locator("[name='line-0-quantity']")).not_to_have_value("")
    wrong += await breaches(page)
    await page.locator(".languages button[value=ru]").click()
    await expect(page.get_by_role("heading", name="Открыть котировочную сессию")).to_be_visible()
    await agency.shot("compose-ru")
    wrong += await breaches(page)
    await page.get_by_role("button", name="Проверить котировочную сессию", exact=True).click()
    await expect(page.get_by_role("button", name="Открыть котировочную сессию")).to_be_visible()
    await agency.shot("compose-review-ru")
    wrong += await breaches(page)
    assert not wrong, "\n".join(wrong)
