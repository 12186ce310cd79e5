"""How numbers and times must be written: a number sent as text must be written as in JSON; a time must be a text.

Python also reads ``1_000``, ``٣`` and `` 5 ``, and so does msgspec: a buyer who types ``1_5`` instead of ``1.5`` would
order fifteen. msgspec also reads a number as a time, the seconds since 1970: so a number in the wrong field would
become a time.
"""

import re
from datetime import date, datetime
from functools import cache
from typing import Any

from msgspec import inspect

from events.limits import Check, OutOfBounds

_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)


def check_notation(written: object, _: datetime | None = None) -> None:
    """Raise OutOfBounds for a text that Python reads as a number and JSON does not. Other checks refuse a text that is not a number."""
    if isinstance(written, str) and ("_" in written or not written.isascii() or written != written.strip()):
        raise OutOfBounds("not-a-number")


def check_time(written: object, _: datetime | None = None) -> None:
    """Raise OutOfBounds unless the value is a date, or a text in ISO 8601. A number is refused, also as text."""
    if not isinstance(written, date) and not (isinstance(written, str) and _DAY.match(written)):
        raise OutOfBounds("not-a-date")


@cache
def notation_of(kind: Any) -> Check | None:
    """A check of all numbers and times in JSON data that already has the shape of ``kind``; None if ``kind`` has none."""
    return _check_of(inspect.type_info(kind))


def _check_of(kind: inspect.Type) -> Check | None:
    match kind:
        case inspect.Metadata():
            return _check_of(kind.type)
        case inspect.DecimalType():
            return check_notation
        case inspect.DateTimeType() | inspect.DateType():
            return check_time
        case inspect.UnionType():
            return next((check for each in kind.types if (check := _check_of(each))), None)
        case inspect.VarTupleType() | inspect.ListType():
            return _of_list(_check_of(kind.item_type))
        case inspect.DictType():
            return _of_object(None, _check_of(kind.value_type))
        case inspect.StructType():
            checks = {field.encode_name: check for field in kind.fields if (check := _check_of(field.type))}
            return _of_object(checks, None) if checks else None
    return None


def _of_list(check: Check | None) -> Check | None:
    if check is None:
        return None

    def each(written: Any, now: datetime | None) -> None:
        for place, item in enumerate(written):
            _within(place, item, check, now)

    return each


def _of_object(checks: dict[str, Check] | None, rest: Check | None) -> Check | None:
    """``checks`` are the checks by name; ``rest`` checks the value of every other name."""
    if checks is None and rest is None:
        return None

    def each(written: Any, now: datetime | None) -> None:
        for name, item in written.items():
            if check := (checks or {}).get(name, rest):
                _within(name, item, check, now)

    return each


def _within(name: object, written: Any, check: Check, now: datetime | None) -> None:
    if written is None:
        return
    try:
        check(written, now)
    except OutOfBounds as error:
        raise error.inside(name)  # noqa: B904  # the same error
