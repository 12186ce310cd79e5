"""Requests that once stopped the market, each answered by field and rule; and what an older release let in can still be looked at."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.demo import PASSWORD
from tests.market import Market

LONG = "я" * 2_000_000
REGISTRATION: Mapping[str, Any] = {
    "kind": "supplier",
    "organisation": "Oversized",
    "country": "RU",
    "region": "RU-MOW",
    "name": "Anna",
    "email": "oversized@example.org",
    "password": "a long walk in the dunes",
}
LINE = {"description": "Paper", "category": "30197630", "unit": "piece", "quantity": "10", "unit_price": "10"}
AUCTION: Mapping[str, Any] = {"title": "Paper", "lines": [LINE], "duration_minutes": 24, "step_percent": "1"}
POOL: Mapping[str, Any] = {
    "title": "Paper",
    "lines": [{"sku_id": "s", "unit_price": "10", "vat_rate": "20"}],
    "minimum_quantity": "10",
    "enrolment_ends_at": "2030-01-01T00:00:00Z",
}
OFFER: Mapping[str, Any] = {
    "sku_id": "s",
    "price": "10",
    "vat_rate": "20",
    "regions": ["RU"],
    "delivery_days": 3,
    "max_quantity": "100",
}
QUOTES: Mapping[str, Any] = {"title": "Paper", "lines": [], "closes_at": "2026-12-01T00:00:00Z"}


async def logged_in(demo: Market, who: str) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=demo.url, timeout=30)
    if who:
        login = {"email": f"{who}@demo.example", "password": PASSWORD}
        token = (await client.post("/api/login", json=login)).raise_for_status().json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
    return client


@pytest.mark.parametrize(
    ("who", "path", "body", "field", "rule"),
    [
        ("", "/api/register", REGISTRATION | {"organisation": LONG}, "organisation", "too-long"),
        ("", "/api/register", REGISTRATION | {"name": LONG}, "name", "too-long"),
        ("", "/api/register", REGISTRATION | {"locality": LONG}, "locality", "too-long"),
        ("", "/api/register", REGISTRATION | {"categories": [{"code": "30"}] * 30_000}, "categories", "too-many"),
        ("", "/api/register", REGISTRATION | {"name": "\u200b\u200b"}, "name", "invisible-text"),
        ("", "/api/register", REGISTRATION | {"name": "a\u0000b"}, "name", "control-character"),
        ("agency", "/api/auctions", AUCTION | {"title": LONG}, "title", "too-long"),
        ("agency", "/api/auctions", AUCTION | {"lines": [LINE] * 20_000}, "lines", "too-many"),
        ("agency", "/api/auctions", AUCTION | {"vat_rate": "1e400000000"}, "vat_rate", "out-of-range"),
        ("agency", "/api/auctions", AUCTION | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("agency", "/api/auctions", AUCTION | {"vat_rate": "101"}, "vat_rate", "out-of-range"),
        ("agency", "/api/auctions", AUCTION | {"opens_at": "2026-12-01T09:00:00"}, "opens_at", "no-zone"),
        ("agency", "/api/auctions", AUCTION | {"opens_at": "9999-12-31T00:00:00Z"}, "opens_at", "too-far"),
        ("agency", "/api/auctions", AUCTION | {"place": {"country": LONG}}, "place.country", "too-long"),
        ("agency", "/api/pools", POOL | {"title": LONG}, "title", "too-long"),
        ("agency", "/api/pools", POOL | {"minimum_quantity": "1e400000000"}, "minimum_quantity", "out-of-range"),
        ("agency", "/api/pools", POOL | {"lines": [{"sku_id": "s", "unit_price": "1e400000000"}]}, "lines.0.unit_price", "out-of-range"),
        ("agency", "/api/pools", POOL | {"enrolment_ends_at": "2030-01-01T00:00:00"}, "enrolment_ends_at", "no-zone"),
        ("agency", "/api/pools/x/cancel", {"reason": LONG}, "reason", "too-long"),
        ("agency", "/api/quotes", QUOTES | {"closes_at": "2026-12-01T00:00:00"}, "closes_at", "no-zone"),
        ("supplier", "/api/quotes/x/mine", {"prices": {"1": "1e-400000000"}, "delivery_days": 1}, "prices.1", "too-many-decimals"),
        ("supplier", "/api/catalogue/offers", OFFER | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("supplier", "/api/catalogue/offers", OFFER | {"price": "1e400000000"}, "price", "out-of-range"),
        ("supplier", "/api/catalogue/offers", OFFER | {"regions": ["RU"] * 30_000}, "regions", "too-many"),
        ("supplier", "/api/auctions/x/bids", {"amount": "1e400000000"}, "amount", "out-of-range"),
    ],
)  # fmt: skip
async def test_a_body_out_of_bounds_is_refused_by_field_and_rule(
    demo: Market, who: str, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    async with await logged_in(demo, who) as client:
        answer = await client.post(path, json=body)
    said = answer.json()
    assert (answer.status_code, said["field"], said["rule"]) == (422, field, rule), answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json" and len(answer.content) < 2_000


@pytest.mark.parametrize(
    "path",
    [
        "/api/auctions?status=banana",
        "/auctions?status=banana",
        "/api/contracts?state=banana",
        "/contracts?state=banana",
        "/api/pools?group=banana",
        "/pools?group=banana",
        "/api/quotes?group=banana",
        "/quotes?group=banana",
        "/catalogue?sort=banana",
        "/register?as=banana",
        "/api/observatory/items?grade=banana",
        "/api/observatory/reference?sku=x&quantity=1e-400000000",
        "/api/observatory/reference?sku=x&quantity=1e400000000",
        "/api/catalogue/skus/x?quantity=1e-400000000",
        "/api/catalogue/skus?price_from=1e400000000",
        "/catalogue?price_from=1e400000000",
        "/auctions?page=" + "9" * 5_000,
        "/pools?start=-1",
    ],
)
async def test_a_query_out_of_bounds_is_refused(demo: Market, path: str) -> None:
    async with await logged_in(demo, "") as client:
        answer = await client.get(path, headers={"accept": "text/html,application/json"})
    assert answer.status_code in (400, 422), answer.text[:300]
    if path.startswith("/api/"):
        assert answer.json()["rule"] and answer.json()["field"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b'{"email": "\\ud800"}', b"9" * 5_000])
async def test_what_is_no_body_of_ours_is_answered_400(demo: Market, body: bytes) -> None:
    async with await logged_in(demo, "") as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text[:300]


@pytest.mark.parametrize("number", ["1E+400000000", "1E-400000000", "NaN"])
async def test_a_pool_that_an_older_release_let_in_is_listed_and_shown(demo: Market, number: str) -> None:
    (row,) = await demo.fetch("select pool_id, state from pools.pools order by opened_at limit 1")
    line = row["state"]["opened"]["lines"][0] | {"unit_price": number, "vat_rate": number}
    opened = row["state"]["opened"] | {"minimum_quantity": number, "title": LONG[:300_000], "lines": [line]}
    await demo.fetch(
        "update pools.pools set state = $2 where pool_id = $1", row["pool_id"], row["state"] | {"opened": opened}
    )
    try:
        async with await logged_in(demo, "") as visitor, await logged_in(demo, "agency") as agency:
            for client in (visitor, agency):
                for path in ("/pools", f"/pools/{row['pool_id']}", "/api/pools", f"/api/pools/{row['pool_id']}"):
                    answer = await client.get(path, headers={"accept": "text/html"})
                    assert answer.status_code == 200 and len(answer.content) < 5_000_000, (
                        f"{path}: {answer.status_code}"
                    )
    finally:
        await demo.fetch("update pools.pools set state = $2 where pool_id = $1", row["pool_id"], row["state"])
