"""How large a value may be: the types of texts, numbers and instants that come from outside or go over the wire.

msgspec itself holds lengths. What it cannot hold is checked here, by walks that are compiled once a type: a number is finite and
has so many digits at most, an instant has a zone and lies within ten years, a text has letters that can be seen and no control
characters. :func:`check` does all of it at the door, :func:`check_event` what matters on the wire, where texts of other markets come
as they are.

Types of the door are narrow, those of the wire hold each of them and what imports bring. A test walks all structs of both and fails
where a text, list or number has no bound.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, inspect

T = TypeVar("T")


SENTENCES = {
    "control-character": "has a character that cannot be shown",
    "invisible-text": "has no letter that can be seen",
    "missing": "is required",
    "no-body": "The request needs a JSON body.",
    "no-zone": "needs a time zone, such as 2027-01-31T12:00:00Z",
    "not-a-choice": "is none of the values that it may have",
    "not-a-date": "is not a date or time such as 2027-01-31T12:00:00Z",
    "not-a-number": "is not a number",
    "not-as-written": "is not written as it should be",
    "not-finite": "is not a finite number",
    "out-of-range": "must lie between {least} and {most}",
    "too-far": "must lie within {years} years",
    "too-high": "must be at most {most}",
    "too-large": "has too many digits",
    "too-long": "has more than {most} characters",
    "too-low": "must be at least {least}",
    "too-many": "has more than {most} entries",
    "too-many-decimals": "has more than {places} decimals",
    "too-short": "has a length below {least}",
    "unknown-parameter": "is not a parameter of this address",
    "wrong-type": "is not of the right kind: {said}",
}
"""Of each bound its code, and what is said of a value that breaks it."""


class OutOfBounds(Exception):
    """A value that no rule of the market could mean. ``code`` names the bound, ``field`` is the path to the value."""

    def __init__(self, code: str, field: str = "", **numbers: object) -> None:
        self.message = SENTENCES[code].format(**numbers)
        super().__init__(self.message)
        self.code = code
        self.field = field
        self.numbers = numbers

    def __str__(self) -> str:
        return f"{self.field} {self.message}".strip()

    def inside(self, name: object) -> "OutOfBounds":
        """The same, of a part of what has this name."""
        self.field = f"{name}.{self.field}" if self.field else str(name)
        return self


class Range(NamedTuple):
    """``places`` are digits after the point."""

    least: Decimal
    most: Decimal
    places: int


YEARS_AWAY = 10
_WITHIN = timedelta(days=366 * YEARS_AWAY)
_LINE, _TEXT = "line", "text"


def _number(least: Decimal | int, most: Decimal | int, places: int) -> Any:
    within = Range(Decimal(least), Decimal(most), places)
    said = {"description": f"A number from {least:,} to {most:,} with at most {places} decimals.", "maxLength": 100}
    return Meta(extra={"range": within}, extra_json_schema=said)


def _list(most: int) -> Any:
    """Held by the walk: Litestar would describe a list whose length msgspec holds as one of anything."""
    return Meta(extra={"most": most}, extra_json_schema={"maxItems": most})


# At the door.
Id = Annotated[str, Meta(max_length=200, extra={"text": _LINE})]
Code = Annotated[str, Meta(max_length=100, extra={"text": _LINE})]
Name = Annotated[str, Meta(max_length=300, extra={"text": _LINE})]
Title = Annotated[str, Meta(max_length=500, extra={"text": _LINE})]
Reason = Annotated[str, Meta(max_length=4_000, extra={"text": _TEXT})]
Text = Annotated[str, Meta(max_length=10_000, extra={"text": _TEXT})]
Secret = Annotated[str, Meta(max_length=1_000)]
Amount = Annotated[Decimal, _number(-(10**15), 10**15, 20)]
"""Money, and the price of a unit. The sign is the rules' affair: they say more about it."""
Quantity = Annotated[Decimal, _number(-(10**12), 10**12, 20)]
Percent = Annotated[Decimal, _number(0, 100, 6)]
Share = Annotated[Decimal, _number(0, 1, 8)]
Instant = Annotated[datetime, Meta(tz=True)]
Days = Annotated[int, Meta(ge=0, le=366 * YEARS_AWAY)]
Minutes = Annotated[int, Meta(ge=0, le=366 * YEARS_AWAY * 24 * 60)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Lines = Annotated[tuple[T, ...], _list(200)]
"""Lines of a purchase, with all they say less than an event may weigh."""
Few = Annotated[tuple[T, ...], _list(100)]

ByLine = Annotated[dict[Id, T], Meta(max_length=200)]
"""Something for each line, by the line's id."""

# On the wire. msgspec does not hold these lengths, since it also reads what is stored: a text that an older release let in must not
# make a page fail that shows it.


def _text(most: int) -> Any:
    return Meta(extra={"most": most}, extra_json_schema={"maxLength": most})


Key = Annotated[str, _text(400)]
"""An id, or a word of a closed list."""
Label = Annotated[str, _text(2_000)]
Prose = Annotated[str, _text(20_000)]
Exact = Annotated[Decimal, _number(-(10**20), 10**20, 60)]
Many = Annotated[tuple[T, ...], _list(10_000)]

Check = Callable[[Any, datetime | None], None]
"""(value, now) → None, or OutOfBounds."""
_ANY = Range(Decimal(-(10**20)), Decimal(10**20), 60)
_HIDDEN = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters by name that nobody can see."""
_MOST_WHOLE = 10**9
_HIGHEST_EXPONENT = 30
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile("[\t\n\r]")


_FOUND = re.compile(r"(?P<said>.*?)(?: - at (?:`key` in )?`\$?(?P<path>.*)`)?", re.DOTALL)
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
"""What msgspec says of a value, and the code of the bound."""


def unfit(error: msgspec.ValidationError | str) -> OutOfBounds:
    """What msgspec found wrong, or its words, as a bound with its code: ``wrong-type`` for what is of another kind altogether."""
    found = _FOUND.fullmatch(str(error))
    said, path = (found["said"], found["path"] or "") if found else (str(error), "")
    field = re.sub(r"[.\[\]]+", ".", path).strip(".")
    for pattern, code in _SAID:
        if limits := pattern.match(said):
            numbers = limits.groupdict()
            field = ".".join(part for part in (field, numbers.pop("name", "")) if part)
            return OutOfBounds(code, field, **numbers)
    return OutOfBounds("wrong-type", field, said=said)


def fitted(value: Any, kind: Any, now: datetime | None = None) -> Any:
    """``value``, as JSON or a form has it, made a ``kind`` whose parts are all in bounds. Raises OutOfBounds."""
    try:
        made = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise unfit(error) from error
    check(made, kind, now)
    return made


def check(value: Any, kind: Any, now: datetime | None = None) -> None:
    """Raises OutOfBounds if a part of ``value``, which msgspec fitted to ``kind``, has no business in the market. Instants are held
    against ``now`` where it is given."""
    walk = _at_the_door(kind)
    if walk is not None and value is not None:
        walk(value, now)


def check_event(value: Any, kind: Any) -> None:
    """Raises OutOfBounds for what an event of today does not hold: a number that is not finite or has too many digits, a text or list
    that is too long."""
    if (walk := _on_the_wire(kind)) is not None:
        walk(value, None)


def check_numbers(value: Any, kind: Any) -> None:
    """Raises OutOfBounds for a number that is not finite or has too many digits: rules cannot compute with it. Lengths are not looked
    at: the former release let longer texts in, and what it published, or what follows from that, stays readable."""
    if (walk := _with_numbers(kind)) is not None:
        walk(value, None)


def check_text(text: str, breaks: bool = True) -> None:
    """Raises OutOfBounds for control characters (``breaks``: those that break a line are welcome), and for a text that shows nothing
    though it is not blank. Whether a blank one will do is the rules' affair."""
    if _CONTROL.search(text) or (not breaks and _BREAKS.search(text.strip())):
        raise OutOfBounds("control-character")
    if not text.isascii() and text.strip() and not any(map(_visible, text)):
        raise OutOfBounds("invisible-text")


def _visible(letter: str) -> bool:
    return unicodedata.category(letter)[0] not in "CZ" and letter not in _HIDDEN


def check_number(number: Decimal, within: Range = _ANY) -> None:
    """In a time that does not grow with the exponent. Raises OutOfBounds."""
    if not number.is_finite():
        raise OutOfBounds("not-finite")
    if not within.least <= number <= within.most:
        raise OutOfBounds("out-of-range", least=f"{within.least:f}", most=f"{within.most:f}")
    exponent = number.as_tuple().exponent
    if not -within.places <= exponent <= _HIGHEST_EXPONENT:  # type: ignore[operator]  # of a finite number it is an int
        raise OutOfBounds("too-many-decimals", places=within.places)


def _check_length(code: str, most: int, value: Any, _: datetime | None) -> None:
    if len(value) > most:
        raise OutOfBounds(code, most=most)


def _check_text(breaks: bool, text: str, _: datetime | None) -> None:
    check_text(text, breaks)


def _check_whole(number: int, _: datetime | None) -> None:
    if not -_MOST_WHOLE <= number <= _MOST_WHOLE:
        raise OutOfBounds("out-of-range", least=-_MOST_WHOLE, most=_MOST_WHOLE)


def _check_float(number: float, _: datetime | None) -> None:
    if not math.isfinite(number):
        raise OutOfBounds("not-finite")


def _check_instant(value: date, now: datetime | None) -> None:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise OutOfBounds("no-zone")
    if now is None:
        return
    away = value - now if isinstance(value, datetime) else value - now.date()
    if abs(away) > _WITHIN:
        raise OutOfBounds("too-far", years=YEARS_AWAY)


class _Looks(NamedTuple):
    """What a walk looks at beside numbers."""

    lengths: bool
    rest: bool
    """At what a text is written with, and at instants."""


@lru_cache(maxsize=1_000)
def _at_the_door(kind: Any) -> Check | None:
    return _walk(inspect.type_info(kind), {}, _Looks(lengths=True, rest=True))


@lru_cache(maxsize=1_000)
def _on_the_wire(kind: Any) -> Check | None:
    return _walk(inspect.type_info(kind), {}, _Looks(lengths=True, rest=False))


@lru_cache(maxsize=1_000)
def _with_numbers(kind: Any) -> Check | None:
    return _walk(inspect.type_info(kind), {}, _Looks(lengths=False, rest=False))


def _walk(kind: inspect.Type, extra: dict[str, Any], looks: _Looks) -> Check | None:
    most = extra.get("most") if looks.lengths else None
    match kind:
        case inspect.Metadata():
            return _walk(kind.type, kind.extra or {}, looks)
        case inspect.DecimalType():
            return _of_number(extra.get("range", _ANY))
        case inspect.StrType():
            text = partial(_check_text, extra.get("text") != _LINE) if looks.rest else None
            return _both(partial(_check_length, "too-long", most) if most else None, text)
        case inspect.IntType() if looks.rest and kind.le is None:
            return _check_whole
        case inspect.FloatType() if looks.rest:
            return _check_float
        case inspect.DateTimeType() | inspect.DateType() if looks.rest:
            return _check_instant
        case inspect.UnionType():
            return _of_union([_walk(each, extra, looks) for each in kind.types])
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            items = _of_items(_walk(kind.item_type, {}, looks))
            return _both(partial(_check_length, "too-many", most) if most else None, items)
        case inspect.DictType():
            return _of_pairs(_walk(kind.key_type, {}, looks), _walk(kind.value_type, {}, looks))
        case inspect.StructType():
            texts = {} if looks.rest else {each.name: most for each in kind.fields if (most := _longest(each.type))}
            walks = [(each.name, _walk(each.type, {}, looks)) for each in kind.fields]
            found = [(name, walk) for name, walk in walks if walk is not None]
            if not looks.lengths or len(texts) < 2:
                return _of_fields(found)
            others = _of_fields([(name, walk) for name, walk in found if name not in texts])
            return _of_texts(texts, _of_fields([(name, walk) for name, walk in found if name in texts]), others)
    return None


def _both(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return first or second

    def both(value: Any, now: datetime | None) -> None:
        first(value, now)
        second(value, now)

    return both


def _of_union(walks: list[Check | None]) -> Check | None:
    """No walk is given a None: what holds values passes over it."""
    found = [walk for walk in walks if walk is not None]
    if len(found) > 1:
        raise TypeError("of a union of several types that have bounds it cannot be told which a value is of")
    return found[0] if found else None


def _of_number(within: Range) -> Check:
    least, most, places = within

    def each(number: Decimal, _: datetime | None) -> None:
        """As :func:`check_number`, which says what is wrong: this is for the many that are right."""
        if number.is_finite() and least <= number <= most:
            exponent = number.as_tuple().exponent
            if -places <= exponent <= _HIGHEST_EXPONENT:  # type: ignore[operator]  # of a finite number it is an int
                return
        check_number(number, within)

    return each


def _of_items(walk: Check | None) -> Check | None:
    if walk is None:
        return None

    def each(value: Any, now: datetime | None) -> None:
        place = 0
        try:
            for place, item in enumerate(value):  # noqa: B007  # an error names it
                if item is not None:
                    walk(item, now)
        except OutOfBounds as error:
            raise error.inside(place)  # noqa: B904  # the same error

    return each


def _of_pairs(named: Check | None, walk: Check | None) -> Check | None:
    if named is None and walk is None:
        return None

    def each(value: Any, now: datetime | None) -> None:
        for name, item in value.items():
            if named is not None:
                named(name, now)
            try:
                if walk is not None and item is not None:
                    walk(item, now)
            except OutOfBounds as error:
                raise error.inside(name)  # noqa: B904  # the same error

    return each


def _longest(kind: inspect.Type) -> int | None:
    """The bound of a text, or of one that may be None; None for anything else."""
    match kind:
        case inspect.Metadata(type=inspect.StrType()):
            return (kind.extra or {}).get("most")
        case inspect.UnionType():
            held = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
            return _longest(held[0]) if len(held) == 1 else None
    return None


def _of_texts(bounds: dict[str, int], texts: Check | None, others: Check | None) -> Check:
    """All texts of a struct are measured at once: hardly any is longer than the least of their bounds, and only then each is
    compared with its own."""
    get, least = attrgetter(*bounds), min(bounds.values())

    def each(value: Any, now: datetime | None) -> None:
        if texts is not None and max(map(len, filter(None, get(value))), default=0) > least:
            texts(value, now)
        if others is not None:
            others(value, now)

    return each


def _of_fields(walks: list[tuple[str, Check]]) -> Check | None:
    if not walks:
        return None

    def each(value: Any, now: datetime | None) -> None:
        name = ""
        try:
            for name, walk in walks:
                if (part := getattr(value, name)) is not None:
                    walk(part, now)
        except OutOfBounds as error:
            raise error.inside(name)  # noqa: B904  # the same error

    return each
