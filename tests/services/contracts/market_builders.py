"""Builders on the running market of what can be signed: organisations, a won mini-auction, an allocated pool, an offer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionOpened, BidDisclosed
from events.catalogue import OfferPublished, SkuPublished, Tier
from events.pools import Allocation, PoolAllocated, PoolOpened
from infra.ids import new_id
from infra.tokens import Principal
from tests.market import Market
from tests.services.contracts.builders import LINES, PAPER, PLACE, a_line

AMOUNTS = ("800.00", "810.01", "850.00", "990.00")


@dataclass
class Town:
    """Two buyers and four suppliers of one test that the service knows."""

    market: Market
    school: Principal
    clinic: Principal
    suppliers: tuple[Principal, ...]

    async def tell(self, *events: Any) -> None:
        await self.market.publish(*events)

    async def read(self, principal: Principal | None, path: str, **parameters: str) -> Any:
        async with self.market.client(principal) as client:
            answer = await client.get(path, params=parameters)
            return answer.json() if answer.status_code == 200 else answer.status_code

    async def post(self, principal: Principal, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        async with self.market.client(principal) as client:
            answer = await client.post(path, json=body, headers={"idempotency-key": key} if key else {})
            return answer.status_code, answer.json()

    async def contracts(self, process_id: str, buyer: Principal | None = None, *, count: int = 1) -> list[Any]:
        """Return the buyer's contracts of a process, by rank, once there are so many."""

        async def there() -> list[Any]:
            found = await self.read(buyer or self.school, "/api/contracts", process=process_id)
            return sorted(found["contracts"], key=lambda each: each["rank"]) if found["total"] == count else []

        return await self.market.eventually(there)

    async def step(self, principal: Principal, contract_id: str, step: str) -> tuple[int, Any]:
        return await self.post(principal, f"/api/contracts/{contract_id}/steps", {"step": step})

    async def refuse(self, principal: Principal, contract_id: str) -> tuple[int, Any]:
        return await self.post(
            principal, f"/api/contracts/{contract_id}/refuse", {"explanation": "Our mill burnt down"}
        )

    async def events(self, kind: Any, process_id: str) -> list[Any]:
        return [event for event in await self.market.published("contracts", kind) if event.process_id == process_id]


def a_member(name: str, role: str) -> Principal:
    return Principal(
        member_id=new_id(), name=f"{name}'s member", organisation_id=new_id(), organisation_name=name, roles=(role,)
    )


async def a_town(market: Market) -> Town:
    school, clinic = a_member("School No. 1", "buyer_officer"), a_member("Clinic", "buyer_officer")
    suppliers = tuple(a_member(f"Supplier {rank}", "supplier_agent") for rank in range(1, 5))
    for member in (school, clinic, *suppliers):
        await market.publish(
            OrganisationRegistered(
                organisation_id=member.organisation_id,
                roles=("buyer" if "buyer_officer" in member.roles else "supplier",),
                name=member.organisation_name,
                place=PLACE,
                time_zone="Europe/Moscow",
            )
        )
    ids = [member.organisation_id for member in (school, clinic, *suppliers)]
    await market.eventually(lambda: _known(market, ids))
    return Town(market, school, clinic, suppliers)


async def _known(market: Market, ids: list[str]) -> bool:
    """Return whether the services that need the town's members know them. A former release has fewer services."""
    services = [
        each
        for each in ("contracts", "purchases", "conduct")
        if (await market.fetch(f"select to_regclass('{each}.organisations') is not null as there"))[0]["there"]
    ]
    counts = [
        (
            await market.fetch(
                f"select count(*) as n from {each}.organisations where organisation_id = any($1::text[])", ids
            )
        )
        for each in services
    ]
    return all(rows[0]["n"] == len(ids) for rows in counts)


def an_auction(town: Town, *, amounts: tuple[str, ...] = AMOUNTS, pool_id: str | None = None) -> list[Any]:
    """Build the events of an auction: opened, the disclosed bids, closed. The suppliers bid in their order."""
    auction_id, now = new_id(), town.market.clock()
    opened = AuctionOpened(
        auction_id=auction_id,
        buyer_id=town.school.organisation_id,
        buyer_name=town.school.organisation_name,
        title="Paper for the term",
        kind="goods",
        category=PAPER,
        place=PLACE,
        currency="RUB",
        initial_price=D("1000.00"),
        step=D("5.00"),
        lines=LINES,
        policy="demo",
        opens_at=now,
        closes_at=now,
        pool_id=pool_id,
    )
    disclosed = [
        BidDisclosed(
            auction_id=auction_id,
            bid_id=new_id(),
            supplier_id=supplier.organisation_id,
            participant=rank,
            rank=rank,
            amount=D(amount),
            currency="RUB",
            bid_at=now,
        )
        for rank, (supplier, amount) in enumerate(zip(town.suppliers, amounts, strict=False), start=1)
    ]
    closed = AuctionClosed(
        auction_id=auction_id,
        buyer_id=town.school.organisation_id,
        title="Paper for the term",
        kind="goods",
        category=PAPER,
        place=PLACE,
        currency="RUB",
        initial_price=D("1000.00"),
        outcome="successful" if amounts else "unsuccessful",
        amount=D(amounts[0]) if amounts else None,
        winner_id=town.suppliers[0].organisation_id if amounts else None,
        participants=len(amounts),
        bids=len(amounts),
        lines=(a_line("1", "480.00"), a_line("2", "320.00", quantity="3")) if amounts else (),
        policy="demo",
        opened_at=now,
        closed_at=now,
        pool_id=pool_id,
    )
    return [opened, *disclosed, closed]


