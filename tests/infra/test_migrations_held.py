"""A change of tables that must wait for another transaction."""

import asyncpg
import pytest

from infra import migrations
from infra.clock import system_clock
from infra.database import Database
from infra.embedded import Servers
from infra.operations import processes
from tests.market import empty_database


async def test_it_is_tried_again_then_says_who_has_the_tables(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "PAUSE", 0.01)
    monkeypatch.setattr(migrations, "TRIES", 2)
    url = await empty_database(servers, "lonja_held")
    database = await Database.connect(url, system_clock)
    reader = await asyncpg.connect(url, server_settings={"application_name": "a long report"})
    await reader.execute(
        "create schema operations; create table operations.migrations (version_num varchar(32) not null)"
    )
    try:
        async with reader.transaction():
            await reader.execute("lock table operations.migrations")
            with pytest.raises(
                migrations.TablesHeld, match=rf"operations .*pid {reader.get_server_pid()}, .*a long report"
            ):
                await migrations.upgrade(database.engine, "operations", processes.METADATA)
        await migrations.upgrade(database.engine, "operations", processes.METADATA)
        assert await migrations.check(database.engine, "operations", processes.METADATA) == ""
    finally:
        await reader.close()
        await database.close()
