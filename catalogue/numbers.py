"""A number as text, whatever number it is: an older release may have stored one that no rule would let in today."""

import re
from decimal import Decimal

_MOST_DIGITS = 60
"""Before the point: every amount, quantity and price that rules compute is far shorter."""
_MOST_PLACES = 90
"""Behind the point: rules compute with 60 significant digits, and a small number begins some places behind it."""
_AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


def can_be_written_out(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and -_MOST_PLACES <= exponent and number.adjusted() < _MOST_DIGITS


def written_out(number: Decimal, form: str = "f") -> str:
    """By ``form``, such as ``,.2f``, where that has a sensible length, else short: ``1.000e+400000000``, ``NaN``."""
    if can_be_written_out(number):
        return f"{number:{form}}"
    return f"{number:.3e}" if number.is_finite() else str(number)


def digits(number: Decimal, form: str = "f") -> str:
    """With the decimals it needs: ``1250.4``."""
    return written_out(number.normalize() if can_be_written_out(number) else number, form)


def is_ambiguous(text: str) -> bool:
    """Whether the one sign in it parts a thousand to some and a decimal to others: ``1,200``, ``1.200``. In ``0.125`` and ``1234.567``
    it can only be of decimals."""
    return _AMBIGUOUS.fullmatch(text) is not None


def unambiguous(number: Decimal, *, kept: bool = False) -> str:
    """As :func:`digits`, or with the decimals it came with, and never what :func:`is_ambiguous`: 1.234 is ``1.2340``. So pages fill in
    fields and addresses."""
    return not_misread(written_out(number) if kept else digits(number))


def not_misread(text: str) -> str:
    """A number in digits, with one zero more where it could be misread."""
    return f"{text}0" if is_ambiguous(text) else text
