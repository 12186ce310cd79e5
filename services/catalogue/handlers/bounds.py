"""Numbers that rules can compare, and rows and pages can hold."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from catalogue.money import QuantityNotPositive
from catalogue.rules import RuleBroken

MOST_DIGITS = 15
"""Before the decimal point."""
MOST_DECIMALS = 5


class NumberOutOfBounds(RuleBroken):
    code = "number-out-of-bounds"


def out_of_bounds(numbers: Mapping[str, Decimal]) -> Iterator[RuleBroken]:
    """One error for each field whose number is none (NaN, infinite) or has too many digits."""
    for name, number in numbers.items():
        if not _fits(number):
            yield NumberOutOfBounds(
                f"A number has at most {MOST_DIGITS} digits before the point and {MOST_DECIMALS} after it.", field=name
            )


def broken_quantity(quantity: Decimal) -> Iterator[RuleBroken]:
    """What is wrong with a quantity that somebody asks prices for."""
    broken = tuple(out_of_bounds({"quantity": quantity}))
    yield from broken
    if not broken and quantity <= 0:
        yield QuantityNotPositive(f"A quantity is above zero, not {quantity}.", field="quantity", quantity=quantity)


def _fits(number: Decimal) -> bool:
    exponent = number.normalize().as_tuple().exponent if number.is_finite() else None
    return isinstance(exponent, int) and -MOST_DECIMALS <= exponent and number.adjusted() < MOST_DIGITS
