"""The demonstration in the tests' market. The first test that needs it fills it, once in a run."""

from catalogue.policy import load
from services.demonstration.auctions import lengths
from services.demonstration.seed import seed
from tests.market import Market

PASSWORD = "sandy bay at low tide"
RULES = load("demo")
LONGEST_AUCTION = lengths(RULES)[1]
"""The longest auction of the demonstration, in minutes."""


async def fill(market: Market) -> bool:
    """Fill the market. Return whether it was empty."""
    return await seed(market.url, market.resources.database, PASSWORD, RULES)
