"""Where deals come from: a mini-auction that was won, a quote that was chosen, a pool that was allocated, a purchase
that was accepted."""

from collections.abc import Mapping
from typing import Any

from catalogue.calendar import RegionCalendar
from catalogue.categories import MalformedCategory, is_services, is_works
from catalogue.policy import Policy
from events.auctions import AuctionClosed, AuctionOpened
from events.pools import PoolAllocated
from events.purchases import PurchaseAccepted
from events.quotes import QuoteRequestClosed
from events.values import Category
from services.contracts.domain.deals import Deal
from services.contracts.domain.signing import OfferDeal


def of_auction(
    opened: AuctionOpened, closed: AuctionClosed, *, winner_name: str, policy: Policy, calendar: RegionCalendar
) -> tuple[Deal, OfferDeal] | None:
    """Return the deal and its award, or None if nobody won. It is also None for a pool's auction, because the pool
    divides the result among its members first."""
    if closed.pool_id is not None:
        return None
    return _won(
        closed,
        winner_name,
        process_id=closed.auction_id,
        origin="auction",
        buyer_name=opened.buyer_name,
        lines=opened.lines,
        policy=policy,
        calendar=calendar,
        equivalents_allowed=opened.equivalents,
    )


def of_quote(
    closed: QuoteRequestClosed, *, winner_name: str, policy: Policy, calendar: RegionCalendar
) -> tuple[Deal, OfferDeal] | None:
    """Return the deal and its award, or None if the buyer chose nobody."""
    return _won(
        closed,
        winner_name,
        process_id=closed.request_id,
        origin="quote",
        buyer_name=closed.buyer_name,
        lines=closed.lines,
        policy=policy,
        calendar=calendar,
    )


def _won(
    closed: AuctionClosed | QuoteRequestClosed, winner_name: str, **of_origin: Any
) -> tuple[Deal, OfferDeal] | None:
    """Return the deal and its award. ``of_origin`` has the fields of the deal that the two events name differently."""
    if closed.winner_id is None or closed.amount is None:
        return None
    deal = Deal(
        **of_origin,
        buyer_id=closed.buyer_id,
        title=closed.title,
        category=closed.category,
        place=closed.place,
        currency=closed.currency,
        amount=closed.amount,
        kind=closed.kind,
    )
    return deal, OfferDeal(supplier_id=closed.winner_id, supplier_name=winner_name, lines=closed.lines)


def of_pool(
    allocated: PoolAllocated, *, winner_name: str, policy: Policy, calendars: Mapping[str, RegionCalendar]
) -> tuple[tuple[Deal, OfferDeal], ...]:
    """Return one deal for each member, who is its buyer. ``calendars`` are by member, and each member signs by its own."""
    return tuple(
        (
            Deal(
                process_id=allocated.pool_id,
                origin="pool",
                pool_id=allocated.pool_id,
                buyer_id=part.member_id,
                buyer_name=part.member_name,
                title=allocated.title,
                category=allocated.category,
                place=part.place,
                currency=allocated.currency,
                amount=part.amount,
                lines=part.lines,
                policy=policy,
                calendar=calendars[part.member_id],
                kind=allocated.kind,
            ),
            OfferDeal(supplier_id=allocated.supplier_id, supplier_name=winner_name, lines=part.lines),
        )
        for part in allocated.allocations
    )


def of_purchase(accepted: PurchaseAccepted, *, policy: Policy, calendar: RegionCalendar) -> tuple[Deal, OfferDeal]:
    deal = Deal(
        process_id=accepted.process_id,
        origin="purchase",
        buyer_id=accepted.buyer_id,
        buyer_name=accepted.buyer_name,
        title=accepted.title,
        category=accepted.line.category,
        place=accepted.place,
        currency=accepted.currency,
        amount=accepted.amount,
        lines=(accepted.line,),
        policy=policy,
        calendar=calendar,
        kind=_kind_of(accepted.line.category),
    )
    return deal, OfferDeal(supplier_id=accepted.supplier_id, supplier_name=accepted.supplier_name, lines=deal.lines)


def _kind_of(category: Category | None) -> str:
    """Return what an offer of that category sells, by its CPV division, or "" if that is unknown."""
    if category is None or category.scheme != "CPV":
        return ""
    try:
        return "works" if is_works(category.code) else "services" if is_services(category.code) else "goods"
    except MalformedCategory:
        return ""
