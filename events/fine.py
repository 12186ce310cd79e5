"""A fast check whether all texts, lists and numbers of an event are within their bounds.

For each struct one function is compiled from text, as dataclasses are: it checks all fields in one expression, without
a call for each. For ``Place`` it is ``lambda value: ((it := value.country) is None or len(it) <= 400) and …``. The check
(:mod:`events.checks`) then finds out what is out of bounds.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache, partial
from typing import Any

from msgspec import Struct, inspect

from events.limits import ANY, HIGHEST_EXPONENT, Range

Fine = Callable[[Any], bool]


@cache
def fine_of(cls: type[Struct], *, lengths: bool) -> Fine:
    """The function that checks values of this type. Without ``lengths`` it checks only numbers."""
    names: dict[str, Any] = {"every": _every}
    fields = inspect.type_info(cls).fields  # type: ignore[attr-defined]
    parts = [_holds(each.type, f"value.{each.name}", {}, lengths, names) for each in fields]
    whole: Fine = eval(f"lambda value: {' and '.join(filter(None, parts)) or True}", names)
    return whole


def _holds(kind: inspect.Type, value: str, extra: dict[str, Any], lengths: bool, names: dict[str, Any]) -> str:
    """An expression that is true if ``value``, itself an expression, is within its bounds; "" if the type has no
    bounds. The functions that it calls are added to ``names``."""
    most = extra.get("most") if lengths else None
    match kind:
        case inspect.Metadata():
            return _holds(kind.type, value, kind.extra or {}, lengths, names)
        case inspect.StrType() if most:
            return f"len({value}) <= {most}"
        case inspect.DecimalType():
            return _call(partial(_is_number, extra.get("range", ANY)), value, names)
        case inspect.UnionType():
            held = [_holds(each, "it", extra, lengths, names) for each in kind.types]
            return next((f"((it := {value}) is None or {each})" for each in held if each), "")
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            items = _holds(kind.item_type, "item", {}, lengths, names)
            return _of_many([f"len({value}) <= {most}" if most else "", _each(items, value, names)], value)
        case inspect.DictType():
            keys = _holds(kind.key_type, "item", {}, lengths, names)
            values = _holds(kind.value_type, "item", {}, lengths, names)
            return _of_many([_each(keys, value, names), _each(values, f"{value}.values()", names)], value)
        case inspect.StructType():
            return _call(fine_of(kind.cls, lengths=lengths), value, names)
    return ""


def _call(function: Fine, value: str, names: dict[str, Any]) -> str:
    name = f"call_{len(names)}"
    names[name] = function
    return f"{name}({value})"


def _each(item: str, values: str, names: dict[str, Any]) -> str:
    """An expression: whether the expression ``item`` is true for each of the values."""
    if not item:
        return ""
    name = f"call_{len(names)}"
    names[name] = eval(f"lambda item: item is None or {item}", names)
    return f"every({name}, {values})"


def _of_many(parts: list[str], value: str) -> str:
    """An expression that joins the parts; an empty ``value`` passes first, because most lists are empty."""
    whole = " and ".join(filter(None, parts))
    return f"(not {value} or {whole})" if whole else ""


def _every(fine: Fine, values: Any) -> bool:
    return all(map(fine, values))


def _is_number(within: Range, number: Decimal) -> bool:
    least, most, places = within
    if not (number.is_finite() and least <= number <= most):
        return False
    written = str(number)
    if "E" not in written and len(written) <= places:
        return True  # nearly every number; it is faster to write the number than to read its exponent
    return -places <= number.as_tuple().exponent <= HIGHEST_EXPONENT  # type: ignore[operator]  # of a finite number it is an int
