"""Builders of organisations and auctions on the running market, made through the same events and routes as everywhere."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from catalogue.calendar import RegionCalendar
from catalogue.policy import Duration
from catalogue.policy import load as policy_named
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.accounts import OrganisationRegistered
from events.auctions import Scoring
from events.values import Place
from infra.ids import new_id
from infra.tokens import Principal
from services.auctions.handlers import NewAuction, NewLine, open_for_buyer
from tests.market import Market

MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")
SETTLED = timedelta(seconds=2)


def on_a_working_day(market: Market) -> None:
    """Move the clock to a working day of the buyers, so that acts that need one can be tested on any day."""
    calendar = RegionCalendar("Europe/Moscow", "RU")
    while not calendar.is_working_day(calendar.local(market.clock()).date()):
        market.clock.advance(timedelta(days=1))


async def an_organisation(market: Market, role: str, *, state: str = "active", name: str = "") -> Principal:
    """Register an organisation that the service of auctions knows, with a member that has the role."""
    organisation_id = new_id()
    name = name or f"{role.title()} {organisation_id[-6:]}"
    await market.publish(
        OrganisationRegistered(
            organisation_id=organisation_id,
            roles=(role,),
            name=name,
            state=state,
            place=MOSCOW,
            time_zone="Europe/Moscow",
        )
    )

    async def known() -> Any:
        return await market.fetch("select 1 from auctions.organisations where organisation_id = $1", organisation_id)

    await market.eventually(known)
    return Principal(
        member_id=new_id(),
        name=f"Agent of {name}",
        organisation_id=organisation_id,
        organisation_name=name,
        roles=(BUYER_OFFICER if role == "buyer" else SUPPLIER_AGENT,),
        country="RU",
        region="RU-MOW",
    )


def paper(**changes: Any) -> dict[str, Any]:
    """1000.00 RUB of paper, 24 minutes, step 10.00."""
    line = {
        "description": "Paper A4",
        "category": "30197630",
        "quantity": "100",
        "unit": "piece",
        "unit_price": "10.00",
    }
    return {
        "title": "Office paper",
        "kind": "goods",
        "lines": [line],
        "duration_minutes": 24,
        "step_percent": "1",
    } | changes


@dataclass
class Scene:
    """A running auction with its buyer and suppliers a, b, c."""

    market: Market
    auction_id: str
    buyer: Principal
    suppliers: dict[str, Principal]

    async def bid(self, who: str, amount: str, key: str | None = None) -> httpx.Response:
        headers = {"idempotency-key": key} if key else {}
        async with self.market.client(self.suppliers[who]) as client:
            return await client.post(f"/api/auctions/{self.auction_id}/bids", json={"amount": amount}, headers=headers)

    async def view(self) -> dict[str, Any]:
        async with self.market.client() as client:
            answer = await client.get(f"/api/auctions/{self.auction_id}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def log(self) -> list[dict[str, Any]]:
        async with self.market.client() as client:
            answer = await client.get(f"/api/auctions/{self.auction_id}/bids")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def events(self, kind: type) -> list[Any]:
        return [event for event in await self.market.published("auctions", kind) if event.auction_id == self.auction_id]

    async def close(self) -> dict[str, Any]:
        """Let time pass to the end of the auction and of the settle window, and wait for the timer."""
        ends = (
            await self.market.fetch("select closes_at from auctions.auctions where auction_id = $1", self.auction_id)
        )[0]["closes_at"]
        ahead = ends - self.market.clock() + SETTLED
        if ahead > timedelta():
            self.market.clock.advance(ahead)

        async def closed() -> Any:
            view = await self.view()
            return view if view["status"] == "closed" else None

        found: dict[str, Any] = await self.market.eventually(closed)
        return found


async def a_scene(market: Market, **changes: Any) -> Scene:
    buyer = await an_organisation(market, "buyer")
    suppliers = {who: await an_organisation(market, "supplier") for who in "abc"}
    async with market.client(buyer) as client:
        answer = await client.post("/api/auctions", json=paper(**changes))
    assert answer.status_code == 201, answer.text
    return Scene(market, answer.json()["auction_id"], buyer, suppliers)


async def a_scene_under(market: Market, policy: str, minutes: int, scoring: Scoring | None = None) -> Scene:
    """Open an auction for 1000.00 of street lamps with a step of 10.00, under another policy than the market's, with the
    duration that the test needs."""
    rules = policy_named(policy)
    length = Duration(minutes=minutes, kinds=("goods",), autobid_seconds=rules.auction.durations[0].autobid_seconds)
    rules = msgspec.structs.replace(rules, auction=msgspec.structs.replace(rules.auction, durations=(length,)))
    buyer = await an_organisation(market, "buyer", name="Lighting Office")
    suppliers = {who: await an_organisation(market, "supplier") for who in "abc"}
    lamps = NewLine(
        description="Street lamps", category="31500000", quantity=Decimal(100), unit="piece", unit_price=Decimal(10)
    )
    wanted = NewAuction(
        title="Street lamps",
        lines=(lamps,),
        duration_minutes=minutes,
        step_percent=Decimal(1),
        scoring=scoring or Scoring(),
    )
    async with market.resources.database.transaction("auctions") as tx:
        auction_id = await open_for_buyer(tx, wanted, buyer, rules, new_id())
    return Scene(market, auction_id, buyer, suppliers)
