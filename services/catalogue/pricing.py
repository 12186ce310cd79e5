"""The prices that a reader sees: the best offer of a SKU for a region."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.money import Money, QuantityNotPositive, minor_units
from catalogue.offers import Need, Offer, PricedOffer, price_for
from catalogue.rules import RuleBroken
from events.values import Place
from infra.database import Transaction
from infra.tokens import Principal
from services.catalogue import store
from services.market.replicas import local_date

_LATEST_ZONE = timedelta(hours=12)
"""The largest time difference of a zone behind UTC."""


def date_of_all(now: datetime) -> date:
    """Return the date in the zone furthest behind UTC: an offer whose last day is before it is over for every buyer.

    Only data without a reader use it: the end of an offer, and the price in the search index.
    """
    return (now - _LATEST_ZONE).date()


class LocalMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions for the prices that one reader sees: for delivery to ``region`` ("": any), in the market's
    ``currency``, ``on`` the local date of the reader's organisation, which has its ``seat`` there."""

    region: str
    currency: str
    on: date
    seat: Place = Place()

    def place(self, common: str) -> Place:
        """The place for which a reference price is asked: the reader's seat, with its locality, if the region is the
        seat's, as in the reader's own auctions, pools and requests. ``common`` is the region if any is meant."""
        region = self.region or common
        if region and region == (self.seat.region or self.seat.country):
            return self.seat
        country, _, part = region.partition("-")
        return Place(country=country or None, region=region if part else None)


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What prices depend on: the local date and the seat of the reader's organisation."""

    on: date
    seat: Place = Place()


async def reader(tx: Transaction, principal: Principal | None) -> Reader:
    """The reader; for a visitor, or an organisation that accounts has not announced yet, the date in UTC and no seat."""
    found = await store.organisations.get(await tx.raw(), principal.organisation_id) if principal else None
    return Reader(on=local_date(found, tx.now), seat=found.place if found else Place())


def best_price(offers: Iterable[Offer], market: LocalMarket) -> Money | None:
    """Return the lowest price of one pack, VAT and delivery included, if each offer is bought in its minimum quantity;
    None if no offer has a price in this market."""
    answers = (
        price_for(offer, Need(offer.min_quantity, market.region or offer.regions[0], market.on))
        for offer in offers
        if offer.currency == market.currency
    )
    return min((answer.gross.rounded() for answer in answers if isinstance(answer, PricedOffer)), default=None)


def home_region(principal: Principal | None) -> str:
    """Return the region whose prices a reader sees: the reader's region, else its country; "" if neither is known."""
    return (principal.region or principal.country) if principal else ""


def in_minor_units(price: Money) -> int:
    return int(price.amount.scaleb(minor_units(price.currency)))


def from_minor_units(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-minor_units(currency))


def broken_quantity(quantity: Decimal | None) -> tuple[RuleBroken, ...]:
    """Return QuantityNotPositive if the number of packs is not above zero, otherwise nothing."""
    if quantity is None or quantity > 0:
        return ()
    return (
        QuantityNotPositive(f"A quantity must be above zero, not {quantity}.", field="quantity", quantity=quantity),
    )
