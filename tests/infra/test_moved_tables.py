"""Tables of contracts that other services own now, in a market that no former release ever worked in."""

from importlib import import_module

import pytest

from infra import migrations
from infra.clock import system_clock
from infra.database import Database
from infra.embedded import Servers
from infra.operations import processes
from tests.market import empty_database

MOVED = "select table_name from information_schema.views where table_schema = 'contracts'"


@pytest.mark.parametrize("in_use", [False, True])
async def test_the_former_release_alone_needs_views(servers: Servers, in_use: bool) -> None:
    """Through views the role of contracts, which exists before the tables, would reach tables that it does not own."""
    database = await Database.connect(await empty_database(servers, "lonja_moved"), system_clock)
    try:
        if in_use:
            await migrations.upgrade(database.engine, "operations", processes.METADATA)
        for name in ("contracts", "purchases", "fulfilment", "conduct"):
            await migrations.upgrade(database.engine, name, import_module(f"services.{name}.store").Row.metadata)
        views = {row["table_name"] for row in await database.pool.fetch(MOVED)}
        moved = {"offers", "purchases", "executions", "execution_events", "facts", "breaches", "sanctions", "performed"}
        assert views == (moved if in_use else set())
    finally:
        await database.close()
