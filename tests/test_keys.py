"""Every route of the API that changes something takes an ``Idempotency-Key``, and its document says so. With the key a
request takes effect only once, and another body is refused."""

import dis
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from events.pools import PoolMemberEnrolled
from events.quotes import QuoteRequestClosed
from infra.ids import new_id
from infra.web.app import guarded
from tests.market import Market
from tests.services.accounts import test_accounts as accounts
from tests.services.accounts.test_accounts import PASSWORD
from tests.services.catalogue.market_builders import Stall
from tests.services.pools import test_pools_service as pools
from tests.services.quotes import test_quotes_service as quotes
from tests.test_access import UNSAFE, composed, routes

HEADER = "Idempotency-Key"
WITHOUT_KEY = {"POST /api/login", "POST /api/token"}
"""Routes without a login, which change nothing that a repeat could change again. Each answer is a new token: to repeat
the first one, the market would have to store it."""


def changing(app: Litestar) -> Iterator[tuple[str, bool]]:
    """Each API route that changes something, and whether the OpenAPI document shows the key."""
    documented = {
        f"{method.upper()} {path}": operation
        for path, operations in app.openapi_schema.to_schema()["paths"].items()
        for method, operation in operations.items()
    }
    for method, path, _ in routes(app):
        if method in UNSAFE and path.startswith("/api/"):
            parts = [part.partition(":")[0] + "}" if ":" in part else part for part in path.split("/")]
            parameters = documented[f"{method} {'/'.join(parts)}"].get("parameters", [])
            yield f"{method} {path}", any(each["name"] == HEADER and each["in"] == "header" for each in parameters)


def test_every_changing_route_takes_the_key_or_says_why_not(tmp_path: Path) -> None:
    found = dict(changing(composed(tmp_path)))
    assert len(found) > 60
    assert {route for route, takes_key in found.items() if not takes_key} == WITHOUT_KEY


def test_every_route_that_takes_the_key_uses_it(tmp_path: Path) -> None:
    """A route may get it by a dependency that all routes of its controller could use."""
    takers = {"key", "idempotency_key", "keyed", "act"}
    for path, handler in guarded(composed(tmp_path)):
        taken = takers & handler.parsed_fn_signature.parameters.keys()
        code = handler.fn
        used = {each.argval for each in dis.get_instructions(code) if each.opname.startswith("LOAD_")}
        assert taken <= used, f"{path}: {taken}"
        if UNSAFE & set(handler.http_methods) and path.startswith("/api/"):
            names = {f"{method} {path}" for method in UNSAFE & set(handler.http_methods)}
            assert taken or names <= WITHOUT_KEY, path


class Caller:
    """One member at one route."""

    def __init__(self, client: httpx.AsyncClient, path: str, token: str = "") -> None:
        self._client, self._path = client, path
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.answered: Any = None

    async def send(self, body: Any, key: str = "", method: str = "POST") -> tuple[int, str]:
        """Send a request. Return the status, and the rule of a refusal."""
        headers = self.headers | ({HEADER: key} if key else {})
        answer = await self._client.request(method, self._path, json=body, headers=headers)
        self.answered = answer.json() if answer.content else {}
        return answer.status_code, self.answered.get("rule", "")


async def a_member(client: httpx.AsyncClient, path: str) -> tuple[Caller, str]:
    """A new member, with its address."""
    sent, _ = await accounts.registered(client)
    login = await accounts.session(client, sent["email"])
    return Caller(client, path, login.json()["token"]), sent["email"]


REUSED = (422, "idempotency-key-reused")


