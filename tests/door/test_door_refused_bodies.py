"""Bodies that are too large, out of bounds or missing are refused, with field and rule."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.door.outside import REGISTRATION, Outside

LONG = "я" * 100_000
LINE = {"description": "Paper", "category": "30197630", "unit": "piece", "quantity": "10", "unit_price": "10"}
AUCTION: Mapping[str, Any] = {"title": "Paper", "lines": [LINE], "duration_minutes": 24, "step_percent": "1"}
POOL: Mapping[str, Any] = {
    "title": "Paper",
    "lines": [{"sku_id": "s", "unit_price": "10", "vat_rate": "20"}],
    "minimum_quantity": "10",
    "enrolment_ends_at": "2030-01-01T00:00:00Z",
}
BOMB = {"sku_id": "s", "unit_price": "1e400000000"}
OFFER: Mapping[str, Any] = {
    "sku_id": "s",
    "price": "10",
    "vat_rate": "20",
    "regions": ["RU"],
    "delivery_days": 3,
    "max_quantity": "100",
}
QUOTES: Mapping[str, Any] = {"title": "Paper", "lines": [], "closes_at": "2026-12-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("who", "path", "body", "field", "rule"),
    [
        ("", "/api/register", REGISTRATION | {"organisation": LONG}, "organisation", "too-long"),
        ("", "/api/register", REGISTRATION | {"name": LONG}, "name", "too-long"),
        ("", "/api/register", REGISTRATION | {"locality": LONG}, "locality", "too-long"),
        ("", "/api/register", REGISTRATION | {"categories": [{"code": "30"}] * 9_000}, "categories", "too-many"),
        ("", "/api/register", REGISTRATION | {"name": "\u200b\u200b"}, "name", "invisible-text"),
        ("", "/api/register", REGISTRATION | {"name": "a\u0000b"}, "name", "control-character"),
        ("buyer_officer", "/api/auctions", AUCTION | {"title": LONG}, "title", "too-long"),
        ("buyer_officer", "/api/auctions", AUCTION | {"lines": [LINE] * 1_000}, "lines", "too-many"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "1e400000000"}, "vat_rate", "out-of-range"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("buyer_officer", "/api/auctions", AUCTION | {"vat_rate": "101"}, "vat_rate", "out-of-range"),
        ("buyer_officer", "/api/auctions", AUCTION | {"opens_at": "2026-12-01T09:00:00"}, "opens_at", "no-zone"),
        ("buyer_officer", "/api/auctions", AUCTION | {"opens_at": "9999-12-31T00:00:00Z"}, "opens_at", "too-far"),
        ("buyer_officer", "/api/auctions", AUCTION | {"place": {"country": LONG}}, "place.country", "too-long"),
        ("buyer_officer", "/api/pools", POOL | {"title": LONG}, "title", "too-long"),
        ("buyer_officer", "/api/pools", POOL | {"minimum_quantity": "1e400000000"}, "minimum_quantity", "out-of-range"),
        ("buyer_officer", "/api/pools", POOL | {"lines": [BOMB]}, "lines.0.unit_price", "out-of-range"),
        ("buyer_officer", "/api/pools", POOL | {"enrolment_ends_at": "2030-01-01T00:00:00"}, "enrolment_ends_at", "no-zone"),
        ("buyer_officer", "/api/pools/x/cancel", {"reason": LONG}, "reason", "too-long"),
        ("buyer_officer", "/api/quotes", QUOTES | {"closes_at": "2026-12-01T00:00:00"}, "closes_at", "no-zone"),
        ("supplier_agent", "/api/quotes/x/mine", {"prices": {"1": "1e-400000000"}, "delivery_days": 1}, "prices.1", "too-many-decimals"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"vat_rate": "NaN"}, "vat_rate", "not-finite"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"price": "1e400000000"}, "price", "out-of-range"),
        ("supplier_agent", "/api/catalogue/offers", OFFER | {"regions": ["RU"] * 30_000}, "regions", "too-many"),
        ("supplier_agent", "/api/auctions/x/bids", {"amount": "1e400000000"}, "amount", "out-of-range"),
    ],
)  # fmt: skip
async def test_a_body_out_of_bounds_is_refused_by_field_and_rule(
    market: Outside, who: str, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    async with market.client(who) as client:
        answer = await client.post(path, json=body)
    said = answer.json()
    assert (answer.status_code, said["field"], said["rule"]) == (422, field, rule), answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json" and len(answer.content) < 2_000


async def test_a_body_with_a_name_of_two_million_letters_is_refused(market: Outside) -> None:
    async with market.client() as client:
        answer = await client.post("/api/register", json=REGISTRATION | {"name": "я" * 2_000_000})
    assert answer.status_code in (413, 422), answer.text[:300]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"[" + b"1," * 70_000 + b"1]"])
async def test_a_body_with_more_parts_than_any_valid_one_is_refused_before_it_is_parsed(
    market: Outside, body: bytes
) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413, answer.text[:300]


@pytest.mark.parametrize("body", [b"[" * 9_000, b'{"a":' * 9_000, b"\xff", b'{"email": "\\ud800"}', b"9" * 5_000])
async def test_a_body_that_cannot_be_decoded_is_answered_400(market: Outside, body: bytes) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text[:300]


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_the_refusal_of_a_request_without_a_body_says_that_it_needs_one(
    market: Outside, headers: dict[str, str]
) -> None:
    async with market.client() as client:
        answer = await client.post("/api/login", headers=headers)
    told = answer.json()
    assert (answer.status_code, told["rule"], told["detail"]) == (400, "no-body", "The request needs a JSON body.")
