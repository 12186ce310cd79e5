"""How numbers and times are written at the door: numbers as JSON writes them, whoever sends them as text, and times as text alone.

Python also reads ``1_000``, ``٣`` and `` 5 ``, and so does msgspec: whoever mistypes ``1_5`` for ``1.5`` would order fifteen. It also
reads the number of seconds since 1970 as a time: a number in the wrong place would be one.
"""

import re
from datetime import date, datetime
from functools import cache
from typing import Any

from msgspec import inspect

from events.limits import Check, OutOfBounds

_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)


def check_notation(written: object, _: datetime | None = None) -> None:
    """Raises OutOfBounds for a text that is a number in Python alone. What is no number at all others refuse."""
    if isinstance(written, str) and ("_" in written or not written.isascii() or written != written.strip()):
        raise OutOfBounds("not-a-number")


def check_time(written: object, _: datetime | None = None) -> None:
    """Raises OutOfBounds for what is neither a text in ISO 8601 nor read already: a number, as such or as text."""
    if not isinstance(written, date) and not (isinstance(written, str) and _DAY.match(written)):
        raise OutOfBounds("not-a-date")


@cache
def notation_of(kind: Any) -> Check | None:
    """Checks all numbers and times in what is to become a ``kind``: JSON's objects, lists and texts, which msgspec fitted to it already."""
    return _walk(inspect.type_info(kind))


def _walk(kind: inspect.Type) -> Check | None:
    match kind:
        case inspect.Metadata():
            return _walk(kind.type)
        case inspect.DecimalType():
            return check_notation
        case inspect.DateTimeType() | inspect.DateType():
            return check_time
        case inspect.UnionType():
            return next((walk for each in kind.types if (walk := _walk(each))), None)
        case inspect.VarTupleType() | inspect.ListType():
            return _of_list(_walk(kind.item_type))
        case inspect.DictType():
            return _of_object(None, _walk(kind.value_type))
        case inspect.StructType():
            walks = {field.encode_name: walk for field in kind.fields if (walk := _walk(field.type))}
            return _of_object(walks, None) if walks else None
    return None


def _of_list(walk: Check | None) -> Check | None:
    if walk is None:
        return None

    def each(written: Any, now: datetime | None) -> None:
        for place, item in enumerate(written):
            _within(place, item, walk, now)

    return each


def _of_object(walks: dict[str, Check] | None, rest: Check | None) -> Check | None:
    """``walks`` by name; ``rest`` for every other name."""
    if walks is None and rest is None:
        return None

    def each(written: Any, now: datetime | None) -> None:
        for name, item in written.items():
            if walk := (walks or {}).get(name, rest):
                _within(name, item, walk, now)

    return each


def _within(name: object, written: Any, walk: Check, now: datetime | None) -> None:
    if written is None:
        return
    try:
        walk(written, now)
    except OutOfBounds as error:
        raise error.inside(name)  # noqa: B904  # the same error
