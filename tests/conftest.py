import os
from collections.abc import AsyncIterator

import pytest

from infra.embedded import Servers
from infra.runtime import create_topics
from tests.market import Market, running_market
from tests.servers import servers

__all__ = ["market", "servers", "topics"]


@pytest.fixture(scope="session")
async def topics(servers: Servers) -> None:
    """Every topic of the table, empty at the beginning of the run."""
    await create_topics(servers.kafka_bootstrap)


@pytest.fixture(scope="session")
async def market(servers: Servers, topics: None) -> AsyncIterator[Market]:
    """One market for the whole run; tests make organisations and things of their own in it.

    ``LONJA_TEST_SERVICES`` (names separated by commas) starts only those services.
    """
    names = tuple(filter(None, os.environ.get("LONJA_TEST_SERVICES", "").split(",")))
    async with running_market(servers, names) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the servers is marked so, and `-m "not servers"` is the quick part."""
    for item in items:
        if {"servers", "market"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
