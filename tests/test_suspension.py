"""A suspension through all services, from the breaches to its effects: it is judged, accounts suspends, the others
refuse with their rules; earlier obligations are finished, and after the end of the suspension everything is possible
again."""

from datetime import timedelta
from typing import Any

from infra.ids import new_id
from infra.tokens import Principal
from tests.market import Market
from tests.services.accounts.test_accounts import PASSWORD
from tests.services.auctions.market_builders import paper
from tests.services.catalogue.market_builders import some_terms
from tests.services.contracts.market_builders import Town, a_won_auction, an_offer, in_time
from tests.services.contracts.test_contracts_signed import signed


async def a_registered(market: Market, kind: str, name: str) -> Principal:
    email = f"{new_id()}@town.example"
    async with market.client() as client:
        answer = await client.post(
            "/api/register",
            json={
                "kind": kind,
                "organisation": f"{name} {email}",
                "country": "RU",
                "region": "RU-MOW",
                "name": "Ann",
                "email": email,
                "password": PASSWORD,
                "language": "en",
            },
        )
        assert answer.status_code == 201, answer.text
        found = (await client.post("/api/login", json={"email": email, "password": PASSWORD})).json()["principal"]
    return Principal(**{**found, "roles": tuple(found["roles"])})


async def a_registered_town(market: Market) -> Town:
    buyers = [await a_registered(market, "buyer", name) for name in ("School", "Clinic")]
    suppliers = [await a_registered(market, "supplier", f"Supplier {rank}") for rank in range(1, 5)]
    town = Town(market, *buyers, tuple(suppliers))
    for member in (*buyers, *suppliers):
        await in_state(town, member, "active")
    return town


async def in_state(town: Town, member: Principal, state: str) -> None:
    """Wait until every service that stores the organisation has this state."""
    services = ("accounts", "auctions", "catalogue", "pools", "contracts")
    query = " union all ".join(
        f"select state from {each}.organisations where organisation_id = $1" for each in services
    )

    async def everywhere() -> bool:
        found = await town.market.fetch(query, member.organisation_id)
        return [row["state"] for row in found] == [state] * len(services)

    await town.market.eventually(everywhere)


async def refused(town: Town, member: Principal, path: str, body: Any) -> str:
    status, answer = await town.post(member, path, body)
    assert status in (409, 422), answer
    return str(answer["rule"])


async def test_an_evading_supplier_is_shut_out_finishes_what_it_owes_and_comes_back(market: Market) -> None:
    town = await a_registered_town(market)
    supplier = town.suppliers[0]
    _, owed = await a_won_auction(town)
    offer = await an_offer(town)
    status, opened = await town.post(town.clinic, "/api/auctions", paper())
    assert status == 201, opened
    bids = f"/api/auctions/{opened['auction_id']}/bids"
    for _ in range(3):
        _, contract_id = await a_won_auction(town)
        await town.refuse(supplier, contract_id)
    await in_state(town, supplier, "suspended")

    assert await refused(town, supplier, bids, {"amount": "900.00"}) == "supplier-not-active"
    assert await refused(town, supplier, "/api/catalogue/offers", some_terms(offer.sku_id)) == "organisation-not-active"
    purchase = {"offer_id": offer.offer_id, "quantity": "10"}
    assert await refused(town, town.clinic, "/api/contracts/purchases", purchase) == "organisation-not-active"
    await signed(town, owed)
    card = await town.read(None, f"/api/organisations/{supplier.organisation_id}")
    assert card["state"] == "suspended"
    async with market.browser() as browser:
        page = await browser.get(f"/organisations/{supplier.organisation_id}")
        assert f"/organisations/{supplier.organisation_id}/record" in page.text
    async with market.browser(supplier) as browser:
        assert "/contracts/sanctions" in (await browser.get("/account")).text

    market.clock.advance(timedelta(minutes=31))  # the demonstration's three months
    await in_state(town, supplier, "active")


async def test_a_refusing_buyer_opens_and_joins_nothing_until_a_moderator_lifts_it(market: Market) -> None:
    town = await a_registered_town(market)
    _, lapsed = await a_won_auction(town)
    _, owed = await a_won_auction(town)
    await town.step(town.suppliers[0], lapsed, "supplier-offer")
    in_time(town, 15)
    await town.step(town.suppliers[0], owed, "supplier-offer")
    in_time(town, 16)
    await in_state(town, town.school, "suspended")

    assert await refused(town, town.school, "/api/auctions", paper()) == "buyer-not-active"
    pool = {
        "title": "Paper",
        "lines": [{"sku_id": new_id(), "unit_price": "10.00"}],
        "minimum_quantity": "1",
        "enrolment_ends_at": (market.clock() + timedelta(days=9)).isoformat(),
    }
    assert await refused(town, town.school, "/api/pools", pool) == "not-an-active-buyer"
    offer = await an_offer(town)
    purchase = {"offer_id": offer.offer_id, "quantity": "10"}
    assert await refused(town, town.school, "/api/contracts/purchases", purchase) == "organisation-not-active"
    assert (await town.step(town.school, owed, "buyer-draft"))[0] == 201

    (one,) = await town.read(town.school, "/api/contracts/sanctions")
    appeal = f"/api/contracts/sanctions/{one['sanction_id']}/appeal"
    assert (await town.post(town.school, appeal, {"reasons": "The line was down"}))[0] == 201
    moderator = Principal(
        member_id=new_id(), name="Mo", organisation_id=new_id(), organisation_name="Operator", roles=("moderator",)
    )
    decision = f"/api/contracts/appeals/{one['sanction_id']}/decision"
    assert (await town.post(moderator, decision, {"decision": "lifted", "explanation": "It was"}))[0] == 201
    await in_state(town, town.school, "active")
    assert (await town.post(town.school, "/api/auctions", paper()))[0] == 201