async def a_won_auction(town: Town, *, amounts: tuple[str, ...] = AMOUNTS) -> tuple[str, str]:
    """Return (auction id, id of the winner's contract)."""
    events = an_auction(town, amounts=amounts)
    await town.tell(*events)
    (contract,) = await town.contracts(events[0].auction_id)
    return events[0].auction_id, contract["contract_id"]


def a_pool(town: Town) -> tuple[PoolOpened, list[Any], PoolAllocated]:
    """Build a pool of 800.00 for school and clinic together that the first supplier won: the pool, its auction, and the
    allocations."""
    pool_id = new_id()
    opened = PoolOpened(
        pool_id=pool_id,
        lead_id=town.school.organisation_id,
        lead_name=town.school.organisation_name,
        title="Paper together",
        kind="goods",
        category=PAPER,
        currency="RUB",
        regions=(),
        lines=(a_line("1", "1000.00"),),
        minimum_quantity=D(1),
        enrolment_ends_at=town.market.clock(),
        below_minimum="cancel",
        savings_rule="equal",
        policy="demo",
        duration_minutes=3,
    )
    auction = an_auction(town, pool_id=pool_id)
    parts = [
        Allocation(
            member_id=member.organisation_id,
            member_name=member.organisation_name,
            place=PLACE,
            lines=(a_line("1", amount),),
            amount=D(amount),
            standalone=D(amount),
            saving=D(0),
        )
        for member, amount in ((town.school, "480.00"), (town.clinic, "320.00"))
    ]
    allocated = PoolAllocated(
        pool_id=pool_id,
        auction_id=auction[0].auction_id,
        lead_id=town.school.organisation_id,
        title="Paper together",
        kind="goods",
        category=PAPER,
        currency="RUB",
        supplier_id=town.suppliers[0].organisation_id,
        amount=D("800.00"),
        standalone=D("800.00"),
        saving=D(0),
        allocations=tuple(parts),
    )
    return opened, auction, allocated


async def a_shared_pool(town: Town) -> str:
    """Return the id of an allocated pool whose contracts are due."""
    opened, auction, allocated = a_pool(town)
    await town.tell(opened, *auction, allocated, allocated)
    return opened.pool_id


async def an_offer(town: Town, **changes: Any) -> OfferPublished:
    """Publish an offer of the first supplier: 10 to 5000 packs at 300.00, from 100 packs on at 280.00, valid now."""
    today: date = town.market.clock().astimezone(UTC).date()
    sku = SkuPublished(
        sku_id=changes.get("sku_id") or new_id(),
        version=1,
        name="Paper A4",
        category=changes.get("category", PAPER),
        attributes=(),
        base_unit="LEF",
        pack_size=D(500),
    )
    fields: dict[str, Any] = {
        "sku_id": sku.sku_id,
        "offer_id": new_id(),
        "supplier_id": town.suppliers[0].organisation_id,
        "supplier_name": "Supplier 1",
        "category": PAPER,
        "price": D("300.00"),
        "currency": "RUB",
        "vat_rate": D(20),
        "vat_included": True,
        "regions": ("RU-MOW",),
        "delivery_days": 3,
        "stock": PLACE,
        "min_quantity": D(10),
        "max_quantity": D(5_000),
        "tiers": (Tier(from_quantity=D(100), price=D("280.00")),),
        "valid_from": today - timedelta(days=20),
        "valid_until": today + timedelta(days=60),
    }
    offer = OfferPublished(**{**fields, **changes})
    await town.tell(sku, offer)

    async def known() -> bool:
        keeps = (
            "select schemaname from pg_tables where tablename = 'offers' and schemaname in ('contracts', 'purchases')"
        )
        (row,) = await town.market.fetch(keeps)
        query = f"select offer_id from {row['schemaname']}.offers where offer_id = $1"
        return bool(await town.market.fetch(query, offer.offer_id))

    await town.market.eventually(known)
    return offer


def in_time(town: Town, minutes: float) -> datetime:
    """Let so many minutes pass."""
    return town.market.clock.advance(timedelta(minutes=minutes))
