"""Bounds of values: the types of texts, numbers and instants in requests and in events.

msgspec itself checks lengths. All other bounds are checked by a function that is compiled once per type
(:mod:`events.checks`): a number is finite and its digits are bounded, an instant has a zone and lies within ten years, a text has visible
characters and no control characters. :func:`check` checks all bounds of a request; :func:`check_event` checks fewer bounds of an event,
because texts of other markets are imported as they are.

Types for requests are narrow; types for events are wide enough for every request type and for imported data. A test inspects all structs
of both and fails if a text, list or number has no bound.
"""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, inspect

from events.checks import CheckedLimits, check_of
from events.limits import LINE, YEARS_AWAY, Check, OutOfBounds, Range
from events.notation import notation_of

T = TypeVar("T")
_TEXT = "text"


def _number(least: Decimal | int, most: Decimal | int, places: int) -> Any:
    within = Range(Decimal(least), Decimal(most), places)
    said = {"description": f"A number from {least:,} to {most:,} with at most {places} decimals.", "maxLength": 100}
    return Meta(extra={"range": within}, extra_json_schema=said)


def _list(most: int) -> Any:
    """Checked by the compiled function: if msgspec checked the length, Litestar's OpenAPI would describe the list as a list of anything."""
    return Meta(extra={"most": most}, extra_json_schema={"maxItems": most})


