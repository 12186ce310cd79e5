"""How commands reach the running market: by its address, or directly in its database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from infra.clock import WrongClock
from infra.running import Frozen, NotRunning, TablesMissing

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from infra.config import Config
    from infra.database import Database

COMMAND_SECONDS = 60.0
"""Seconds for one statement of a command that reads and writes a few rows."""
CLOCK_SECONDS = 30.0
"""Seconds for which a command tries to find out whether this machine's clock is right, while the answers come too
slowly."""


async def answering(url: str) -> str:
    """Return the address when something answers there. Raise NotRunning."""
    import httpx

    async with httpx.AsyncClient() as http:
        try:
            await http.get(f"{url}/health")
        except httpx.TransportError as failure:
            raise NotRunning(f"the market at {url}") from failure
    return url


@asynccontextmanager
async def market_database(config: "Config", table: str) -> "AsyncIterator[Database]":
    """The database of the running market. Raise NotRunning if it cannot be reached, TablesMissing if it does
    not have the command's ``table`` ("schema.name") yet, and WrongClock if this machine's time is not the database's, because the command
    writes times."""
    from infra.database import WAITS_LONG, Database
    from infra.embedded import addresses
    from infra.machine_clock import MachineClock
    from infra.tasks import background

    url, _ = addresses(config)
    clock = MachineClock()
    database = await Database.connect(url, clock, size=2, waits=WAITS_LONG)
    try:
        with _reached(url):
            await _has(database.pool, table, url)
            await clock.check_at_start(database.pool, CLOCK_SECONDS)
            async with background(clock.keep_checking(database.pool), name="clock"):
                yield database
    finally:
        await database.close()


@asynccontextmanager
async def market_connection(config: "Config", table: str) -> "AsyncIterator[asyncpg.Connection]":
    """The same with a plain connection, for commands that read and write a few rows and need no services."""
    async with _connected(config) as (connection, url):
        await _has(connection, table, url)
        yield connection


async def market_time(config: "Config") -> "datetime":
    """The time of the database's clock. Raise NotRunning."""
    async with _connected(config) as (connection, _):
        return await connection.fetchval("select clock_timestamp()")  # type: ignore[no-any-return]


@asynccontextmanager
async def _connected(config: "Config") -> "AsyncIterator[tuple[asyncpg.Connection, str]]":
    """A connection, and the address. Raise NotRunning."""
    import asyncpg

    from infra import answering
    from infra.embedded import addresses

    url, _ = addresses(config)
    with _reached(url):
        connection = await asyncpg.connect(url, timeout=answering.PATIENCE, command_timeout=COMMAND_SECONDS)
        try:
            yield connection, url
        finally:
            await connection.close(timeout=answering.PATIENCE)


@contextmanager
def _reached(url: str) -> Iterator[None]:
    import asyncpg

    from infra.away import in_short, is_away

    try:
        yield
    except NotRunning:
        raise
    except TimeoutError as failure:
        raise Frozen(_named(url)) from failure
    except Exception as failure:
        if is_away(failure) and not isinstance(failure, WrongClock):
            why = in_short(failure) if isinstance(failure, asyncpg.PostgresError) else ""
            raise NotRunning(_named(url), why) from failure
        raise


async def _has(db: "asyncpg.Connection | asyncpg.Pool", table: str, url: str) -> None:
    if await db.fetchval("select to_regclass($1)", table) is None:
        raise TablesMissing(f"{_named(url)} has no table {table} yet: start Lonja with `make run` or `lonja up`")


def _named(url: str) -> str:
    return f"PostgreSQL at {url.rpartition('@')[2]}"
