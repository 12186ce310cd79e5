"""Checks of single values (a text is visible, a number is finite and short, an instant is near) and the messages for
broken bounds. :mod:`events.bounds` says which values are checked.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

SENTENCES = {
    "control-character": "has a character that cannot be shown",
    "invisible-text": "has no visible character",
    "missing": "is required",
    "no-body": "The request needs a JSON body.",
    "no-zone": "needs a time zone, such as 2027-01-31T12:00:00Z",
    "not-a-choice": "is not one of the allowed values",
    "not-a-date": "is not a date or time such as 2027-01-31T12:00:00Z",
    "not-a-number": "is not a number",
    "not-as-written": "is not in the right form",
    "not-finite": "is not a finite number",
    "out-of-range": "must lie between {least} and {most}",
    "too-far": "must lie within {years} years",
    "too-high": "must be at most {most}",
    "too-large": "has too many digits",
    "too-long": "has more than {most} characters",
    "too-low": "must be at least {least}",
    "too-many": "has more than {most} entries",
    "too-many-decimals": "has more than {places} decimals",
    "too-short": "is shorter than {least}",
    "twice": "may be given only once",
    "unknown-member": "is not known here; known are {known}",
    "unknown-parameter": "is not a parameter of this address",
    "wrong-type": "is not of the right kind: {said}",
}
"""The message about a value that breaks a bound, by the bound's code."""


class OutOfBounds(Exception):
    """A value that is outside its bounds. ``code`` names the bound, ``field`` is the path to the value."""

    def __init__(self, code: str, field: str = "", **numbers: Decimal | int | str) -> None:
        self.message = SENTENCES[code].format(**numbers)
        super().__init__(self.message)
        self.code = code
        self.field = field
        self.numbers = numbers

    def __str__(self) -> str:
        return f"{self.field} {self.message}".strip()

    def inside(self, name: object) -> "OutOfBounds":
        """The same error, with ``name`` put in front of its path."""
        self.field = f"{name}.{self.field}" if self.field else str(name)
        return self


class Range(NamedTuple):
    """The range of a number. ``places`` is the most digits after the decimal point."""

    least: Decimal
    most: Decimal
    places: int


LINE = "line"
"""A text without line breaks."""
YEARS_AWAY = 10
_WITHIN = timedelta(days=366 * YEARS_AWAY)
Check = Callable[[Any, datetime | None], None]
"""(value, now) → None, or OutOfBounds."""
ANY = Range(Decimal(-(10**20)), Decimal(10**20), 60)
_HIDDEN = "\u115f\u1160\u2800\u3164\uffa0"
"""Characters that Unicode calls letters and that are invisible."""
_UNSEEN = "CZM"
"""Unicode categories of characters that are invisible by themselves: controls, spaces, and marks, which need a letter."""
_MOST_WHOLE = 10**9
HIGHEST_EXPONENT = 30
HIGHEST_FLOAT = 1e15
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\r]")
REPLACEMENT = "\ufffd"
"""Shown instead of a character that cannot be displayed."""


def shown(text: str) -> str:
    """The text with :data:`REPLACEMENT` for each character that :func:`check_text` refuses."""
    return _CONTROL.sub(REPLACEMENT, text)


def check_text(text: str, breaks: bool = True) -> None:
    """Raise OutOfBounds for control characters (line breaks are allowed if ``breaks`` is true), and for a text that is
    not blank and shows nothing. Whether a text may be blank is decided by the rules."""
    if _CONTROL.search(text) or (not breaks and _BREAKS.search(text.strip())):
        raise OutOfBounds("control-character")
    if shows_nothing(text):
        raise OutOfBounds("invisible-text")


def shows_nothing(text: str) -> bool:
    """Whether a text is not blank and has no visible character."""
    return not text.isascii() and bool(text.strip()) and not any(map(_visible, text))


def _visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in _UNSEEN and letter not in _HIDDEN


def check_number(number: Decimal, within: Range = ANY) -> None:
    """Raise OutOfBounds. It takes the same time whatever the exponent is."""
    if not number.is_finite():
        raise OutOfBounds("not-finite")
    if not within.least <= number <= within.most:
        raise OutOfBounds("out-of-range", least=f"{within.least:f}", most=f"{within.most:f}")
    exponent = number.as_tuple().exponent
    if not -within.places <= exponent <= HIGHEST_EXPONENT:  # type: ignore[operator]  # of a finite number it is an int
        raise OutOfBounds("too-many-decimals", places=within.places)


def check_length(code: str, most: int, value: Any, _: datetime | None) -> None:
    if len(value) > most:
        raise OutOfBounds(code, most=most)


def check_text_of(breaks: bool, text: str, _: datetime | None) -> None:
    check_text(text, breaks)


def check_whole(number: int, _: datetime | None) -> None:
    if not -_MOST_WHOLE <= number <= _MOST_WHOLE:
        raise OutOfBounds("out-of-range", least=-_MOST_WHOLE, most=_MOST_WHOLE)


def check_float(most: float, number: float, _: datetime | None) -> None:
    if not math.isfinite(number):
        raise OutOfBounds("not-finite")
    if abs(number) > most:
        raise OutOfBounds("out-of-range", least=f"{-most:g}", most=f"{most:g}")


def check_instant(value: date, now: datetime | None) -> None:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise OutOfBounds("no-zone")
    if now is None:
        return
    away = value - now if isinstance(value, datetime) else value - now.date()
    if abs(away) > _WITHIN:
        raise OutOfBounds("too-far", years=YEARS_AWAY)
