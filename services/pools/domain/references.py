"""Which published reference price speaks for a line at a place, and what one pack costs by it."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from catalogue.money import minor_units
from catalogue.numbers import can_be_written_out
from catalogue.rules import RuleBroken
from catalogue.units import base_unit, unit
from events.observatory import ReferencePricePublished
from events.values import Line, Place

_LEVELS = ("locality", "region", "country")


def pack_price(line: Line, published: Iterable[ReferencePricePublished], place: Place, currency: str) -> Decimal | None:
    """The reference price of one pack at the place, with VAT where the line's prices have it; to four digits more than the
    minor unit.

    The narrowest level that holds the place counts, and of that the latest. None where nothing published can be compared:
    another unit or currency, or VAT included at a rate the line does not say.
    """
    holding = [each for each in published if each.currency == currency and _holds(each, place)]
    nearest = min(holding, key=lambda each: (_LEVELS.index(each.level), -each.valued_at.timestamp()), default=None)
    if nearest is None or (line.vat_included and line.vat_rate is None):
        return None
    if not all(map(can_be_written_out, (line.pack_size, line.vat_rate or Decimal(0), nearest.median))):
        return None
    try:
        if base_unit(line.unit).code != nearest.unit:
            return None
        units = Fraction(line.pack_size) * unit(line.unit).factor
    except RuleBroken:
        return None
    vat = Fraction(line.vat_rate or 0) / 100 if line.vat_included else 0
    exact = Fraction(nearest.median) * units * (1 + vat)
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), minor_units(currency) + 4)


def _holds(reference: ReferencePricePublished, place: Place) -> bool:
    town = f"{place.region or place.country}/{place.locality}"
    codes = {"locality": town, "region": place.region or "", "country": place.country or ""}
    wanted = reference.place_code.casefold()
    return wanted == "*" or (bool(wanted) and wanted == codes.get(reference.level, "").casefold())
