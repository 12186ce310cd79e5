"""Numbers as text. Any number can be written: an older release may have stored one that today's rules would refuse."""

import re
from decimal import Decimal

_MOST_DIGITS = 60
"""The most digits before the decimal point. Every amount, quantity and price that rules compute is far shorter."""
_MOST_PLACES = 90
"""The most digits after the decimal point. Rules compute with 60 significant digits, and a small number has leading
zeros."""
_AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


def can_be_written_out(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and -_MOST_PLACES <= exponent and number.adjusted() < _MOST_DIGITS


def written_out(number: Decimal, form: str = "f") -> str:
    """The number formatted by ``form``, such as ``,.2f``, if the result is not too long, else in a short form:
    ``1.000e+400000000``, ``NaN``."""
    if can_be_written_out(number):
        return f"{number:{form}}"
    return f"{number:.3e}" if number.is_finite() else str(number)


def digits(number: Decimal, form: str = "f") -> str:
    """The number with the decimals it needs: ``1250.4``."""
    return written_out(number.normalize() if can_be_written_out(number) else number, form)


def is_ambiguous(text: str) -> bool:
    """Whether the only separator may separate thousands or decimals, as in ``1,200`` and ``1.200``. In ``0.125`` and
    ``1234.567`` it can only separate decimals."""
    return _AMBIGUOUS.fullmatch(text) is not None


def unambiguous(number: Decimal, *, kept: bool = False) -> str:
    """As :func:`digits` (if ``kept``: with its own decimals), but never ambiguous (:func:`is_ambiguous`): 1.234 gives
    ``1.2340``. Pages write numbers in fields and addresses in this way."""
    return not_misread(written_out(number) if kept else digits(number))


def not_misread(text: str) -> str:
    """A number in digits, with one more zero if it would be ambiguous."""
    return f"{text}0" if is_ambiguous(text) else text
