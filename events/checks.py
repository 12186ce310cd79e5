"""Builds for a type the check of all bounded parts of a value, which names the broken bound and its place.

Every event is checked, and hardly any breaks a bound: so :mod:`events.fine` first finds out quickly whether all is within bounds.
"""

from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any, NamedTuple

from msgspec import Struct, inspect

from events.fine import Fine, fine_of
from events.limits import (
    ANY,
    HIGHEST_EXPONENT,
    HIGHEST_FLOAT,
    LINE,
    Check,
    OutOfBounds,
    Range,
    check_float,
    check_instant,
    check_length,
    check_number,
    check_text_of,
    check_whole,
)


class CheckedLimits(NamedTuple):
    """What a check looks at besides numbers: with ``lengths`` the lengths of texts and lists."""

    lengths: bool
    rest: bool
    """Whether it also checks the characters of texts, whole numbers, floats and instants."""


def check_of(kind: inspect.Type, extra: dict[str, Any], looks: CheckedLimits) -> Check | None:
    most = extra.get("most") if looks.lengths else None
    match kind:
        case inspect.Metadata():
            return check_of(kind.type, kind.extra or {}, looks)
        case inspect.DecimalType():
            return _of_number(extra.get("range", ANY))
        case inspect.StrType():
            text = partial(check_text_of, extra.get("text") != LINE) if looks.rest else None
            return _both(partial(check_length, "too-long", most) if most else None, text)
        case inspect.IntType() if looks.rest and kind.le is None:
            return check_whole
        case inspect.FloatType() if looks.rest:
            return partial(check_float, extra.get("most", HIGHEST_FLOAT))
        case inspect.DateTimeType() | inspect.DateType() if looks.rest:
            return check_instant
        case inspect.UnionType():
            return _of_union([check_of(each, extra, looks) for each in kind.types])
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            items = _of_items(check_of(kind.item_type, {}, looks))
            return _both(partial(check_length, "too-many", most) if most else None, items)
        case inspect.DictType():
            return _of_pairs(check_of(kind.key_type, {}, looks), check_of(kind.value_type, {}, looks))
        case inspect.StructType():
            return _of_struct(kind.cls, looks)
    return None


@cache
def _of_struct(cls: type[Struct], looks: CheckedLimits) -> Check | None:
    """The check of a struct. It is made once for each class, whichever types contain it."""
    fields = inspect.type_info(cls).fields  # type: ignore[attr-defined]
    checks = [(each.name, check_of(each.type, {}, looks)) for each in fields]
    check = _of_fields([(name, check) for name, check in checks if check is not None])
    return check if check is None or looks.rest else _unless_fine(check, fine_of(cls, lengths=looks.lengths))


def _unless_fine(check: Check, fine: Fine) -> Check:
    def each(value: Any, now: datetime | None) -> None:
        if not fine(value):
            check(value, now)

    return each


def _both(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return first or second

    def both(value: Any, now: datetime | None) -> None:
        first(value, now)
        second(value, now)

    return both


def _of_union(checks: list[Check | None]) -> Check | None:
    """A check never gets None: the check of the containing value skips it."""
    found = [check for check in checks if check is not None]
    if len(found) > 1:
        raise TypeError("a union of several bounded types is not supported: nothing tells which type a value has")
    return found[0] if found else None


def _of_number(within: Range) -> Check:
    least, most, places = within

    def each(number: Decimal, _: datetime | None) -> None:
        """The fast path: most numbers are within their range. For the others :func:`check_number` says what is wrong."""
        if number.is_finite() and least <= number <= most:
            exponent = number.as_tuple().exponent
            if -places <= exponent <= HIGHEST_EXPONENT:  # type: ignore[operator]  # of a finite number it is an int
                return
        check_number(number, within)

    return each


def _of_items(check: Check | None) -> Check | None:
    if check is None:
        return None

    def each(value: Any, now: datetime | None) -> None:
        place = 0
        try:
            for place, item in enumerate(value):  # noqa: B007  # an error names it
                if item is not None:
                    check(item, now)
        except OutOfBounds as error:
            raise error.inside(place)  # noqa: B904  # the same error

    return each


def _of_pairs(named: Check | None, check: Check | None) -> Check | None:
    if named is None and check is None:
        return None

    def each(value: Any, now: datetime | None) -> None:
        for name, item in value.items():
            if named is not None:
                named(name, now)
            try:
                if check is not None and item is not None:
                    check(item, now)
            except OutOfBounds as error:
                raise error.inside(name)  # noqa: B904  # the same error

    return each


def _of_fields(checks: list[tuple[str, Check]]) -> Check | None:
    if not checks:
        return None

    def each(value: Any, now: datetime | None) -> None:
        name = ""
        try:
            for name, check in checks:
                if (part := getattr(value, name)) is not None:
                    check(part, now)
        except OutOfBounds as error:
            raise error.inside(name)  # noqa: B904  # the same error

    return each
