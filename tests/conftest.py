from collections.abc import AsyncIterator

import pytest

from infra.embedded import Servers
from infra.runtime import create_topics
from tests.market import Market, Markets
from tests.servers import servers

__all__ = ["market", "markets", "servers", "topics"]


@pytest.fixture(scope="session")
async def topics(servers: Servers) -> None:
    """Every topic of the table, empty at the beginning of the run."""
    await create_topics(servers.kafka_bootstrap)


@pytest.fixture(scope="session")
async def markets(servers: Servers, topics: None) -> AsyncIterator[Markets]:
    kept = Markets(servers)
    yield kept
    await kept.stop()


@pytest.fixture(scope="module")
async def market(markets: Markets, request: pytest.FixtureRequest) -> Market:
    """The tests of one service play all the others, so their market has that service alone; elsewhere it is whole.

    It serves all modules of a folder: tests make organisations and things of their own in it.
    """
    parts = request.path.parts
    return await markets.of((parts[parts.index("services") + 1],) if "services" in parts else ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the servers or the real data is marked so; what is left is the quick part (`make test-unit`)."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if {"servers", "market"} & fixtures:
            item.add_marker(pytest.mark.servers)
        if "data" in fixtures:
            item.add_marker(pytest.mark.data)
