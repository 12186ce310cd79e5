"""The demonstration in the tests' market, filled once a run by whoever needs it first."""

from catalogue.policy import load
from services.demonstration.auctions import lengths
from services.demonstration.seed import seed
from tests.market import Market

PASSWORD = "sandy bay at low tide"
RULES = load("demo")
LONGEST_AUCTION = lengths(RULES)[1]
"""Minutes."""


async def fill(market: Market) -> bool:
    """Whether there was anything to fill."""
    return await seed(market.url, market.ground.database, PASSWORD, RULES)
