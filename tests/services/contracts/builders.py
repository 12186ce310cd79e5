"""Builders of deals: a school's paper, won by the lowest of several bidders, and contracts up to some step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from catalogue.actors import Actor
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, load
from events import Event
from events.auctions import AuctionClosed, AuctionOpened
from events.values import Category, Line, Place
from services.contracts.domain.awards import of_auction
from services.contracts.domain.deals import Contract, Deal, apply
from services.contracts.domain.deciding import Deciding, RankedBid
from services.contracts.domain.signing import Command, OfferDeal, TakeStep, decide

MOSCOW = load("moscow")
CALENDAR = RegionCalendar("Europe/Moscow", "RU")
MONDAY = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)  # 10:00 in Moscow, in a week without holidays
PAPER = Category(code="30197630", title="Printing paper")
PLACE = Place(country="RU", region="RU-MOW")


def derive_id(*parts: str) -> str:
    return "/".join(parts)


def a_line(line_id: str, amount: str, quantity: str = "100") -> Line:
    return Line(
        line_id=line_id,
        description=f"Paper {line_id}",
        quantity=Decimal(quantity),
        unit="H87",
        unit_price=Decimal(amount) / Decimal(quantity),
        amount=Decimal(amount),
    )


LINES = (a_line("1", "600.00"), a_line("2", "400.00", quantity="3"))


def bids(*amounts: str) -> tuple[RankedBid, ...]:
    """Return bidders ``supplier-1``, ``supplier-2``, … by rank."""
    return tuple(
        RankedBid(rank=rank, supplier_id=f"supplier-{rank}", supplier_name=f"Supplier {rank}", amount=Decimal(amount))
        for rank, amount in enumerate(amounts, start=1)
    )


FOUR_BIDS = bids("800.00", "810.01", "850.00", "990.00")


def opened(lines: tuple[Line, ...] = LINES) -> AuctionOpened:
    return AuctionOpened(
        auction_id="auction",
        buyer_id="school",
        buyer_name="School No. 1",
        title="Paper",
        kind="goods",
        category=PAPER,
        place=PLACE,
        currency="RUB",
        initial_price=Decimal("1000.00"),
        step=Decimal("5.00"),
        lines=lines,
        policy="moscow",
        opens_at=MONDAY,
        closes_at=MONDAY,
    )


def closed(
    amount: str | None = "800.00", winner: str | None = "supplier-1", pool_id: str | None = None
) -> AuctionClosed:
    return AuctionClosed(
        auction_id="auction",
        buyer_id="school",
        title="Paper",
        kind="goods",
        category=PAPER,
        place=PLACE,
        currency="RUB",
        initial_price=Decimal("1000.00"),
        outcome="successful" if amount else "unsuccessful",
        amount=Decimal(amount) if amount else None,
        winner_id=winner,
        participants=4,
        bids=4,
        lines=(a_line("1", "480.00"), a_line("2", "320.00", quantity="3")) if amount else (),
        policy="moscow",
        opened_at=MONDAY,
        closed_at=MONDAY,
        pool_id=pool_id,
    )


def won(policy: Policy = MOSCOW) -> tuple[Deal, OfferDeal]:
    """Return the deal for the school's paper, before anybody got a letter."""
    found = of_auction(opened(), closed(), winner_name="Supplier 1", policy=policy, calendar=CALENDAR)
    assert found is not None
    return found


class Story:
    """A deal that executes commands and stores every event. The test moves ``now``."""

    def __init__(self, deal: Deal, award: OfferDeal, ranking: Sequence[RankedBid] = FOUR_BIDS) -> None:
        self.first = self.deal = deal
        self.ranking = ranking
        self.now = MONDAY
        self.events: list[Event] = []
        self.tell(award)

    def tell(self, command: Command, now: datetime | None = None) -> tuple[Event, ...]:
        self.now = now or self.now
        happened = decide(self.deal, command, Deciding(now=self.now, derive_id=derive_id, ranking=self.ranking))
        for event in happened:
            self.deal = apply(self.deal, event)
        self.events += happened
        return happened

    @property
    def contract(self) -> Contract:
        assert self.deal.contract is not None
        return self.deal.contract

    def take(self, step: str, by: str | None = None, now: datetime | None = None) -> tuple[Event, ...]:
        party = by or ("school" if step == "buyer-draft" else self.contract.supplier_id)
        return self.tell(TakeStep(contract_id=self.contract.contract_id, step=step, actor=Actor(party, "ann")), now)


def an_award(policy: Policy = MOSCOW, ranking: Sequence[RankedBid] = FOUR_BIDS) -> Story:
    return Story(*won(policy), ranking)
