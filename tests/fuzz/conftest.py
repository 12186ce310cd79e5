"""A separate market with the demonstration, because these tests change it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.demo import PASSWORD, fill
from tests.market import Market, Markets

READERS = ("", "agency", "supplier2", "moderator", "administrator")


@pytest.fixture(scope="package")
async def demo(markets: Markets) -> AsyncIterator[Market]:
    await markets.stop()
    market = await markets.of(())
    await fill(market)
    yield market
    await markets.stop()


@pytest.fixture(scope="package")
async def tokens(demo: Market) -> dict[str, str]:
    """The tokens by reader; "" is a visitor. They log in before anything is sent, because after many wrong logins
    nobody can log in."""
    found = {"": ""}
    async with httpx.AsyncClient(base_url=demo.url, timeout=60) as client:
        for reader in filter(None, READERS):
            login = {"email": f"{reader}@demo.example", "password": PASSWORD}
            found[reader] = (await client.post("/api/login", json=login)).raise_for_status().json()["token"]
    return found