async def test_an_enrolment_under_a_key_counts_once(market: Market) -> None:
    lead, sku_id = await pools.a_buyer(market), await pools.a_sku(market)
    pool_id = await pools.a_pool(market, lead, sku_id)

    def firm(quantity: str) -> dict[str, Any]:
        return {"demands": [{"line_id": sku_id, "firm": quantity}]}

    async with market.client(lead) as client:
        enrolment, key = Caller(client, f"/api/pools/{pool_id}/enrolment"), new_id()
        assert await enrolment.send(firm("100"), key) == (200, "")
        assert await enrolment.send(firm("250"), key) == REUSED
        assert await enrolment.send(firm("300")) == (200, "")
        assert await enrolment.send(firm("100"), key) == (200, "")
    told = [each for each in await market.published("pools", PoolMemberEnrolled) if each.pool_id == pool_id]
    assert [each.demands[0].firm for each in told] == [100, 300]


async def test_a_request_for_quotes_is_withdrawn_once_and_the_key_is_valid_only_for_that_request(
    market: Market,
) -> None:
    buyer = await quotes.a_buyer(market)
    request_id, other_id = [await quotes.asked(market, buyer) for _ in range(2)]
    async with market.client(buyer) as client:
        withdrawal, key = Caller(client, f"/api/quotes/{request_id}/withdrawal"), new_id()
        assert [await withdrawal.send({"reason": "Not needed"}, key) for _ in range(2)] == [(200, "")] * 2
        assert await withdrawal.send({"reason": "Too dear"}, key) == REUSED
        other = Caller(client, f"/api/quotes/{other_id}/withdrawal")
        assert await other.send({"reason": "Too dear"}, key) == (200, "")
    told = await market.published("quotes", QuoteRequestClosed)
    assert [each.request_id for each in told if each.request_id in (request_id, other_id)] == [request_id, other_id]


async def test_what_was_put_into_a_basket_and_taken_out_is_not_put_in_again(market: Market) -> None:
    stall = Stall(market)
    sku_id = await stall.published(f"Lamp {new_id()}")
    async with market.client(stall.buyer) as client:
        basket, put, taken = Caller(client, f"/api/catalogue/basket/{sku_id}"), new_id(), new_id()
        assert [await basket.send({"quantity": "5"}, put, "PUT") for _ in range(2)] == [(200, "")] * 2
        assert await basket.send({"quantity": "50"}, put, "PUT") == REUSED
        assert await basket.send(None, taken, "DELETE") == (200, "")
        assert await basket.send({"quantity": "5"}, put, "PUT") == (200, "")
        assert basket.answered["lines"] == []
        assert await basket.send(None, taken, "DELETE") == (200, "")


async def test_a_new_password_under_a_key_is_set_once(market: Market) -> None:
    async with market.client() as client:
        change, email = await a_member(client, "/api/me/password")
        wanted, key = {"current": PASSWORD, "password": "another harbour"}, new_id()
        assert [await change.send(wanted, key) for _ in range(2)] == [(204, "")] * 2
        assert await change.send(wanted | {"password": "a third harbour"}, key) == REUSED
        assert await change.send(wanted) == (422, "password-wrong")
        assert (await accounts.session(client, email, "another harbour")).status_code == 200


async def test_settings_of_mail_under_a_key_are_set_once_and_answered_as_they_were(market: Market) -> None:
    async with market.client() as client:
        settings, _ = await a_member(client, "/api/notifications")

        async def heard_of() -> bool:
            return await settings.send({}) == (200, "")

        await market.eventually(heard_of)
        key = new_id()
        assert await settings.send({"hour": 9}, key) == (200, "")
        assert await settings.send({"hour": 10}, key) == REUSED
        assert await settings.send({"hour": 11}) == (200, "")
        assert await settings.send({"hour": 9}, key) == (200, "")
        assert settings.answered["preferences"]["hour"] == 9
        kept = (await client.get("/api/notifications", headers=settings.headers)).json()
        assert kept["member"]["preferences"]["hour"] == 11


async def test_the_key_of_an_act_that_was_refused_stays_free(market: Market) -> None:
    async with market.client() as client:
        change, _ = await a_member(client, "/api/me/password")
        wanted, key = {"current": "not this one", "password": "another harbour"}, new_id()
        assert await change.send(wanted, key) == (422, "password-wrong")
        assert await change.send(wanted | {"current": PASSWORD}, key) == (204, "")
