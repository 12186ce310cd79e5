"""A row that only a newer release can read, as when two of them run side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from infra.health import HEALTH, Condition
from infra.tokens import Principal
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


NOT_NOW = {
    "en": "This line cannot be read just now.",
    "es": "Esta línea no se puede leer en este momento.",
    "ru": "Эту строку сейчас нельзя прочитать.",
}
"""What a history says in the place of a line that cannot be read."""


@asynccontextmanager
async def one_line_is_strange(market: Market, table: str, where: str, change: str) -> AsyncIterator[None]:
    """``change``, an assignment of SQL, is made in one row; it is as it was afterwards."""
    column = change.partition("=")[0].strip()
    [row] = await market.fetch(f"select {column} as before from {table} where {where}")
    await market.fetch(f"update {table} set {change} where {where}")
    try:
        yield
    finally:
        await market.fetch(f"update {table} set {column} = $1 where {where}", row["before"])


async def says_so_in_place(market: Market, reader: Principal | None, path: str, rest: str) -> None:
    """The history at this address has one line that cannot be read, and the ``rest``, in each language."""
    async with market.browser(reader) as browser:
        for language, words in NOT_NOW.items():
            browser.client.cookies["lonja_language"] = language
            answer = await browser.get(path)
            assert answer.status_code == 200, answer.text[:500]
            assert answer.text.count(words) == 1 and rest in answer.text, (language, answer.text)
