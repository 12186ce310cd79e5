"""Which published reference price applies to a line, and the conversion of it, or of an earlier price, to the line's unit and VAT basis.

Prices compared here are of one SKU, so its own unit always compares, a ream or a box as well (docs/rules.md section 7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, TypeVar

from catalogue.money import minor_units
from catalogue.numbers import can_be_written_out
from catalogue.places import Where
from catalogue.rules import RuleBroken
from catalogue.units import NotComparable, PackNotPositive, base_unit
from catalogue.units import unit as unit_of

_LEVELS = ("locality", "region", "country")


class PricedLine(Protocol):
    """The fields of a line (:class:`events.values.Line`) that are used here."""

    @property
    def unit(self) -> str: ...
    @property
    def pack_size(self) -> Decimal: ...
    @property
    def vat_rate(self) -> Decimal | None: ...
    @property
    def vat_included(self) -> bool | None: ...


class PublishedReference(Protocol):
    """The fields of a snapshot (:class:`events.observatory.ReferencePricePublished`) that are used here."""

    @property
    def reference_id(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def place_code(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def median(self) -> Decimal: ...
    @property
    def grade(self) -> str: ...
    @property
    def valued_at(self) -> datetime: ...


P = TypeVar("P", bound=PublishedReference)


@dataclass(frozen=True, slots=True)
class ReferencePrice:
    """A published reference price, in the unit, VAT basis and currency of the line it is given for."""

    reference_id: str
    grade: str
    unit_price: Decimal


class ReferenceNotComparable(RuleBroken):
    """A reference price is published, but cannot be converted to the terms of the line. Where it is not the line's
    own unit, pack or VAT that is impossible, the reason has a class of its own."""

    code = "reference-not-comparable"


class ReferenceInOtherCurrency(ReferenceNotComparable):
    code = "reference-in-other-currency"


class ReferenceInOtherUnit(ReferenceNotComparable):
    code = "reference-in-other-unit"


class ReferenceWithoutVat(ReferenceNotComparable):
    """The line does not say its VAT, which a reference price does not contain."""

    code = "reference-without-vat"


class ReferenceTooLong(ReferenceNotComparable):
    """The reference price has more digits than can be computed with."""

    code = "reference-too-long"


def reference_for(
    line: PricedLine, published: Iterable[P], place: Where, currency: str
) -> tuple[P, ReferencePrice] | None:
    """The published reference price that applies to a line at a place, also converted to the line's unit and VAT basis.

    Of the snapshots that contain the place and can be compared with the line, it is one of the narrowest level (locality,
    region, country; one for everywhere, "*", is the widest), and of these the latest. None if no snapshot contains the
    place. If some do and none can be compared, raise ReferenceNotComparable about the narrowest.
    """
    narrowest: ReferenceNotComparable | None = None
    for snapshot in _nearest_first(published, place):
        try:
            return snapshot, in_terms_of(line, snapshot, currency)
        except ReferenceNotComparable as broken:
            narrowest = narrowest or broken
    if narrowest:
        raise narrowest
    return None


def _nearest_first(published: Iterable[P], place: Where) -> list[P]:
    town = f"{place.region or place.country}/{place.locality}"
    codes = {"locality": town, "region": place.region or "", "country": place.country or ""}

    def holds(snapshot: P) -> bool:
        if snapshot.level not in codes:
            return False  # a newer release may publish other levels
        return snapshot.place_code == "*" or snapshot.place_code.casefold() == codes[snapshot.level].casefold()

    def nearness(snapshot: P) -> tuple[bool, int, float]:
        everywhere = snapshot.place_code == "*"
        return everywhere, _LEVELS.index(snapshot.level), -snapshot.valued_at.timestamp()

    return sorted((each for each in published if each.place_code and holds(each)), key=nearness)


class PaidNotComparable(RuleBroken):
    """An earlier price exists, but cannot be converted to the terms of the line: the unit, pack or VAT of one of them is
    impossible. Other reasons have a class of their own."""

    code = "paid-not-comparable"


class PaidInOtherUnit(PaidNotComparable):
    code = "paid-in-other-unit"


class PaidTooLong(PaidNotComparable):
    """The price paid has more digits than can be computed with."""

    code = "paid-too-long"


class VatNotStated(RuleBroken):
    """A price does not say whether it is with VAT, or with which rate."""

    code = "vat-not-stated"


class VatRateTooLong(RuleBroken):
    """The VAT rate has more digits than can be computed with."""

    code = "vat-rate-too-long"


def paid_for(line: PricedLine, paid: PricedLine, unit_price: Decimal, currency: str) -> Decimal:
    """The earlier price ``unit_price`` per unit of ``paid``, converted to a unit (pack) of the line, with VAT if the line has it. Raise
    PaidNotComparable."""
    try:
        (now, now_base), (then, then_base) = _worth(line), _worth(paid)
    except RuleBroken as broken:
        raise PaidNotComparable(f"The price paid cannot be compared: {broken.message}", why=broken.message) from broken
    if now_base != then_base:
        raise PaidInOtherUnit(
            f"The price paid was per {_name(paid.unit)}, the unit of the line is {_name(line.unit)}.",
            paid_unit=paid.unit,
            line_unit=line.unit,
        )
    if not can_be_written_out(unit_price):
        raise PaidTooLong(f"{unit_price} is not a price that can be compared.", price=unit_price)
    exact = Fraction(unit_price) * now / then
    return round(Decimal(exact.numerator) / Decimal(exact.denominator), minor_units(currency) + 4)


def _worth(line: PricedLine) -> tuple[Fraction, str]:
    """The factor from the price per base unit without VAT to the price per unit (pack) of the line, and the base unit. Raise
    RuleBroken."""
    if line.vat_included is None or (line.vat_included and line.vat_rate is None):
        raise VatNotStated("the record does not say whether it includes VAT.")
    if line.vat_rate is not None and not can_be_written_out(line.vat_rate):
        raise VatRateTooLong(f"{line.vat_rate} is not a VAT rate.", vat_rate=line.vat_rate)
    if not can_be_written_out(line.pack_size) or line.pack_size <= 0:
        raise PackNotPositive(f"{line.pack_size} is not the size of a pack.", pack_size=line.pack_size)
    found = unit_of(line.unit)
    if found.dimension == "lump sum":
        raise NotComparable("a lump sum has no quantity to compare.", unit=line.unit)
    factor = Fraction(line.pack_size) * found.factor
    vat = Fraction(line.vat_rate or 0) / 100 if line.vat_included else 0
    return factor * (1 + vat), base_unit(line.unit).code


def in_terms_of(line: PricedLine, published: PublishedReference, currency: str) -> ReferencePrice:
    """The reference per unit (pack) of the line, with VAT if the line has it. Raise ReferenceNotComparable.

    References are per base unit without VAT (:class:`events.observatory.ReferencePricePublished`).
    """
    if published.currency != currency:
        raise ReferenceInOtherCurrency(
            f"The reference price is in {published.currency}, this purchase in {currency}.",
            reference_currency=published.currency,
            currency=currency,
        )
    if line.vat_included is None or (line.vat_included and line.vat_rate is None):
        raise ReferenceWithoutVat("The reference price is without VAT, and the line does not say its VAT.")
    try:
        worth, base = _worth(line)
    except RuleBroken as broken:
        raise ReferenceNotComparable(
            f"The reference price cannot be compared: {broken.message}", why=broken.message
        ) from broken
    if base != published.unit:
        raise ReferenceInOtherUnit(
            f"The reference price is per {_name(published.unit)}, the unit of the line is {_name(line.unit)}.",
            reference_unit=published.unit,
            line_unit=line.unit,
        )
    if not can_be_written_out(published.median):
        raise ReferenceTooLong(f"{published.median} is not a price that can be compared.", price=published.median)
    exact = Fraction(published.median) * worth
    price = Decimal(exact.numerator) / Decimal(exact.denominator)
    return ReferencePrice(published.reference_id, published.grade, round(price, minor_units(currency) + 4))


def _name(code: str) -> str:
    try:
        return unit_of(code).name
    except RuleBroken:
        return code or "an unknown unit"
