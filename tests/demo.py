"""The demonstration in the tests' market, filled once a run by whoever needs it first."""

from infra.demo.seed import seed
from tests.market import Market

PASSWORD = "sandy bay at low tide"


async def fill(market: Market) -> bool:
    """Whether there was anything to fill."""
    return await seed(market.url, market.ground.database, PASSWORD)
