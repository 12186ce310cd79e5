"""One observation made comparable: per base unit, without VAT, in one currency, in the money of the valuation month.

A price that cannot be made comparable without guessing is refused with the reason, and so set aside (docs/rules.md
section 7).
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from catalogue.numbers import written_out
from catalogue.rules import PriceNotPositive, RuleBroken
from catalogue.units import Pack, parse_pack, per_base_unit
from services.observatory.domain.observation import Observation

Rates = Mapping[tuple[str, str], Decimal]
"""(currency, month ``YYYY-MM``) → units of the reference's currency for one unit of that currency in that month."""

Index = Mapping[str, Decimal]
"""Month ``YYYY-MM`` → price level."""

ARITHMETIC = Context(prec=34, rounding=ROUND_HALF_EVEN)
LOWEST, HIGHEST = Decimal("0.000001"), Decimal(10**18)
"""The range of comparable prices per base unit: no real price lies outside, and inside it no computation overflows."""


class PriceOutOfRange(RuleBroken):
    """A price per base unit below the smallest step that is published, or so high that it must be a mistake."""

    code = "price-out-of-range"


class VatRateUnknown(RuleBroken):
    """The price includes VAT, but the rate is not stated."""

    code = "vat-rate-unknown"


class OtherCurrency(RuleBroken):
    code = "other-currency"


class RateMissing(RuleBroken):
    code = "rate-missing"


class IndexMissing(RuleBroken):
    code = "index-missing"


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """The day and currency for which prices are compared.

    Without ``rates`` only observations in ``currency`` can be compared; with them, others are converted at the rate of
    their own month. Without ``index`` prices stay nominal. With it they are converted from the price level of their
    month to that of the valuation month. Because an index is published late, its last level is used for later months.
    Any other missing month is refused.
    """

    at: date
    currency: str
    rates: Rates | None = None
    index: Index | None = None


class PricedObservation(msgspec.Struct, frozen=True, kw_only=True):
    """An observation with its comparable ``price`` in ``currency`` per ``unit`` (base unit, Rec 20 code), not rounded."""

    observation: Observation
    price: Decimal
    unit: str
    currency: str


def month_of(day: date) -> str:
    return f"{day.year:04d}-{day.month:02d}"


def priced(observation: Observation, valuation: Valuation) -> PricedObservation:
    """Convert unit and pack, then VAT, then currency, then price level. Raise the RuleBroken because of which the
    observation is dropped.

    If the source does not say whether a price includes VAT, the price is used as stated: most open data do not say it,
    and the observation shows this.
    """
    stated = observation.unit_price
    if not stated.is_finite() or stated <= 0:
        raise PriceNotPositive(f"A price must be above zero; this one is {stated}.", unit_price=stated)
    _check_range(stated)
    per_unit, unit = per_base_unit(stated, _pack(observation))
    net = ARITHMETIC.divide(per_unit, _vat_factor(observation))
    converted = ARITHMETIC.multiply(net, _rate(observation, valuation))
    deflated = ARITHMETIC.multiply(converted, _inflation(observation, valuation))
    _check_range(deflated)
    return PricedObservation(observation=observation, price=deflated, unit=unit.code, currency=valuation.currency)


def _check_range(price: Decimal) -> None:
    if not LOWEST <= price <= HIGHEST:
        raise PriceOutOfRange(
            f"A price must lie between {written_out(LOWEST)} and {written_out(HIGHEST)}; this one is {price:.3e}.",
            price=price,
            lowest=LOWEST,
            highest=HIGHEST,
        )


def _pack(observation: Observation) -> Pack:
    if observation.unit:
        return Pack(observation.pack_size, observation.unit)
    read = parse_pack(observation.unit_text)
    return Pack(read.size * observation.pack_size, read.unit)


def _vat_factor(observation: Observation) -> Decimal:
    if not observation.vat_included:
        return Decimal(1)
    if observation.vat_rate is None:
        raise VatRateUnknown("The price includes VAT, but the source does not state the rate.")
    return 1 + observation.vat_rate / 100


def _rate(observation: Observation, valuation: Valuation) -> Decimal:
    if observation.currency == valuation.currency:
        return Decimal(1)
    if valuation.rates is None:
        raise OtherCurrency(
            f"The price is in {observation.currency}, the reference in {valuation.currency}, and no rates were given.",
            currency=observation.currency,
            reference_currency=valuation.currency,
            market=valuation.currency,
        )
    month = month_of(observation.date)
    try:
        return valuation.rates[observation.currency, month]
    except KeyError:
        raise RateMissing(
            f"There is no rate from {observation.currency} to {valuation.currency} for {month}.",
            currency=observation.currency,
            market=valuation.currency,
            month=month,
        ) from None


def _inflation(observation: Observation, valuation: Valuation) -> Decimal:
    index = valuation.index
    if not index:
        return Decimal(1)
    last = max(index)
    then, now = min(month_of(observation.date), last), min(month_of(valuation.at), last)
    for month in (then, now):
        if month not in index:
            raise IndexMissing(f"The price index has no level for {month}.", month=month, last=last)
    return ARITHMETIC.divide(index[now], index[then])
