"""A supplier's standing price on a SKU: when it is valid, what a buyer pays, and which offer is cheapest at a place.

Rules: docs/rules.md section 2. Prices and quantities are per pack of the SKU; an offer is immutable (an edit is a new offer).
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

import msgspec

from catalogue.money import Money, UnknownCurrency, minor_units, unit_price
from catalogue.places import Place, UnknownRegion, is_area
from catalogue.policy.cards import USUAL, CatalogueRules
from catalogue.rules import PriceNotPositive, RuleBroken, Typed


class OfferEnded(RuleBroken):
    """An offer that ended is not bought, replaced or withdrawn."""

    code = "offer-ended"


class VatRateOutOfRange(RuleBroken):
    code = "vat-rate-out-of-range"


class NoRegionServed(RuleBroken):
    code = "no-region-served"


class DeliveryTimeNegative(RuleBroken):
    code = "delivery-time-negative"


class QuantityRangeEmpty(RuleBroken):
    code = "quantity-range-empty"


class TierOutOfRange(RuleBroken):
    code = "tier-out-of-range"


class TierNotCheaper(RuleBroken):
    code = "tier-not-cheaper"


class ValidityEmpty(RuleBroken):
    code = "validity-empty"


class ValidityTooLong(RuleBroken):
    code = "validity-too-long"


class EcoLabelWithoutCertificate(RuleBroken):
    code = "eco-label-without-certificate"


class EcoLabelExpired(RuleBroken):
    code = "eco-label-expired"


class PriceTier(msgspec.Struct, frozen=True):
    """The price per pack that applies from this many packs on."""

    from_quantity: Decimal
    price: Decimal


class EcoLabel(msgspec.Struct, frozen=True):
    label: str
    certificate: str
    expires: date


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """``price`` is per pack and includes delivery; ``vat_rate`` is a percentage; ``regions`` are ISO 3166-2 or country
    codes; ``delivery_days`` are working days; tiers ascend; both validity dates are inclusive."""

    offer_id: str
    sku_id: str
    supplier_id: str
    price: Decimal
    currency: str
    vat_rate: Decimal
    vat_included: bool
    regions: tuple[str, ...]
    delivery_days: int
    stock: Place
    min_quantity: Decimal
    max_quantity: Decimal
    tiers: tuple[PriceTier, ...] = ()
    eco_labels: tuple[EcoLabel, ...] = ()
    valid_from: date
    valid_until: date


class Need(msgspec.Struct, frozen=True):
    """What a buyer needs: a number of packs, delivered to a region (ISO 3166-2, or a country), on a day of the buyer's
    calendar."""

    quantity: Decimal
    region: str
    on: date


class PricedOffer(msgspec.Struct, frozen=True, tag="priced"):
    """``net`` and ``gross`` are per pack, not rounded below four extra digits; ``total`` is the rounded gross amount due."""

    net: Money
    gross: Money
    total: Money
    delivery_days: int


class NotAvailable(msgspec.Struct, frozen=True, tag="not_available"):
    """Why an offer is not available: ``because`` is a stable code, ``message`` a sentence, ``numbers`` the values that
    were compared."""

    because: str
    message: str
    numbers: dict[str, str] = {}


PriceAnswer = PricedOffer | NotAvailable


class Ranked(msgspec.Struct, frozen=True):
    """An offer at its rank in the list: ``landed`` is the gross price per base unit of the SKU, None if it is not available."""

    offer: Offer
    answer: PriceAnswer
    landed: Money | None


def broken_rules(offer: Offer, rules: CatalogueRules = USUAL) -> tuple[RuleBroken, ...]:
    """Every rule the offer breaks, in the order of its fields; empty when it may be published."""
    return tuple(_broken(offer, rules))


def _broken(offer: Offer, rules: CatalogueRules) -> Iterator[RuleBroken]:
    if not offer.price > 0:
        yield PriceNotPositive(f"The price must be above zero, not {offer.price}.", field="price", price=offer.price)
    try:
        minor_units(offer.currency)
    except UnknownCurrency as unknown:
        yield UnknownCurrency(unknown.message, field="currency", **unknown.numbers)
    if not 0 <= offer.vat_rate < 100:
        yield VatRateOutOfRange(
            f"The VAT rate must be at least 0 and below 100 percent, not {offer.vat_rate}.",
            field="vat_rate",
            vat_rate=offer.vat_rate,
        )
    if not offer.regions:
        yield NoRegionServed("An offer serves at least one region.", field="regions")
    for region in offer.regions:
        if not is_area(region):
            yield UnknownRegion(
                f"{region!r} is not a country or top-level region (ISO 3166-2).",
                field="regions",
                region=Typed(region),
            )
    if offer.delivery_days < 0:
        yield DeliveryTimeNegative(
            f"Delivery days must be 0 or more, not {offer.delivery_days}.",
            field="delivery_days",
            days=offer.delivery_days,
        )
    for field in _wrong_quantities(offer):
        yield QuantityRangeEmpty(
            f"Quantities must be above zero, and the maximum not below the minimum; they are {offer.min_quantity} and"
            f" {offer.max_quantity}.",
            field=field,
            min_quantity=offer.min_quantity,
            max_quantity=offer.max_quantity,
        )
    yield from _broken_tiers(offer)
    yield from _broken_dates(offer, rules)


def _wrong_quantities(offer: Offer) -> tuple[str, ...]:
    """The fields with wrong quantities: each must be above zero, and the largest order not below the smallest."""
    wrong = tuple(name for name in ("min_quantity", "max_quantity") if not getattr(offer, name) > 0)
    return wrong or (("max_quantity",) if offer.max_quantity < offer.min_quantity else ())


def _broken_tiers(offer: Offer) -> Iterator[RuleBroken]:
    """If the offer's own price or quantities are wrong, that is reported once, and tiers are not compared with them."""
    wrong = _wrong_quantities(offer)
    least, most = (Decimal(0), None) if wrong else (offer.min_quantity, offer.max_quantity)
    previous = PriceTier(least, offer.price)
    for tier in offer.tiers:
        begins = tier.from_quantity > previous.from_quantity
        if not begins or (most is not None and tier.from_quantity > most):
            yield TierOutOfRange(
                f"The tier from {tier.from_quantity} must begin above {previous.from_quantity} "
                f"and not above the maximum {offer.max_quantity}.",
                field="tiers",
                from_quantity=tier.from_quantity,
                above=previous.from_quantity,
                max_quantity=offer.max_quantity,
            )
        cheaper = tier.price < previous.price or not previous.price > 0
        if not (tier.price > 0 and cheaper):
            yield TierNotCheaper(
                f"The tier from {tier.from_quantity} costs {tier.price}, which is not below {previous.price}.",
                field="tiers",
                from_quantity=tier.from_quantity,
                price=tier.price,
                previous_price=previous.price,
            )
        lower = min((price for price in (tier.price, previous.price) if price > 0), default=previous.price)
        previous = PriceTier(max(tier.from_quantity, previous.from_quantity), lower)


