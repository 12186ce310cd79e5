"""The API's document is OpenAPI 3.1, has every route, and is true: every answer is as it says."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.openapi.plugins import OpenAPIRenderPlugin
from requests import Session
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.ids import new_id
from infra.web import openapi
from tests.market import Market
from tests.services.auctions.market_builders import paper
from tests.test_access import composed, routes

DOCUMENT = "/api/schema/openapi.json"
EXAMPLES = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KNOWN = {
    "auction_id": "auctions.auctions.auction_id",
    "contract_id": "contracts.contracts.contract_id",
    "item_key": "observatory.items.item_key",
    "offer_id": "catalogue.offers.offer_id",
    "opportunity_id": "recommender.opportunities.opportunity_id",
    "organisation_id": "accounts.organisations.organisation_id",
    "pool_id": "pools.pools.pool_id",
    "purchase_id": "purchases.purchases.process_id",
    "reference_id": "observatory.snapshots.reference_id",
    "request_id": "quotes.quote_requests.request_id",
    "sku_id": "catalogue.skus.sku_id",
}
"""The tables with ids for paths: made-up ids would always be answered with 404."""


@pytest.fixture(scope="module")
async def document(market: Market) -> dict[str, Any]:
    async with market.client() as visitor:
        answer = await visitor.get(DOCUMENT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_shows_the_document_wants_nothing_of_another_site(market: Market) -> None:
    async with market.client() as visitor:
        answer = await visitor.get("/api/schema")
        footer = (await visitor.get("/")).text
    assert answer.status_code == 200 and "<script" not in answer.text
    assert f'href="{DOCUMENT}"' in footer


async def test_document_is_3_1_and_has_every_route_and_says_which_need_a_token(
    document: dict[str, Any], tmp_path: Path
) -> None:
    assert document["openapi"].startswith("3.1")
    for method, path, access in routes(composed(tmp_path)):
        if path.startswith("/api/"):
            operation = document["paths"][plain(path)][method.lower()]
            assert ("security" in operation) == (access != "public"), f"{method} {path}"


async def test_the_document_is_made_for_its_first_readers_and_not_for_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Litestar] = []
    monkeypatch.setattr(openapi, "describe", lambda app, describe=openapi.describe: (made.append(app), describe(app)))
    app = composed(tmp_path)
    assert made == []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://market") as visitor:
        first, second = await asyncio.gather(visitor.get(DOCUMENT), visitor.get(DOCUMENT))
    assert made and first.json() == second.json()
    assert first.json()["paths"]["/api/login"]["post"]["responses"]["default"] == {
        "$ref": "#/components/responses/Problem"
    }


async def test_the_document_is_written_once_and_only_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = OpenAPIRenderPlugin.render_json
    monkeypatch.setattr(
        OpenAPIRenderPlugin,
        "render_json",
        staticmethod(lambda request, schema: (written.append(1), write(request, schema))[1]),
    )
    app = composed(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://market") as visitor:
        answers = [await visitor.get(DOCUMENT) for _ in range(3)]
        for name in ("openapi.yaml", "openapi.yml"):
            assert (await visitor.get(f"/api/schema/{name}")).status_code == 404
    assert len({answer.content for answer in answers}) == 1 and len(written) == 1


async def test_every_object_of_a_body_is_documented_to_take_no_other_members(tmp_path: Path) -> None:
    app = composed(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://market") as visitor:
        found = (await visitor.get(DOCUMENT)).json()
    schemas, open_, tried = found["components"]["schemas"], [], set[str]()

    def look(schema: Any, where: str) -> None:
        if isinstance(schema, list):
            for each in schema:
                look(each, where)
        elif isinstance(schema, dict):
            name = str(schema.get("$ref", "")).rpartition("/")[2]
            if name and name not in tried:
                tried.add(name)
                look(schemas[name], name)
            if "properties" in schema and schema.get("additionalProperties") is not False:
                open_.append(where)
            for part in schema.values():
                look(part, where)

    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            look(operation.get("requestBody") if isinstance(operation, dict) else None, f"{method} {path}")
    assert {"NewAuction", "OfferTerms"} <= {name.rpartition("_")[2] for name in tried} and len(tried) > 50
    assert open_ == []


def plain(path: str) -> str:
    """A path such as ``/x/{id:str}`` in the form ``/x/{id}``."""
    return path.replace(":str}", "}").replace(":path}", "}").replace(":int}", "}")


def a_wish(market: Market) -> dict[str, Any]:
    """A request for quotes on paper."""
    line = {"description": "Paper", "category": "30197630", "unit": "piece", "quantity": "2"}
    return {"title": "Paper", "lines": [line], "closes_at": (market.clock() + timedelta(hours=1)).isoformat()}


async def test_every_answer_is_as_documented(market: Market) -> None:
    buyer, supplier = await a_member(market, "buyer"), await a_member(market, "supplier")
    async with market.client() as client:

        async def opened() -> bool:
            return (await client.post("/api/auctions", json=paper(), headers=buyer)).is_success

        async def asked() -> bool:
            return (await client.post("/api/quotes", json=a_wish(market), headers=buyer)).is_success

        await market.eventually(opened)
        await market.eventually(asked)
    known = {}
    for name, place in KNOWN.items():
        table, _, column = place.rpartition(".")
        if rows := await market.fetch(f"select {column} from {table} order by 1 limit 1"):
            known[name] = rows[0][column]
    # The market runs in this thread's loop, and the requests are sent from another.
    failures = await asyncio.to_thread(tried, market.url, [{}, buyer, supplier], known)
    assert not failures, "\n\n".join(failures)


async def a_member(market: Market, kind: str) -> dict[str, str]:
    """The headers of a registered member."""
    password = "a long walk in the dunes"
    form = {
        "kind": kind,
        "organisation": f"A {kind} that tries all",
        "country": "RU",
        "region": "RU-MOW",
        "name": "Trier",
        "email": f"{new_id()}@{kind}.example",
        "password": password,
    }
    async with market.client() as client:
        (await client.post("/api/register", json=form)).raise_for_status()
        login = await client.post("/api/login", json={"email": form["email"], "password": password})
    return {"authorization": f"Bearer {login.json()['token']}"}


def tried(url: str, identities: list[dict[str, str]], known: dict[str, str]) -> list[str]:
    """The first failure of each operation."""
    failures: dict[str, str] = {}
    schema = schemathesis.openapi.from_url(url + DOCUMENT)
    with Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            names = {name: known[name] for name in known if f"{{{name}}}" in operation.path}

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(
                case=operation.as_strategy(path_parameters=names) if names else operation.as_strategy(),
                headers=st.sampled_from(identities),
            )
            def one(case: Any, headers: dict[str, str]) -> None:
                label = case.operation.label
                if label not in failures:
                    try:
                        case.call_and_validate(session=session, headers=headers, checks=CHECKS, timeout=20)
                    except (Failure, FailureGroup) as failure:
                        causes = failure.exceptions if isinstance(failure, FailureGroup) else [failure]
                        failures[label] = f"{label}: {'; '.join(str(cause) for cause in causes)}\n{failure}"[:3000]

            one()
    return list(failures.values())
