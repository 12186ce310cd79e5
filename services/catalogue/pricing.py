"""The prices that a reader sees: the best offer of a SKU for a region."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec

from catalogue.money import Money, QuantityNotPositive, minor_units
from catalogue.offers import Need, Offer, PricedOffer, price_for
from catalogue.rules import RuleBroken
from infra.tokens import Principal


class LocalMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions for the prices that one reader sees: for delivery to ``region`` ("": any), in the market's
    ``currency``, ``on`` the local date of the reader's organisation."""

    region: str
    currency: str
    on: date


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