def _broken_dates(offer: Offer, rules: CatalogueRules) -> Iterator[RuleBroken]:
    latest = months_later(offer.valid_from, rules.offer_months)
    if offer.valid_until < offer.valid_from:
        yield ValidityEmpty(
            f"The offer ends on {offer.valid_until}, before it begins on {offer.valid_from}.",
            field="valid_until",
            valid_from=offer.valid_from,
            valid_until=offer.valid_until,
        )
    if offer.valid_until > latest:
        yield ValidityTooLong(
            f"An offer that begins on {offer.valid_from} may be valid until {latest} at the latest, not {offer.valid_until}.",
            field="valid_until",
            valid_from=offer.valid_from,
            latest=latest,
            valid_until=offer.valid_until,
        )
    for label in offer.eco_labels:
        if not label.certificate.strip():
            yield EcoLabelWithoutCertificate(
                f"The eco-label {label.label} names no certificate.", field="eco_labels", label=label.label
            )
        if label.expires < offer.valid_from:
            yield EcoLabelExpired(
                f"The certificate of {label.label} expired on {label.expires}, before {offer.valid_from}.",
                field="eco_labels",
                label=label.label,
                expires=label.expires,
                valid_from=offer.valid_from,
            )


def months_later(day: date, months: int) -> date:
    """The same day that many months later, or the month's last day if it has no such day (30 Nov + 3 = 28 Feb)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def serves(offer: Offer, region: str) -> bool:
    """Whether the region (ISO 3166-2, or a country) is served, by itself or through its country."""
    return region in offer.regions or region.split("-")[0] in offer.regions


def tier_price(offer: Offer, quantity: Decimal) -> Decimal:
    """The price per pack at this quantity: that of the highest tier reached, else the offer's own."""
    reached = [tier for tier in offer.tiers if tier.from_quantity <= quantity]
    return max(reached, key=lambda tier: tier.from_quantity).price if reached else offer.price


