"""Checks that a JSON body has only members that its route knows: a misspelt ``vat_rtae`` is reported by name instead of
being ignored. If a struct declares it (:mod:`infra.answered`), the members of the market's own answers are also
accepted.

Events share some of these types and are read differently: members that a newer release added are ignored
(:mod:`events.codec`).
"""

from functools import cache
from typing import Any

from msgspec import inspect

from events.limits import Check, OutOfBounds
from infra.answered import Answered, Taker

_SHOWN = 100
"""The most characters of a name that a message repeats."""


@cache
def members_of(kind: Any) -> Check | None:
    """A check of the names in JSON data that will be converted to a ``kind``. It removes members that only answers
    have, and raises OutOfBounds. None if the type has no fixed names."""
    return _walk(inspect.type_info(kind))


def _walk(kind: inspect.Type) -> Check | None:
    match kind:
        case inspect.Metadata():
            return _walk(kind.type)
        case inspect.UnionType():
            return next((walk for each in kind.types if (walk := _walk(each))), None)
        case inspect.VarTupleType() | inspect.ListType():
            return _of_list(_walk(kind.item_type))
        case inspect.DictType():
            return _of_names(None, _walk(kind.value_type))
        case inspect.StructType():
            answered: Answered | None = getattr(kind.cls, "AS_ANSWERED", None)
            known = {field.encode_name: _walk(field.type) for field in kind.fields}
            return _of_names(known, None, answered.taker(kind.fields) if answered else None)
    return None


def _of_list(walk: Check | None) -> Check | None:
    if walk is None:
        return None

    def each(written: Any, now: Any) -> None:
        for place, item in enumerate(written) if isinstance(written, list) else ():
            _within(place, item, walk, now)

    return each


def _of_names(known: dict[str, Check | None] | None, rest: Check | None, taker: Taker | None = None) -> Check | None:
    """``known``: the allowed names, each with the check of its value; None if any name is allowed, whose value ``rest``
    checks."""
    if known is None and rest is None:
        return None
    below = {name: walk for name, walk in (known or {}).items() if walk}

    def each(written: Any, now: Any) -> None:
        if not isinstance(written, dict):
            return
        if taker is not None:
            taker.reduce_to_body(written)
        if known is not None and not written.keys() <= known.keys():
            name = next(name for name in written if name not in known)
            raise OutOfBounds("unknown-member", name[:_SHOWN], known=", ".join(known))
        for name in below.keys() & written.keys() if known is not None else written:
            if walk := below.get(name, rest):
                _within(name, written[name], walk, now)

    return each


def _within(name: object, written: Any, walk: Check, now: Any) -> None:
    try:
        walk(written, now)
    except OutOfBounds as error:
        raise error.inside(name)  # noqa: B904  # the same error
