"""Builders of events for the recommender."""

from datetime import datetime, timedelta
from decimal import Decimal

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened
from events.contracts import AwardMade
from events.pools import PoolOpened
from events.values import Category, Line, Place, Source
from infra.ids import new_id
from infra.tokens import Principal

PAPER = Category(code="30197630-1", title="Printing paper")
MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")
ELSEWHERE = Source(publisher="elsewhere", document="a.csv:1")


def a_supplier(*categories: Category, native: bool = True, state: str = "active") -> OrganisationRegistered:
    return OrganisationRegistered(
        organisation_id=new_id(),
        roles=("supplier",),
        name=f"Supplier {new_id()[-6:]}",
        state=state,
        place=MOSCOW,
        categories=categories,
        source=None if native else ELSEWHERE,
    )


def an_auction(
    now: datetime,
    category: Category = PAPER,
    *,
    buyer_id: str = "",
    place: Place = MOSCOW,
    closes_in: timedelta = timedelta(hours=3),
    title: str = "Paper for schools",
    pool_id: str | None = None,
) -> AuctionOpened:
    return AuctionOpened(
        auction_id=new_id(),
        buyer_id=buyer_id or new_id(),
        buyer_name="Department of Education",
        title=title,
        kind="goods",
        category=category,
        place=place,
        currency="RUB",
        initial_price=Decimal("90000.00"),
        step=Decimal("450.00"),
        lines=(Line(line_id="1", description="A4 paper", category=category, quantity=Decimal(10), unit="XBX"),),
        policy="demo",
        opens_at=now,
        closes_at=now + closes_in,
        pool_id=pool_id,
    )


def a_pool(now: datetime, category: Category = PAPER) -> PoolOpened:
    return PoolOpened(
        pool_id=new_id(),
        lead_id=new_id(),
        lead_name="City hospital",
        title="Paper together",
        kind="goods",
        category=category,
        currency="RUB",
        regions=("RU-MOW",),
        lines=(Line(line_id="1", description="A4 paper", category=category),),
        minimum_quantity=Decimal(100),
        enrolment_ends_at=now + timedelta(days=8),
        below_minimum="cancel",
        savings_rule="equal",
        policy="demo",
        duration_minutes=180,
    )


def an_award(
    supplier_id: str,
    at: datetime,
    category: Category | None = PAPER,
    *,
    buyer: str = "Department of Education",
    place: Place = MOSCOW,
    source: Source | None = ELSEWHERE,
    cancelled: bool = False,
    title: str = "Bought before",
    process_id: str = "",
) -> AwardMade:
    process_id = process_id or new_id()
    return AwardMade(
        process_id=process_id,
        award_id=f"{process_id}/award",
        origin="import" if source else "auction",
        buyer_id="buyer",
        buyer_name=buyer,
        supplier_ids=(supplier_id,),
        supplier_names=("",),
        title=title,
        category=category,
        method="open",
        place=place,
        currency="RUB",
        amount=Decimal(100),
        awarded_at=at,
        cancelled=cancelled,
        source=source,
    )


def agent_of(organisation_id: str, name: str = "Bidders & Sons") -> Principal:
    return Principal(
        member_id=new_id(), name="Ann", organisation_id=organisation_id, organisation_name=name, roles=(SUPPLIER_AGENT,)
    )


def officer_of(organisation_id: str) -> Principal:
    return Principal(
        member_id=new_id(),
        name="Olga",
        organisation_id=organisation_id,
        organisation_name="Department of Education",
        roles=(BUYER_OFFICER,),
    )
