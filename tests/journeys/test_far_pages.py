"""Lists that are leafed through by number: who asks for a page behind the last is led to the last, which is not empty where the list is
not. Every route that counts pages is here, on the market of the demonstration, with one thing on a page."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra.listing import PAGES
from infra.web.app import guarded
from infra.web.query import API
from services.demonstration.client import Client
from services.demonstration.seed import POOL_TITLE
from tests.demo import PASSWORD
from tests.market import Browser, Market
from tests.test_access import composed

FAR = PAGES
NO_LISTS = {"since"}
"""Numbers in a query that lead to no page."""
FILES = {"/observatory/references/{reference_id:str}/observations.csv"}
"""For programs: a part behind the last is empty, as it is in the API."""
MOVED = {("/contracts/{contract_id:str}", "page"), ("/contracts/{contract_id:str}", "part")}
"""Lead to the page that has the list now, which leads on to the last."""
IN_FORMS = {("/catalogue", "page"), ("/catalogue/skus/{sku_id:str}", "page")}
"""Read with other fields: their routes do not name them."""
ONE_ON_A_PAGE = (
    "services.auctions.pages.auction.PER_PAGE",
    "services.auctions.pages.complaints.PER_PAGE",
    "services.auctions.views.PER_PAGE",
    "services.catalogue.pages.skus.PER_PAGE",
    "services.catalogue.views.OFFERS_A_PAGE",
    "services.catalogue.views.PER_PAGE",
    "services.contracts.pages.PER_PAGE",
    "services.fulfilment.pages.parts.CARDS",
    "services.fulfilment.pages.work.OF_HISTORY",
    "services.observatory.pages.PAGE",
    "services.observatory.pages.SHOWN",
    "services.pools.pages.pool.LINES_SHOWN",
    "services.pools.pages.pool.SHOWN_OF_LOG",
    "services.pools.pages.terms.PAGE",
    "services.quotes.pages.request.PER_PAGE",
    "services.quotes.views.PARTICIPANTS",
)
ID = "[0-9a-f-]{36}"


@dataclass(frozen=True)
class Leaves:
    """``entry`` is what something on a page of the list has. The demonstration has ``several``, or one or none: where that is so the
    tests of the service try several."""

    route: str
    entry: str
    query: dict[str, str] = field(default_factory=dict)
    parameter: str = "page"
    reader: str = ""
    several: bool = True


LISTS = [
    Leaves("/auctions", f'href="/auctions/{ID}', {"status": "all", "q": ""}),
    Leaves("/auctions/complaints", f'href="/auctions/complaints/{ID}', reader="moderator", several=False),
    Leaves("/catalogue", 'href="/catalogue/skus/', {"sort": "price", "region": ""}),
    Leaves("/catalogue/moderation", '/publish"', reader="moderator", several=False),
    Leaves("/catalogue/skus/{sku_id:str}", r'<th scope="row">', {"quantity": "2"}),
    Leaves("/contracts", f'<th scope="row"><a href="/contracts/{ID}', {"state": "concluded"}, several=False),
    Leaves("/contracts", f'<th scope="row"><a href="/contracts/{ID}', reader="agency", several=False),
    Leaves("/contracts/appeals", "sanction", reader="moderator", several=False),
    Leaves("/contracts/disputes", "dispute", reader="moderator", several=False),
    Leaves("/contracts/refusals", "refusal", reader="moderator", several=False),
    Leaves("/contracts/sanctions", "sanction", reader="agency", several=False),
    Leaves("/contracts/{contract_id:str}/execution", r"(?s)<ol>\s*<li><time"),
    Leaves("/contracts/{contract_id:str}/execution", 'id="work"', parameter="orders", several=False),
    Leaves("/contracts/{contract_id:str}/execution", 'id="work"', parameter="invoices", several=False),
    Leaves("/contracts/{contract_id:str}/execution", 'id="work"', parameter="disputes", several=False),
    Leaves("/observatory", 'href="/observatory/items/', {"q": "", "grade": ""}),
    Leaves("/observatory/items/{item_key:str}", 'class="badge ok">kept|class="badge">dropped'),
    Leaves("/observatory/references/{reference_id:str}", 'class="badge ok">kept|class="badge">dropped'),
    Leaves("/pools", f'<h2><a href="/pools/{ID}', {"group": "all", "region": ""}, "start", several=False),
    Leaves("/pools/{pool_id:str}", r"(?s)What happened</summary>\s*<ol class=\"plain\"><li><time"),
    Leaves("/pools/{pool_id:str}", '<th scope="row" class="words">', {"lines": "1"}, "members", several=False),
    Leaves("/pools/{pool_id:str}", r'<td><a href="/catalogue/skus/', {"members": "1"}, "lines", several=False),
    Leaves("/quotes", f'href="/quotes/{ID}', {"group": "all", "q": ""}, several=False),
    Leaves("/quotes/{request_id:str}", "<h1>", several=False),
]


@pytest.fixture(scope="module")
async def ids(demo: Market) -> dict[str, str]:
    """What stands in the places of addresses: things with lists of their own."""
    async with Client.visiting(demo.url) as visitor:
        skus = (await visitor.get("/api/catalogue/skus"))["results"]
        pools = await visitor.get("/api/pools", limit=100)
        items = (await visitor.get("/api/observatory/items"))["items"]
        contracts = (await visitor.get("/api/contracts", state="concluded"))["contracts"]
        quotes = (await visitor.get("/api/quotes"))["requests"]
        busy = [
            each["contract_id"]
            for each in contracts
            if len((await visitor.get(f"/api/contracts/{each['contract_id']}/execution")).get("orders", ()))
        ]
    return {
        "{sku_id:str}": max(skus, key=lambda each: each["offers"])["sku_id"],
        "{contract_id:str}": busy[0],
        "{item_key:str}": items[0]["item"]["item_key"],
        "{reference_id:str}": items[0]["figures"]["reference_id"],
        "{pool_id:str}": next(each["pool_id"] for each in pools if each["title"] == POOL_TITLE),
        "{request_id:str}": quotes[0]["request_id"],
    }


async def _opened(browser: Browser, path: str, query: dict[str, Any]) -> str:
    answer = await browser.client.get(path, params=query, follow_redirects=False)
    assert answer.status_code == 200, (path, query, answer.status_code)
    return answer.text


@pytest.mark.parametrize("leaves", LISTS, ids=lambda each: f"{each.route} {each.parameter} {each.reader}".strip())
async def test_a_page_behind_the_last_leads_to_the_last(
    demo: Market, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch, leaves: Leaves
) -> None:
    for name in ONE_ON_A_PAGE:
        monkeypatch.setattr(name, 1)
    path = "/".join(ids.get(part, part) for part in leaves.route.split("/"))
    async with demo.browser() as browser:
        if leaves.reader:
            await browser.post("/login", {"email": f"{leaves.reader}@demo.example", "password": PASSWORD})
        first = await _opened(browser, path, leaves.query)
        far = await browser.client.get(path, params={**leaves.query, leaves.parameter: FAR}, follow_redirects=False)
        assert far.status_code == 303
        led = urlsplit(far.headers["location"])
        asked = dict(parse_qsl(led.query, keep_blank_values=True))
        last = int(asked.pop(leaves.parameter))
        assert (led.path, asked) == (path, leaves.query)
        there = await _opened(browser, path, {**leaves.query, leaves.parameter: last})
        if leaves.several:
            assert last > 1 and re.search(leaves.entry, first)
        assert bool(re.search(leaves.entry, there)) == bool(re.search(leaves.entry, first))
        assert f"{leaves.parameter}={last + 1}" not in there
        if last > 1:
            before = await _opened(browser, path, {**leaves.query, leaves.parameter: last - 1})
            assert re.search(leaves.entry, before)
        next_one = await browser.client.get(
            path, params={**leaves.query, leaves.parameter: last + 1}, follow_redirects=False
        )
        assert next_one.headers["location"] == far.headers["location"]


def test_every_route_that_counts_pages_is_tried(tmp_path: Path) -> None:
    counting = {
        (path, name)
        for path, handler in guarded(composed(tmp_path))
        if "GET" in handler.http_methods and not path.startswith(API) and path not in FILES
        for name in handler.opt.get("query_numbers", set()) - NO_LISTS
    }
    assert counting | IN_FORMS == MOVED | {(each.route, each.parameter) for each in LISTS}
