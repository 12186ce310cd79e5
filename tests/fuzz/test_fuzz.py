"""Whatever anybody sends to any route, in whatever role: no crash, no answer that does not end, none that fills the memory.

A request has one value out of bounds in most cases, and none in the others. ``--examples 50`` tries more of them.
"""

import re
import time
from pathlib import Path
from sys import modules
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from infra.web.access import COOKIE
from infra.web.app import guarded
from tests.fuzz.conftest import READERS
from tests.fuzz.sending import Sender, names_in
from tests.market import Market
from tests.test_access import composed
from tests.test_openapi import KNOWN

EXAMPLES = 5
MOST_SECONDS = 2.0
"""Of computing, not by the clock: this finds what a bomb makes of a request, minutes, on however busy a machine."""
MOST_BYTES = 5_000_000
ENDLESS = "/live"
"""Answers that go on until the reader leaves: of them the beginning is read."""
LAST = "/logout"
NOT_READY = "/health/ready"
"""Rightly answers 503 here: a part of the market, the views, does not run."""
PLACES = {
    **KNOWN,
    "sku": "catalogue.skus.sku_id",
    "offer": "catalogue.offers.offer_id",
    "member_id": "accounts.members.member_id",
}


async def ids(market: Market) -> dict[str, list[str]]:
    known = {}
    for name, place in PLACES.items():
        table, _, column = place.rpartition(".")
        rows = await market.fetch(f"select distinct {column} as id from {table} order by 1 limit 5")
        known[name] = [row["id"] for row in rows]
    return known


@pytest.mark.parametrize("reader", READERS)
async def test_whatever_is_sent_is_answered(
    demo: Market, tokens: dict[str, str], tmp_path: Path, pytestconfig: pytest.Config, reader: str
) -> None:
    routes = [
        (path, method, handler)
        for path, handler in guarded(composed(tmp_path))
        for method in sorted(handler.http_methods - {"HEAD", "OPTIONS"})
    ]
    routes.sort(key=lambda route: route[0] == LAST)
    sender = Sender(READERS.index(reader), await ids(demo), demo.clock())
    wrong: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=demo.url, timeout=60) as client:
        await client.get("/health")
        csrf, token = client.cookies["lonja_csrf"], tokens[reader]
        for _ in range(pytestconfig.getoption("--examples") or EXAMPLES):
            for path, method, handler in routes:
                label = f"{method} {path}"
                if label not in wrong and (fault := await tried(client, sender, path, method, handler, csrf, token)):
                    wrong[label] = fault
    assert not wrong, "\n".join(f"{label}: {fault}" for label, fault in wrong.items())


async def tried(
    client: httpx.AsyncClient, sender: Sender, path: str, method: str, handler: HTTPRouteHandler, csrf: str, token: str
) -> str:
    """What is wrong with the answer, "" for nothing."""
    api = path.startswith(("/api/", "/ocds"))
    cookie = f"lonja_csrf={csrf}" + (f"; {COOKIE}={token}" if token else "")
    headers = {"cookie": cookie, "x-csrf-token": csrf, "accept": "application/json" if api else "text/html"}
    sent: dict[str, Any] = {"params": sender.query(handler, guess=not api)}
    if token and api:
        headers["authorization"] = f"Bearer {token}"
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is not None:
        sent["json"] = sender.body(data.annotation)
    elif method != "GET" and not api:
        sent["data"] = sender.form(names_in(modules[handler.fn.__module__]))
    where, began = sender.path(path), time.process_time()
    try:
        async with client.stream(method, where, headers=headers, **sent) as answer:
            text = await _beginning(answer) if path.endswith(ENDLESS) else await answer.aread()
    except httpx.TimeoutException:
        return f"no answer to {where} {str(sent)[:500]}"
    spent = time.process_time() - began
    if answer.status_code >= 500 and path != NOT_READY:
        return f"{answer.status_code} for {where} {str(sent)[:700]}: {text[:300]!r}"
    if spent > MOST_SECONDS or len(text) > MOST_BYTES:
        return f"{spent:.1f} s, {len(text):,} bytes for {where} {str(sent)[:500]}"
    said = re.findall(rb'<(p|div) class="error"[^>]*>(.*?)</\1>', text, re.DOTALL)
    led = [link for _, each in said for link in re.findall(rb'href="#([^"]+)"', each)]
    if nowhere := [each for each in led if b'id="%b"' % each not in text]:
        return f"the refusal leads to {nowhere}, which is not on the page, for {where} {str(sent)[:500]}"
    return ""


async def _beginning(answer: httpx.Response) -> bytes:
    async for part in answer.aiter_bytes():
        return part
    return b""
