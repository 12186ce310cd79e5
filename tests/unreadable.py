"""A row that only a newer release can read, as when two of them run side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.market import Market


@asynccontextmanager
async def only_a_newer_release_reads(
    market: Market, table: str, key: tuple[str, str], part: str
) -> AsyncIterator[None]:
    """``key`` is the column and its value; ``part`` the JSON column and the name in it, such as ``state.stage``, that says something
    new meanwhile."""
    column, name = part.split(".")
    [row] = await market.fetch(f"select {column}::text as before from {table} where {key[0]} = $1", key[1])
    await market.fetch(
        f"update {table} set {column} = jsonb_set({column}, array[$2], '\"novel\"') where {key[0]} = $1", key[1], name
    )
    try:
        yield
    finally:
        await market.fetch(f"update {table} set {column} = $2::text::jsonb where {key[0]} = $1", key[1], row["before"])


async def lists(client: httpx.AsyncClient, path: str) -> str:
    """What a list says, as API or as page."""
    answer = await client.get(path, headers={"accept": "application/json" if path.startswith("/api") else "text/html"})
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return answer.text
