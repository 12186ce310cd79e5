"""The market that runs, as commands reach it: by its address, or straight in its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from infra.running import NotRunning

if TYPE_CHECKING:
    from infra.config import Config
    from infra.database import Database


async def answering(url: str) -> str:
    """The address again, once something answers there. Raises NotRunning."""
    import httpx

    async with httpx.AsyncClient() as http:
        try:
            await http.get(f"{url}/health")
        except httpx.TransportError as failure:
            raise NotRunning(f"the market at {url}") from failure
    return url


@asynccontextmanager
async def market_database(config: "Config", table: str) -> "AsyncIterator[Database]":
    """Raises NotRunning where it cannot be reached, or does not have the command's ``table`` ("schema.name") yet."""
    from infra.away import is_away
    from infra.clock import system_clock
    from infra.database import WAITS_LONG, Database
    from infra.embedded import addresses

    url, _ = addresses(config)
    where = f"PostgreSQL at {url.rpartition('@')[2]}"
    database = await Database.connect(url, system_clock, size=2, waits=WAITS_LONG)
    try:
        if await database.pool.fetchval("select to_regclass($1)", table) is None:
            raise NotRunning(f"{where} has no tables yet and")
        yield database
    except Exception as failure:
        if is_away(failure):
            raise NotRunning(where) from failure
        raise
    finally:
        await database.close()
