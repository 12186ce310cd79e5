"""Money: a Decimal with a currency, rounded half-even to the minor unit, split so that the parts sum exactly.

Rules: docs/rules.md section 0 (rounding, splitting) and section 3 (line prices fall in proportion at the close).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TypeVar

import msgspec

from catalogue.numbers import can_be_written_out, written_out
from catalogue.rules import RuleBroken, Typed

# ISO 4217, decimals of the minor unit. Withdrawn codes are still accepted because published contracts have them.
_DECIMALS: dict[int, str] = {
    0: "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
        CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD
        HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
        MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
        SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST
        XCD XCG YER ZAR ZMW ZWG
        CYP EEK GHC HRK LTL LVL MRO MTL ROL SIT SKK SLL STD VEF ZMK ZWL
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_MINOR_UNITS: dict[str, int] = {code: digits for digits, codes in _DECIMALS.items() for code in codes.split()}

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_UNIT_PRICE_EXTRA_DIGITS = 4

K = TypeVar("K")


class UnknownCurrency(RuleBroken):
    code = "unknown-currency"


class CurrencyMismatch(RuleBroken):
    code = "currency-mismatch"


class AmountNotFinite(RuleBroken):
    code = "amount-not-finite"


class AmountNotRounded(RuleBroken):
    """The amount is not a multiple of the smallest payable step, so its parts cannot sum exactly."""

    code = "amount-not-rounded"


class NothingToSplitBy(RuleBroken):
    """No parts, or all weights zero."""

    code = "nothing-to-split-by"


class NegativeWeight(RuleBroken):
    code = "negative-weight"


class TotalNotLower(RuleBroken):
    code = "total-not-lower"


class QuantityNotPositive(RuleBroken):
    code = "quantity-not-positive"


class Money(msgspec.Struct, frozen=True):
    """An amount in one currency. Unit prices may carry more digits than the minor unit; amounts due are ``rounded()``.

    Comparing, adding or subtracting two currencies raises CurrencyMismatch; two amounts in different currencies are
    unequal.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        minor_units(self.currency)
        if not self.amount.is_finite():
            raise AmountNotFinite(f"An amount of money must be a finite number, not {self.amount}.", amount=self.amount)

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        """The product, not rounded: a value is rounded once, where the rule says so."""
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def __str__(self) -> str:
        return f"{written_out(self.amount, ',f')} {self.currency}"

    def rounded(self) -> Money:
        return Money(round_money(self.amount, self.currency), self.currency)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch(
                f"{self.currency} and {other.currency} cannot be compared or added without an exchange rate.",
                left=self.currency,
                right=other.currency,
            )
        return other.amount


def minor_units(currency: str) -> int:
    """Decimals of the currency's minor unit (ISO 4217): EUR 2, JPY 0, KWD 3. Raise UnknownCurrency."""
    try:
        return _MINOR_UNITS[currency]
    except KeyError:
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency code.", currency=Typed(currency)) from None


def minor_step(currency: str) -> Decimal:
    """The smallest amount payable: 0.01 for EUR, 1 for JPY."""
    return Decimal(1).scaleb(-minor_units(currency))


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Half-even to the currency's minor unit. Raise AmountNotFinite, also if the number has too many digits."""
    if not can_be_written_out(amount):
        raise AmountNotFinite(
            f"An amount of money must be a finite number with few digits, not {amount}.", amount=amount
        )
    return amount.quantize(minor_step(currency), context=_EXACT)


def round_down(amount: Decimal, currency: str) -> Decimal:
    """The highest payable amount that is not above this one, for prices under a ceiling. A price below the minor unit
    is returned unchanged."""
    return amount.quantize(minor_step(currency), rounding=ROUND_DOWN, context=_EXACT) or amount


def apportion(total: Decimal, weights: Mapping[K, Decimal], step: Decimal) -> dict[K, Decimal]:
    """Divide ``total`` in proportion to ``weights``, in whole steps, by largest remainder. The shares sum exactly.

    Equal remainders go to the smaller key, so a key may be an id or ``(enrolled_at, id)``. It is used for money and for
    scarce quantities. A negative total (a credit) is divided as its positive value, and the shares are negated. Keys
    keep their order.
    """
    for number in (total, step, *weights.values()):
        if not can_be_written_out(number):
            raise AmountNotFinite(f"{number} cannot be divided, and nothing can be divided by it.", amount=number)
    steps = Fraction(total) / Fraction(step)
    if steps.denominator != 1:
        raise AmountNotRounded(f"{total} is not a whole multiple of {step}.", total=total, step=step)
    for key, weight in weights.items():
        if weight < 0:
            raise NegativeWeight(
                f"The weight of a share must not be below zero ({weight}).", key=str(key), weight=weight
            )
    whole = sum((Fraction(weight) for weight in weights.values()), Fraction(0))
    if whole == 0:
        raise NothingToSplitBy(
            f"{total} cannot be split: every part has the weight zero.", total=total, parts=len(weights)
        )
    magnitude, sign = abs(steps.numerator), -1 if steps < 0 else 1
    exact = {key: Fraction(weight) * magnitude / whole for key, weight in weights.items()}
    shares = {key: int(share) for key, share in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (shares[key] - exact[key], key))
    for key in by_remainder[: magnitude - sum(shares.values())]:
        shares[key] += 1
    return {key: sign * share * step for key, share in shares.items()}


def split(total: Money, weights: Mapping[K, Decimal]) -> dict[K, Money]:
    """Split a rounded amount over the keys of ``weights`` (ids) to the minor unit; the parts sum to it exactly."""
    shares = apportion(total.amount, weights, minor_step(total.currency))
    return {key: Money(share, total.currency) for key, share in shares.items()}


def lower_in_proportion(lines: Mapping[K, Money], new_total: Money) -> dict[K, Money]:
    """Return the line amounts after a price fell to ``new_total``. Each falls in proportion and is rounded to the minor
    unit; the sum is exact, and no amount rises.

    ``lines`` are rounded amounts (quantity x unit price). The line *amount* is binding; the unit price is derived from
    it by ``unit_price`` and may have more digits.
    """
    old_total = sum((line for line in lines.values()), start=Money(Decimal(0), new_total.currency))
    for key, line in lines.items():
        if line != line.rounded():
            raise AmountNotRounded(
                f"The line amount {line} is not rounded to its minor unit.", line=str(key), amount=line.amount
            )
    if not 0 <= new_total.amount <= old_total.amount:
        raise TotalNotLower(
            f"The new total {new_total} must lie between zero and the old total {old_total}.",
            old_total=old_total.amount,
            new_total=new_total.amount,
        )
    if old_total.amount == 0:
        return dict(lines)
    return split(new_total, {key: line.amount for key, line in lines.items()})


def unit_price(line: Money, quantity: Decimal) -> Money:
    """The price of one unit in a line amount, with four more digits than the minor unit, half-even.

    Below 10,000 units quantity x unit price rounds back to the line amount; above, only the line amount is exact.
    """
    if quantity <= 0:
        raise QuantityNotPositive(f"A unit price needs a positive quantity, not {quantity}.", quantity=quantity)
    step = minor_step(line.currency).scaleb(-_UNIT_PRICE_EXTRA_DIGITS)
    return Money(_EXACT.divide(line.amount, quantity).quantize(step, context=_EXACT), line.currency)
