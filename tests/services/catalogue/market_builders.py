"""Builders for the catalogue on a running market: suppliers, a buyer and a moderator with their clients, cards and
offers."""

from decimal import Decimal
from typing import Any

import httpx
import msgspec

from catalogue.roles import BUYER_OFFICER, MODERATOR, OBSERVER, SUPPLIER_AGENT
from events.accounts import OrganisationRegistered
from events.values import Place
from infra.ids import new_id
from infra.tokens import Principal
from tests.market import Market

D = Decimal


def a_member(role: str, name: str = "Alba") -> Principal:
    """A member of a new organisation in Moscow."""
    number = new_id()
    return Principal(
        member_id=f"member-{number}",
        name=name,
        organisation_id=f"organisation-{number}",
        organisation_name=f"{name} {number[-4:]}",
        roles=(role,),
        country="RU",
        region="RU-MOW",
    )


def a_card(name: str, **changes: Any) -> dict[str, Any]:
    """A SKU whose category requires no attributes; its name determines which cards are similar."""
    words = [{"name": f"trait {place}", "value": f"{name} {place}", "unit": ""} for place in range(4)]
    plain = {"name": name, "category": "37000000", "attributes": words, "base_unit": "C62", "pack_size": "10"}
    return plain | changes


def some_terms(sku_id: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "sku_id": sku_id,
        "price": "100.00",
        "vat_rate": "20",
        "regions": ["RU-MOW"],
        "delivery_days": 3,
        "min_quantity": "1",
        "max_quantity": "1000",
    }
    return plain | changes


class Stall:
    """The actors of a test, who act through the JSON API."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.moderator = a_member(MODERATOR, "Mo")
        self.buyer = a_member(BUYER_OFFICER, "City")
        self.observer = a_member(OBSERVER, "Eye")

    async def supplier(self, name: str = "Alba", time_zone: str = "Europe/Moscow") -> Principal:
        """A registered supplier that the catalogue knows."""
        principal = a_member(SUPPLIER_AGENT, name)
        await self.market.publish(
            OrganisationRegistered(
                organisation_id=principal.organisation_id,
                roles=("supplier",),
                name=principal.organisation_name,
                place=Place(country="RU", region="RU-MOW", locality="Moscow"),
                time_zone=time_zone,
            )
        )
        await self.market.eventually(
            lambda: self.market.fetch(
                "select 1 from catalogue.organisations where organisation_id = $1", principal.organisation_id
            )
        )
        return principal

    async def post(self, who: Principal | None, path: str, body: Any = None, key: str = "") -> httpx.Response:
        async with self.market.client(who) as client:
            headers = {"idempotency-key": key} if key else {}
            return await client.post(f"/api/catalogue{path}", json=body, headers=headers)

    async def get(self, path: str, who: Principal | None = None, **parameters: Any) -> Any:
        async with self.market.client(who) as client:
            answer = await client.get(f"/api/catalogue{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def published(self, name: str, **changes: Any) -> str:
        """The id of a published SKU, even if cards of other tests are similar."""
        made = await self.post(self.buyer, "/skus", a_card(name, **{"none_of_these": True, **changes}))
        assert made.status_code == 201, made.text
        sku_id: str = made.json()["sku"]["sku_id"]
        assert (await self.post(self.moderator, f"/skus/{sku_id}/publish")).status_code == 200
        return sku_id

    async def make_urgent(self, sku_ids: list[str]) -> None:
        """Move these SKUs to the head of the moderators' queue, before those of other tests."""
        await self.market.fetch(
            "update catalogue.skus set decide_by = decide_by - interval '9 years' where sku_id = any($1)", sku_ids
        )

    async def offer(self, who: Principal, sku_id: str, **changes: Any) -> str:
        made = await self.post(who, "/offers", some_terms(sku_id, **changes))
        assert made.status_code == 201, made.text
        offer_id: str = made.json()["offer"]["offer_id"]
        return offer_id

    async def happened(self, kind: type[msgspec.Struct], sku_id: str) -> list[Any]:
        """The events of a kind about the SKU, in order."""
        return [event for event in await self.market.published("catalogue", kind) if event.sku_id == sku_id]
