"""A body in JSON has the members that its route knows: a misspelt ``vat_rtae`` is told by its name, instead of being lost. A value as
the market's own answers tell it may have their members too, where its struct declares that (:mod:`infra.answered`).

Events are read otherwise, and share some of these types: they pass over what a newer release added (:mod:`events.codec`).
"""

from functools import cache
from typing import Any

from msgspec import inspect

from events.limits import Check, OutOfBounds
from infra.answered import Answered, Taker

_SHOWN = 100
"""Characters of a name that are said again."""


@cache
def members_of(kind: Any) -> Check | None:
    """Checks the names in what is to become a ``kind``: JSON's objects, lists and values, which nobody fitted to it yet; takes out what
    answers alone have. None where it has no names that are fixed. The check raises OutOfBounds."""
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
    """``known`` are the names with what checks below them; None where any name may come, each with ``rest`` below."""
    if known is None and rest is None:
        return None
    below = {name: walk for name, walk in (known or {}).items() if walk}

    def each(written: Any, now: Any) -> None:
        if not isinstance(written, dict):
            return
        if taker is not None:
            taker.take_back(written)
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
