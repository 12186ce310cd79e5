"""A market of its own with the demonstration in it: what is sent here changes it."""

from collections.abc import AsyncIterator

import pytest

from tests.demo import fill
from tests.market import Market, Markets


@pytest.fixture(scope="package")
async def demo(markets: Markets) -> AsyncIterator[Market]:
    await markets.stop()
    market = await markets.of(())
    await fill(market)
    yield market
    await markets.stop()
