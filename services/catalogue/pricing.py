"""What a reader is shown of prices: the best offer of a SKU for a region."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from catalogue.money import Money, QuantityNotPositive, minor_units
from catalogue.offers import Offer, Priced, price_for
from catalogue.rules import RuleBroken
from infra.tokens import Principal


def best_price(offers: Iterable[Offer], region: str, on: date, currency: str) -> Money | None:
    """The lowest price of one pack, VAT and delivery included, each offer at its own minimum; "" is any region."""
    answers = (
        price_for(offer, offer.min_quantity, region or offer.regions[0], on)
        for offer in offers
        if offer.currency == currency
    )
    return min((answer.gross.rounded() for answer in answers if isinstance(answer, Priced)), default=None)


def home_region(principal: Principal | None) -> str:
    """Where a reader's prices are for: its region, else its country; "" where neither is known."""
    return (principal.region or principal.country) if principal else ""


def in_minor_units(price: Money) -> int:
    return int(price.amount.scaleb(minor_units(price.currency)))


def from_minor_units(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-minor_units(currency))


def broken_quantity(quantity: Decimal | None) -> tuple[RuleBroken, ...]:
    """What is wrong with a number of packs that somebody asks prices for."""
    if quantity is None or quantity > 0:
        return ()
    return (QuantityNotPositive(f"A quantity is above zero, not {quantity}.", field="quantity", quantity=quantity),)
