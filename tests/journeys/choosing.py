"""Requests for quotes in which the buyer has to choose."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from services.demonstration.client import Client, when_heard
from tests.market import Market


async def to_be_chosen(
    demo: Market, agency: Client, lines: list[dict[str, Any]], quotes: Iterable[tuple[Client, dict[str, Any]]]
) -> str:
    """The id of a request whose deadline is over and whose buyer has to choose. The deadline is moved instead of the
    market's clock, which would end all auctions."""
    closes_at = demo.clock() + timedelta(hours=2)
    wanted = {"title": "Paper to choose from", "lines": lines, "closes_at": closes_at.isoformat()}
    made = await when_heard(lambda: agency.post("/api/quotes", wanted, key=f"to choose {closes_at}"))
    request_id = str(made["request_id"])
    path = f"/api/quotes/{request_id}/mine"
    for supplier, quote in quotes:
        await when_heard(partial(supplier.post, path, quote, key=f"to choose {closes_at}"))
    over = demo.clock() - timedelta(minutes=5)
    await demo.fetch(
        "update quotes.quote_requests set closes_at = $2, attend_at = $2,"
        " state = jsonb_set(state, '{opened,closes_at}', to_jsonb($3::text)) where request_id = $1",
        request_id,
        over,
        over.isoformat(),
    )

    async def is_over() -> bool:
        return bool((await agency.get(f"/api/quotes/{request_id}"))["status"] == "choosing")

    await demo.eventually(is_over)
    return request_id
