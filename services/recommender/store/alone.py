"""Work that one process does at a time. SQL is written by hand here for locks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.service import Resources


@asynccontextmanager
async def alone(resources: Resources, work: str) -> AsyncIterator[bool]:
    """True if no other process does this work now. The lock needs no open transaction, and is freed if this process dies."""
    async with resources.database.pool.acquire() as connection:
        key = f"recommender/{work}"
        mine = await connection.fetchval("select pg_try_advisory_lock(hashtextextended($1, 0))", key)
        try:
            yield mine
        finally:
            if mine:
                await connection.execute("select pg_advisory_unlock(hashtextextended($1, 0))", key)
