"""The number of connections of a process, which it keeps open."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from infra.clock import system_clock
from infra.database import KEPT_PER_SIZE, Database
from infra.embedded import Servers, postgres
from tests.market import empty_database

pytestmark = pytest.mark.servers
PROCESSES = ("web", "worker", "streams")
OTHERS = 60
"""Connections of single parts, of commands and of people."""


async def test_connections_for_a_rush_are_kept_for_the_next(servers: Servers) -> None:
    database = await Database.connect(await empty_database(servers, "lonja_connections"), system_clock, size=3)

    async def ends() -> set[int]:
        async with AsyncExitStack() as stack:
            found = set()
            for _ in range(KEPT_PER_SIZE * 3):
                tx = await stack.enter_async_context(database.transaction("accounts"))
                found.add((await tx.raw()).get_server_pid())
            waiting = asyncio.create_task(database.engine.connect().start())
            await asyncio.sleep(0.2)
            assert not waiting.done(), "that is all there are"
            waiting.cancel()
            return found

    try:
        assert await ends() == await ends()
    finally:
        await database.close()


def test_all_processes_of_a_market_find_room_in_postgresql() -> None:
    a_process = 10 + KEPT_PER_SIZE * 10
    assert len(PROCESSES) * a_process + OTHERS <= int(postgres.SETTINGS["max_connections"])
