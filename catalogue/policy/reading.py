"""Makes a policy of the content of a file. Every refusal names the path of the field, such as
"auction.durations[0].minutes"."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import structs

from catalogue.policy.bounds import BOUND, Bound, FieldNotValid, Rules

R = TypeVar("R", bound=Rules)
_EXPECTED: dict[Any, str] = {
    int: "must be a whole number",
    Decimal: "must be a number",
    str: "must be a text in quotation marks",
    bool: "must be true or false",
    time: "must be a time such as 09:00:00",
}


def table(given: object, kind: type[R], path: str = "") -> R:
    """The table of a file as a ``kind``, with all values within their bounds and in agreement with each other. Raise
    FieldNotValid."""
    if not isinstance(given, Mapping):
        raise FieldNotValid(path, "must be a table")
    fields = structs.fields(kind)
    if unknown := sorted(given.keys() - {field.encode_name for field in fields}):
        raise FieldNotValid(_below(path, unknown[0]), "is not a field of a policy")
    made: dict[str, Any] = {}
    for field in fields:
        name = field.encode_name
        if name in given:
            made[field.name] = _value(given[name], field.type, _below(path, name))
        elif field.required:
            raise FieldNotValid(_below(path, name), "is missing")
    rules = kind(**made)
    try:
        rules.check()
    except FieldNotValid as error:
        raise FieldNotValid(_below(path, error.field), error.what) from None
    return rules


def bound_of(kind: Any) -> tuple[Any, Bound | None]:
    """The type without its bound, and the bound. A field that may be absent has the type of its value."""
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is not Annotated:
        return kind, None
    plain, *notes = get_args(kind)
    extras = [note.extra or {} for note in notes if isinstance(note, msgspec.Meta)]
    return plain, next((extra[BOUND] for extra in extras if BOUND in extra), None)


def _value(given: object, kind: Any, path: str) -> Any:
    plain, bound = bound_of(kind)
    value = _made(given, plain, path)
    if bound is not None and bound.once and isinstance(value, tuple):
        value = tuple(dict.fromkeys(value))
    if bound is not None and not bound.fits(value):
        raise FieldNotValid(path, bound.rule)
    return value


def _made(given: object, kind: Any, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(given, list):
            raise FieldNotValid(path, "must be a list")
        return tuple(_value(each, arguments[0], f"{path}[{number}]") for number, each in enumerate(given))
    if origin is dict:
        if not isinstance(given, Mapping):
            raise FieldNotValid(path, "must be a table")
        return {
            _value(key, arguments[0], _below(path, key)): _value(each, arguments[1], _below(path, key))
            for key, each in given.items()
        }
    if origin is Literal:
        if given not in arguments:
            raise FieldNotValid(path, f"must be one of {', '.join(arguments)}")
        return given
    if issubclass(kind, Rules):
        return table(given, kind, path)
    if kind is Decimal and type(given) in (int, str):
        return _number(given, path)
    if type(given) is not kind:
        raise FieldNotValid(path, _EXPECTED[kind])
    return given


def _number(given: object, path: str) -> Decimal:
    """A number that the file writes as a whole number or as a text, such as "0.5"."""
    try:
        return Decimal(given) if isinstance(given, int) else msgspec.convert(given, Decimal)
    except msgspec.ValidationError:
        raise FieldNotValid(path, _EXPECTED[Decimal]) from None


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
