"""Data that an older release accepted can still be viewed: they are shown in short form, and hide nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.market import Market

LONG = "я" * 300_000


@asynccontextmanager
async def reading(demo: Market, token: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=demo.url, timeout=30, headers={"accept": "text/html"}) as client:
        if token:
            client.headers["authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.parametrize(
    ("number", "vat_rate"), [("1E+400000000", "1E+400000000"), ("1E-400000000", "1E-400000000"), ("10", "NaN")]
)
async def test_a_pool_that_an_older_release_let_in_is_listed_and_shown(
    demo: Market, tokens: dict[str, str], number: str, vat_rate: str
) -> None:
    (row,) = await demo.fetch("select pool_id, state from pools.pools order by opened_at limit 1")
    line = row["state"]["opened"]["lines"][0] | {"unit_price": number, "vat_rate": vat_rate}
    opened = row["state"]["opened"] | {"minimum_quantity": number, "title": LONG, "lines": [line]}
    await demo.fetch(
        "update pools.pools set state = $2 where pool_id = $1", row["pool_id"], row["state"] | {"opened": opened}
    )
    try:
        async with reading(demo, tokens[""]) as visitor, reading(demo, tokens["agency"]) as agency:
            for client in (visitor, agency):
                for path in ("/pools", f"/pools/{row['pool_id']}", "/api/pools", f"/api/pools/{row['pool_id']}"):
                    answer = await client.get(path)
                    assert answer.status_code == 200 and len(answer.content) < 5_000_000, (
                        f"{path}: {answer.status_code}"
                    )
    finally:
        await demo.fetch("update pools.pools set state = $2 where pool_id = $1", row["pool_id"], row["state"])
