"""A row that only a newer release can read, as when two of them run side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from infra.health import HEALTH, Condition
from tests.market import Market


@asynccontextmanager
async def only_a_newer_release_reads(
    market: Market, table: str, key: tuple[str, str], part: str
) -> AsyncIterator[None]:
    """``key`` is the column and its value; ``part`` the JSON column and the name in it, such as ``state.stage``, that says something
    new meanwhile, or a column of texts that has none then."""
    column, _, name = part.partition(".")
    novel = f"jsonb_set({column}, array['{name}'], '\"novel\"')" if name else "array[null]::text[]"
    type_ = "jsonb" if name else "text[]"
    [row] = await market.fetch(f"select {column}::text as before from {table} where {key[0]} = $1", key[1])
    await market.fetch(f"update {table} set {column} = {novel} where {key[0]} = $1", key[1])
    try:
        yield
    finally:
        await market.fetch(
            f"update {table} set {column} = $2::text::{type_} where {key[0]} = $1", key[1], row["before"]
        )


async def lists(client: httpx.AsyncClient, path: str) -> str:
    """What a list says, as API or as page."""
    answer = await client.get(path, headers={"accept": "application/json" if path.startswith("/api") else "text/html"})
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return answer.text


async def says_so(client: httpx.AsyncClient, path: str) -> None:
    """The page, or the API's answer, about the row itself."""
    as_page = not path.startswith("/api")
    answer = await client.get(path, headers={"accept": "text/html" if as_page else "application/json"})
    assert answer.status_code == 503, (path, answer.status_code, answer.text[:500])
    assert "cannot be read just now" in answer.text
    if as_page:
        assert "Not readable now" in answer.text and "</html>" in answer.text
    else:
        assert answer.json()["rule"] == "unreadable-row"


def in_health(what: str) -> Condition:
    """What this process says of rows of that kind."""
    return next(each for each in HEALTH if (each.kind, each.name) == ("rows", what))
