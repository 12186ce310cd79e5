"""Types and errors that the parts of a policy share.

Each number, text and list of a policy has a bound in its type. A bound applies to files only, when they are loaded
(:mod:`catalogue.policy.reading`): msgspec does not check it. So a policy that was stored with a process stays readable
when a bound becomes narrower, and the process keeps its numbers to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from catalogue.categories import read_code
from catalogue.money import minor_units
from catalogue.numbers import can_be_written_out
from catalogue.rules import RuleBroken

KINDS = frozenset({"goods", "works", "services"})
"""OCDS ``mainProcurementCategory``."""
GRADES = ("A", "B", "C")
"""Grades of reference prices."""
SCORINGS = ("price", "quality", "life-cycle")
BOUND = "bound"
"""The key of a bound in the ``extra`` of a type."""


class FieldNotValid(ValueError):
    """A value of a policy cannot be used. ``field`` is its path in the file, such as "auction.durations[0].minutes", or
    the path within the table that is checked ("": the table itself); ``what`` says what it must be."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field} {what}")
        self.field = field
        self.what = what


class Bound(msgspec.Struct, frozen=True):
    """What a value of a file must be: a test, and the rule in words, such as "must lie between 1 and 100". If ``once`` is
    true, a value that the file repeats in a list counts once."""

    fits: Callable[[Any], bool]
    rule: str
    once: bool = False


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a policy. A field that it does not have is refused in a file and ignored in a policy that is stored with
    a process, because a newer release, which runs beside this one, may have added the field."""

    def check(self) -> None:
        """Check the values against each other, when a file is loaded. Raise FieldNotValid with the path within this
        table."""


def bound(fits: Callable[[Any], bool], rule: str) -> Any:
    return Meta(extra={BOUND: Bound(fits, rule)})


def between(least: int, most: int) -> Any:
    return bound(lambda number: least <= number <= most, f"must lie between {least} and {most}")


def _number(least: int, most: int, places: int, *, above: bool = False, below: bool = False) -> Any:
    """A number from ``least`` to ``most`` with at most ``places`` decimals. ``above`` excludes ``least``, ``below`` excludes
    ``most``."""

    def fits(number: Decimal) -> bool:
        if not can_be_written_out(number):
            return False
        exponent = number.normalize().as_tuple().exponent
        inside = (least < number if above else least <= number) and (number < most if below else number <= most)
        return inside and isinstance(exponent, int) and -exponent <= places

    first, last = "above" if above else "at least", "below" if below else "at most"
    return bound(fits, f"must be {first} {least} and {last} {most}, with at most {places} decimals")


def text(most: int, least: int = 0, *, lines: bool = False) -> Any:
    """A text of ``least`` to ``most`` characters on one line, or on several if it may have ``lines``. Other control
    characters than a tab are in no text."""
    allowed = "\t\r\n" if lines else "\t"

    def fits(value: str) -> bool:
        shown = all(each >= " " or each in allowed for each in value)
        return least <= len(value.strip()) and len(value) <= most and shown

    length = f"must have {f'from {least} to' if least else 'at most'} {most} characters"
    return bound(fits, f"{length} and no control characters" if lines else f"{length} on one line")


def several(least: int, most: int, *, once: bool = True) -> Any:
    """A list or table of ``least`` to ``most`` values. With ``once``, a value that a list repeats counts once."""
    rule = f"must have from {least} to {most} values"
    return Meta(extra={BOUND: Bound(lambda values: least <= len(values) <= most, rule, once)})


def one_of(words: Any) -> Any:
    """A text of a closed list. It is no ``Literal``, because msgspec would then check stored policies too."""
    return bound(lambda word: word in words, f"must be one of {', '.join(sorted(words))}")


def _is_currency(code: str) -> bool:
    try:
        minor_units(code)
    except RuleBroken:
        return False
    return True


def _begins_a_category(digits: str) -> bool:
    """Whether the digits are a CPV code or begin one, as each single digit does. A check digit would match no code of the
    catalogue."""
    if len(digits) == 1:
        return digits in "0123456789"
    try:
        read_code(digits)
    except RuleBroken:
        return False
    return digits.isdecimal()


Positive = Annotated[int, between(1, 1_000_000)]
Few = Annotated[int, between(0, 100)]
Rank = Annotated[int, between(2, 1000)]
Characters = Annotated[int, between(1, 1000)]
"""The least length of a text that people write; it is shorter than the longest text that a request may have."""
SecondsOrNone = Annotated[int, between(0, 86_400)]
Seconds = Annotated[int, between(1, 86_400)]
MinutesOrNone = Annotated[int, between(0, 366 * 24 * 60)]
Minutes = Annotated[int, between(1, 366 * 24 * 60)]
WorkingDaysOrNone = Annotated[int, between(0, 1000)]
WorkingDays = Annotated[int, between(1, 1000)]
"""Working days of one step: about four years at most, for which the holidays of every calendar are known."""
CalendarDaysOrNone = Annotated[int, between(0, 3650)]
CalendarDays = Annotated[int, between(1, 3650)]
Months = Annotated[int, between(1, 600)]
"""Fifty years at most, so that no date that is computed with it lies outside the calendar."""
Money = Annotated[Decimal, _number(0, 10**15, 4, above=True)]
MoneyOrNone = Annotated[Decimal, _number(0, 10**15, 4)]
Percent = Annotated[Decimal, _number(0, 100, 6)]
SomePercent = Annotated[Decimal, _number(0, 100, 6, above=True)]
PercentBelowAll = Annotated[Decimal, _number(0, 100, 6, below=True)]
SomePercentBelowAll = Annotated[Decimal, _number(0, 100, 6, above=True, below=True)]
Deviation = Annotated[Decimal, _number(0, 1000, 6)]
"""How far prices differ from each other, in percent or in units of a measure of it."""
SomeDeviation = Annotated[Decimal, _number(0, 1000, 6, above=True)]
Code = Annotated[str, text(100, least=1)]
Title = Annotated[str, text(300, least=1)]
Sentence = Annotated[str, text(1000, lines=True)]
PurchaseKind = Annotated[str, one_of(KINDS)]
Kinds = Annotated[tuple[PurchaseKind, ...], several(1, len(KINDS))]
Grade = Annotated[str, one_of(GRADES)]
Currency = Annotated[str, bound(_is_currency, "must be a currency code of ISO 4217, such as EUR")]
CategoryStart = Annotated[
    str, bound(_begins_a_category, "must be a CPV code without its check digit, or its first digits")
]
