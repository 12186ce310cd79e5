"""The form of a pool under policies that have not every kind of mini-auction, or none."""

from collections.abc import Callable
from html import unescape

import pytest

from catalogue.policy import load
from infra.web.languages import LANGUAGES, pgettext, speaking
from services.pools.pages import terms
from tests.market import Market
from tests.services.pools.test_pools_service import a_buyer


@pytest.fixture
def playing_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setattr(terms, "load_policy", lambda _: load(name))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_without_live_auctions_the_reason_stands_instead_of_the_form(
    market: Market, playing_by: Callable[[str], None], language: str
) -> None:
    playing_by("acordar")
    with speaking(language):
        reason = pgettext("rules", load("acordar").auction.none_because)
    async with market.browser(await a_buyer(market)) as browser:
        browser.client.cookies["lonja_language"] = language
        for path in ("/pools/new", "/pools"):
            shown = (await browser.get(path)).text
            assert reason in unescape(shown) and 'id="new-pool"' not in shown and 'href="/pools/new"' not in shown


async def test_only_kinds_of_the_policy_can_be_chosen(market: Market, playing_by: Callable[[str], None]) -> None:
    playing_by("pregao")
    async with market.browser(await a_buyer(market)) as browser:
        shown = (await browser.get("/pools/new")).text
    assert '<option value="goods"' in shown and '<option value="works"' not in shown
