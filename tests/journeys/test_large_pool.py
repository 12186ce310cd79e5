"""The page of a pool with many members and lines needs no sideways scrolling, on a desk and a phone, in each language,
and is accessible."""

from itertools import product

import msgspec
import pytest
from playwright.async_api import Browser

from infra.embedded.jars import web_assets
from services.pools.domain import Pool
from services.pools.domain.pool import MEMBERS_SHOWN
from tests.journeys.conftest import DESK, PHONE
from tests.journeys.sound import breaches
from tests.market import Market
from tests.services.pools.test_large_pools import a_large_pool, kept, shared_out

MEMBERS, LINES = 55, 12
SIDEWAYS = """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
    .map(each => each.scrollWidth - each.clientWidth).filter(pixels => pixels > 0)"""


def with_long_names(pool: Pool) -> Pool:
    lines = tuple(
        msgspec.structs.replace(line, description=f"Exercise book, 48 sheets, squared, for schools {number}")
        for number, line in enumerate(pool.opened.lines)
    )
    members = {
        key: msgspec.structs.replace(each, member_name=f"Администрация городского округа Балашиха {key}")
        for key, each in pool.members.items()
    }
    return msgspec.structs.replace(pool, opened=msgspec.structs.replace(pool.opened, lines=lines), members=members)


@pytest.mark.parametrize("lines", [1, LINES])
async def test_demands_and_shares_need_no_sideways_move(market: Market, browser: Browser, lines: int) -> None:
    web_assets(market.resources.config.home, market.resources.config.cache, print)
    pool_id = await kept(market, shared_out(with_long_names(a_large_pool(MEMBERS, lines))))
    for language, size in product(("en", "es", "ru"), (DESK, PHONE)):
        context = await browser.new_context(viewport=size, locale=language)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(f"{market.url}/pools/{pool_id}")
        assert await page.locator("#demand tbody th").count() == MEMBERS_SHOWN
        assert await page.evaluate(SIDEWAYS) == [], (language, size)
        if language == "ru":
            assert await breaches(page) == [], size
        await context.close()
