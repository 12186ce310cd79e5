"""Builders of auctions: paper, an auction that closes in an hour, bids that arrive some seconds before its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, load
from catalogue.references import ReferencePrice
from events.auctions import AuctionOpened, BidRefused, Criterion, Option, Scoring
from events.values import Category, Line, Place
from services.auctions.domain.auction import AuctionState, Bid, Verdict, apply, begin
from services.auctions.domain.bids import place_bid
from services.auctions.domain.opening import OpenAuction, open_auction, opening_rules

MOSCOW = load("moscow")
CALENDAR = RegionCalendar("Europe/Moscow", "RU")
NOON_UTC = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday, 15:00 in Moscow
QUALITY = Scoring(
    by="quality",
    criteria=(
        Criterion(
            criterion_id="warranty",
            title="Warranty",
            options=(Option(title="1 year", value=Decimal(0)), Option(title="3 years", value=Decimal("0.1"))),
        ),
    ),
)
"""Three years are worth a tenth: a bid of 900 with them is ranked by 810."""
PAPER = Category(code="30197630", title="Printing paper")


def at_moscow(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, 18, hour - 3, minute, second, tzinfo=UTC)


def a_line(
    line_id: str = "1", quantity: str = "100", unit_price: str = "10", category: Category | None = PAPER
) -> Line:
    return Line(
        line_id=line_id,
        description=f"Paper {line_id}",
        category=category,
        quantity=Decimal(quantity),
        unit="H87",
        unit_price=Decimal(unit_price),
    )


A_DAY_OF_PAPER = OpenAuction(
    auction_id="auction",
    buyer_id="school",
    buyer_name="School No. 1",
    title="Paper",
    kind="goods",
    category=PAPER,
    place=Place(country="RU", region="RU-MOW"),
    currency="RUB",
    lines=(a_line(),),
    duration_minutes=1440,
    step_percent=Decimal(1),
)


def opened(
    command: OpenAuction = A_DAY_OF_PAPER,
    *,
    policy: Policy = MOSCOW,
    now: datetime = NOON_UTC,
    references: dict[str, ReferencePrice] | None = None,
) -> AuctionOpened:
    return open_auction(command, policy=policy, calendar=CALENDAR, references=references or {}, now=now)


def an_auction(lines: tuple[Line, ...] = (a_line(),), step: str = "10.00", policy: Policy = MOSCOW) -> AuctionState:
    """Build an auction: by default it begins at 1000.00 with a step of 10.00, 24 hours from ``NOON_UTC``."""
    event = msgspec.structs.replace(
        opened(),
        lines=lines,
        step=Decimal(step),
        rules=opening_rules(policy.auction, policy.auction.durations[-1]),
        policy=policy.name,
    )
    amounts = {line.line_id: (line.quantity or 0) * (line.unit_price or Decimal(0)) * Decimal("1.00") for line in lines}
    priced = tuple(msgspec.structs.replace(line, amount=amounts[line.line_id]) for line in lines)
    return begin(msgspec.structs.replace(event, lines=priced, initial_price=sum(amounts.values())))


def a_bid(
    supplier_id: str,
    amount: str | Decimal,
    *,
    at: datetime = NOON_UTC + timedelta(hours=1),
    key: str | None = None,
    standing: str = "active",
) -> Bid:
    key = key or f"{supplier_id}-{amount}-{at}"
    return Bid(f"bid-{key}", supplier_id, key, Decimal(amount), at, standing)


def after(state: AuctionState, *bids: Bid) -> AuctionState:
    """Return the state after these bids were accepted."""
    for bid in bids:
        verdict = place_bid(state, bid)
        assert verdict.accepted, verdict.event
        state = apply(state, verdict)
    return state


def rule(verdict: Verdict) -> str | None:
    return verdict.event.refusal.rule if isinstance(verdict.event, BidRefused) else None