# Types for requests.
Id = Annotated[str, Meta(max_length=200, extra={"text": LINE})]
Code = Annotated[str, Meta(max_length=100, extra={"text": LINE})]
Name = Annotated[str, Meta(max_length=300, extra={"text": LINE})]
Title = Annotated[str, Meta(max_length=500, extra={"text": LINE})]
Phrase = Annotated[str, Meta(max_length=1_000, extra={"text": _TEXT})]
"""The value of an attribute of a card."""
Clause = Annotated[str, Meta(max_length=2_000, extra={"text": _TEXT})]
"""A term of a contract, or what a side says about it."""
Reason = Annotated[str, Meta(max_length=4_000, extra={"text": _TEXT})]
Text = Annotated[str, Meta(max_length=10_000, extra={"text": _TEXT})]
Secret = Annotated[str, Meta(max_length=1_000)]
Password = Annotated[str, Meta(max_length=200)]
"""A new password."""
Amount = Annotated[Decimal, _number(-(10**15), 10**15, 20)]
"""Money, and the price of a unit. The sign is not checked here; the domain rules check it, with a better message."""
Quantity = Annotated[Decimal, _number(-(10**12), 10**12, 20)]
Price = Annotated[Decimal, _number(-(10**15), 10**15, 5)]
"""The price of a pack in the catalogue, with as many decimals as a page can show."""
Packs = Annotated[Decimal, _number(-(10**12), 10**12, 5)]
Percent = Annotated[Decimal, _number(0, 100, 6)]
Share = Annotated[Decimal, _number(0, 1, 8)]
Instant = Annotated[datetime, Meta(tz=True)]
Days = Annotated[int, Meta(ge=0, le=366 * YEARS_AWAY)]
Minutes = Annotated[int, Meta(ge=0, le=366 * YEARS_AWAY * 24 * 60)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Lines = Annotated[tuple[T, ...], _list(200)]
"""Lines of a purchase: at most 200, so that an event with all of them stays below the limit of an event's size."""
Few = Annotated[tuple[T, ...], _list(100)]

ByLine = Annotated[dict[Id, T], Meta(max_length=200)]
"""Something for each line, by the line's id."""

# Types for events. msgspec does not check these lengths, since it also reads stored events: a text that an older release accepted must
# not break the page that shows it.


def _text(most: int) -> Any:
    return Meta(extra={"most": most}, extra_json_schema={"maxLength": most})


Key = Annotated[str, _text(400)]
"""An id, or a word of a closed list."""
Label = Annotated[str, _text(2_000)]
Prose = Annotated[str, _text(20_000)]
PolicyText = Annotated[str, _text(20_000)]
"""A policy in JSON, as it was when a process began. The process uses it to its end, however the file changes. "" in events older than this
field: they use the policy of the name in the same event."""
Exact = Annotated[Decimal, _number(-(10**20), 10**20, 60)]
Many = Annotated[tuple[T, ...], _list(10_000)]


def _degrees(most: int) -> Any:
    return Meta(extra={"most": most}, extra_json_schema={"minimum": -most, "maximum": most})


Latitude = Annotated[float, _degrees(90)]
Longitude = Annotated[float, _degrees(180)]


def longest(kind: Any) -> int:
    """The most characters of a text of this type: for domain rules with their own message, which then use the same
    limit as requests."""
    return int(next(note.max_length for note in kind.__metadata__ if note.max_length is not None))


_AT = " - at `"
_SAID = (
    (re.compile(r"Expected `(?:str|bytes)` of length <= (?P<most>\d+)"), "too-long"),
    (re.compile(r"Expected `\w+` of length <= (?P<most>\d+)"), "too-many"),
    (re.compile(r"Expected `\w+` of length >= (?P<least>\d+)"), "too-short"),
    (re.compile(r"Expected `\w+` <= (?P<most>\S+)"), "too-high"),
    (re.compile(r"Expected `\w+` >= (?P<least>\S+)"), "too-low"),
    (re.compile(r"Integer value out of range"), "too-large"),
    (re.compile(r"Invalid enum value"), "not-a-choice"),
    (re.compile(r"Expected `\w+` matching regex"), "not-as-written"),
    (re.compile(r"Invalid decimal string"), "not-a-number"),
    (re.compile(r"Invalid RFC3339 encoded `?\w+`?"), "not-a-date"),
    (re.compile(r"Expected `datetime` with a timezone"), "no-zone"),
    (re.compile(r"Object missing required field `(?P<name>\w+)`"), "missing"),
)
"""Messages of msgspec about a value, and the code of the bound for each."""


def unfit(error: msgspec.ValidationError | str) -> OutOfBounds:
    """An error of msgspec, or its text, as OutOfBounds with the code of the bound; ``wrong-type`` if the value has another type."""
    said, path = _said_and_where(str(error))
    field = re.sub(r"[.\[\]]+", ".", path).strip(".")
    for pattern, code in _SAID:
        if limits := pattern.match(said):
            numbers = limits.groupdict()
            field = ".".join(part for part in (field, numbers.pop("name", "")) if part)
            return OutOfBounds(code, field, **numbers)
    return OutOfBounds("wrong-type", field, said=said)


def _said_and_where(words: str) -> tuple[str, str]:
    """``Expected `int` - at `$.lines[0]``` → (Expected `int`, .lines[0]). The message may quote a value as long as the request, so it is
    searched only once, from the end."""
    said, at, where = words.rpartition(_AT)
    if not at or not where.endswith("`"):
        return words, ""
    return said, where[:-1].removeprefix("key` in `").removeprefix("$")


@lru_cache(maxsize=1_000)
def _at_the_door(kind: Any) -> Check | None:
    return check_of(inspect.type_info(kind), {}, CheckedLimits(lengths=True, rest=True))


@lru_cache(maxsize=1_000)
def _on_the_wire(kind: Any) -> Check | None:
    return check_of(inspect.type_info(kind), {}, CheckedLimits(lengths=True, rest=False))


@lru_cache(maxsize=1_000)
def _with_numbers(kind: Any) -> Check | None:
    return check_of(inspect.type_info(kind), {}, CheckedLimits(lengths=False, rest=False))


def fitted(value: Any, kind: Any, now: datetime | None = None) -> Any:
    """``value``, as it is in JSON or a form, converted to a ``kind`` with all its parts in bounds. Raise OutOfBounds."""
    try:
        made = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise unfit(error) from error
    if value is not None and (notation := notation_of(kind)) is not None:
        notation(value, now)
    check(made, kind, now)
    return made


def check(value: Any, kind: Any, now: datetime | None = None) -> None:
    """Raise OutOfBounds if a part of ``value``, an instance of ``kind``, is outside its bounds. Instants are compared with ``now`` if it
    is given."""
    compiled = _at_the_door(kind)
    if compiled is not None and value is not None:
        compiled(value, now)


def check_event(value: Any, kind: Any) -> None:
    """Raise OutOfBounds for values that no new event may have: a number that is not finite or has too many digits, a text or list that is
    too long."""
    if (compiled := _on_the_wire(kind)) is not None:
        compiled(value, None)


def check_numbers(value: Any, kind: Any) -> None:
    """Raise OutOfBounds for a number that is not finite or has too many digits: rules cannot compute with it. Lengths are not
    checked: the former release accepted longer texts, and its events, and later events with these texts, stay readable."""
    if (compiled := _with_numbers(kind)) is not None:
        compiled(value, None)