def vat_exclusive(price: Money, vat_rate: Decimal, vat_included: bool) -> Money:
    """The price without VAT, half-even to four digits beyond the minor unit."""
    return unit_price(price, 1 + vat_rate / 100 if vat_included else Decimal(1))


def price_for(offer: Offer, need: Need) -> PriceAnswer:
    """What the need costs by the offer, or why the offer is not available for it.

    An offer is valid from its publication on. Its first day is a date at the supplier, which may be one day ahead of
    the buyer.
    """
    quantity, region, on = need.quantity, need.region, need.on
    if on > offer.valid_until:
        return NotAvailable(
            "offer-not-valid",
            f"The offer is valid from {offer.valid_from} to {offer.valid_until}.",
            {"on": str(on), "valid_from": str(offer.valid_from), "valid_until": str(offer.valid_until)},
        )
    if not serves(offer, region):
        return NotAvailable(
            "region-not-served",
            f"The supplier does not deliver to {region}.",
            {"region": region, "regions": ", ".join(offer.regions)},
        )
    if quantity < offer.min_quantity:
        return NotAvailable(
            "below-minimum",
            f"The supplier sells no fewer than {offer.min_quantity}.",
            {"quantity": str(quantity), "min_quantity": str(offer.min_quantity)},
        )
    if quantity > offer.max_quantity:
        return NotAvailable(
            "above-maximum",
            f"The supplier sells no more than {offer.max_quantity}.",
            {"quantity": str(quantity), "max_quantity": str(offer.max_quantity)},
        )
    price = Money(tier_price(offer, quantity), offer.currency)
    net = vat_exclusive(price, offer.vat_rate, offer.vat_included)
    gross = price if offer.vat_included else price * (1 + offer.vat_rate / 100)
    return PricedOffer(net, gross, (gross * quantity).rounded(), offer.delivery_days)


def landed_price(answer: PricedOffer, pack_size: Decimal) -> Money:
    """What the buyer pays, VAT and delivery included, for one base unit of a SKU whose pack holds ``pack_size``."""
    return unit_price(answer.gross, pack_size)


def rank(offers: Iterable[Offer], need: Need, *, pack_size: Decimal, currency: str) -> tuple[Ranked, ...]:
    """The offers of one SKU by landed price in the market's currency, ties by id; those that are not available come
    last, with the reason."""
    ranked = [_ranked(offer, need, pack_size, currency) for offer in offers]
    return tuple(
        sorted(ranked, key=lambda row: (row.landed is None, row.landed and row.landed.amount, row.offer.offer_id))
    )


def _ranked(offer: Offer, need: Need, pack_size: Decimal, currency: str) -> Ranked:
    answer = price_for(offer, need)
    if isinstance(answer, PricedOffer) and offer.currency != currency:
        answer = NotAvailable(
            "other-currency",
            f"The offer is in {offer.currency}, this market buys in {currency}.",
            {"currency": offer.currency, "market": currency},
        )
    return Ranked(offer, answer, landed_price(answer, pack_size) if isinstance(answer, PricedOffer) else None)
