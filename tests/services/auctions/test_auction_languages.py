"""The pages in three languages: only what people and laws wrote themselves stays in English."""

import re
from html.parser import HTMLParser

import pytest

from events.auctions import BidRefused
from tests.market import Browser, Market
from tests.services.auctions.market_builders import Scene, a_scene

NAMES = "Lonja API OpenAPI Apache License UTC RUB RU MOW"
"""Words that are the same in every language."""


class Words(HTMLParser):
    """The Latin words that a reader sees or hears, without those marked as another language and without code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: set[str] = set()
        self._skipping: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        if tag in ("script", "style", "code", "head") or (tag != "html" and told.get("lang")):
            self._skipping.append(tag)
        if not self._skipping:
            self._hear(" ".join(told.get(name) or "" for name in ("aria-label", "title", "placeholder", "alt")))

    def handle_endtag(self, tag: str) -> None:
        if self._skipping and self._skipping[-1] == tag:
            self._skipping.pop()

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._hear(data)

    def _hear(self, text: str) -> None:
        self.words |= set(re.findall(r"[A-Za-z]{2,}", text))


async def speaks(browser: Browser, language: str) -> None:
    answer = await browser.post("/language", {"language": language, "next": "/auctions?status=all"})
    assert answer.url.path == "/auctions" and f'<html lang="{language}">' in answer.text


def left_in_english(page: str, scene: Scene) -> set[str]:
    people = [scene.buyer, *scene.suppliers.values()]
    said_by_people = f"Office paper Paper A4 Moscow Demonstration minutes for hours Moskva {NAMES} " + " ".join(
        f"{person.name} {person.organisation_name}" for person in people
    )
    return Words(page).words - set(re.findall(r"[A-Za-zñ]+", said_by_people))


@pytest.mark.parametrize("outcome", ["running", "won", "withdrawn"])
async def test_every_text_about_an_auction_exists_in_russian(market: Market, outcome: str) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    await scene.bid("a", "990")
    await scene.bid("b", "985")
    await scene.bid("b", "980")
    async with (
        market.browser(scene.suppliers["a"]) as a,
        market.browser(scene.suppliers["b"]) as b,
        market.browser(scene.buyer) as buyer,
        market.browser() as visitor,
    ):
        for browser in (a, b, buyer, visitor):
            await speaks(browser, "ru")
        if outcome == "running":
            await a.post(f"{path}/autobid", {"floor": "900", "on": "yes"})
            assert left_in_english((await a.get(f"{path}/complaint")).text, scene) == set()
            assert left_in_english((await buyer.get(f"{path}/withdrawal")).text, scene) == set()
        elif outcome == "withdrawn":
            await buyer.post(f"{path}/withdrawal", {"reason": "Другой бюджет."})
        else:
            await scene.close()
        for browser in (a, b, buyer, visitor):
            assert left_in_english((await browser.get(path)).text, scene) == set()


async def test_a_refusal_is_explained_in_the_readers_language_and_stays_english_in_the_log(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a:
        await speaks(a, "es")
        refused = await a.post(f"{path}/bids", {"amount": "995", "request_key": "k"})
        assert "en al menos un escalón de 10,00; esta baja 5,00." in refused.text
        assert "Haga una primera puja a mano" in (await a.post(f"{path}/autobid", {"floor": "9", "on": "yes"})).text
        assert "en al menos 20 caracteres" in (await a.post(f"{path}/complaint", {"grounds": "x"})).text
    (event,) = await scene.events(BidRefused)
    assert event.refusal.message.startswith("A bid must be at least one step")
    async with market.browser(scene.suppliers["b"]) as b:
        assert "A bid must be at least one step" in (await b.post(f"{path}/bids", {"amount": "995"})).text


async def test_an_error_page_is_only_in_the_readers_language(market: Market) -> None:
    scene = await a_scene(market)
    async with market.browser(scene.buyer) as buyer:
        await speaks(buyer, "ru")
        for path in ("/auctions", "/auctions/new", "/auctions/new/history"):
            assert '<main id="main">' in (await buyer.get(path)).text
        lost = (await buyer.get("/auctions/no-such")).text
        assert '<html lang="ru">' in lost and '<main id="main">' in lost and "Не найдено" in lost and "Каталог" in lost
        assert "No auction" not in lost


async def test_a_language_that_is_not_there_changes_nothing_and_nobody_is_led_away(market: Market) -> None:
    async with market.browser() as visitor:
        for target in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
            answer = await visitor.client.post(
                "/language",
                data={"language": "tlh", "next": target, "_csrf_token": await csrf(visitor)},
                follow_redirects=False,
            )
            assert answer.headers["location"] == "/" and "lonja_language" not in answer.headers.get("set-cookie", "")


async def csrf(browser: Browser) -> str:
    await browser.client.get("/health")
    return browser.client.cookies["lonja_csrf"]
