"""What other markets say, cut to what an event of ours holds: visibly, and counted. Nothing is lost: the original is kept whole."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from events.bounds import check_event
from events.codec import Event
from events.limits import OutOfBounds
from services.transparency.tolerance import NotUnderstood

CUT = "…"
"""Ends a text of which a part is missing."""
E = TypeVar("E", bound=Event)


def fitting(events: Iterable[E], ledger: NotUnderstood) -> Iterator[E]:
    """Each as it is, or with its texts and lists cut. One with a number that no event can carry is counted and left out."""
    for event in events:
        try:
            check_event(event, type(event))
        except OutOfBounds:
            event = _cut(event, inspect.type_info(type(event)), {}, "", ledger)
            try:
                check_event(event, type(event))
            except OutOfBounds as error:
                ledger.add(f"{type(event).__name__}.{error.field}: {error.message}, left out", event.subject)
                continue
        yield event


def _cut(value: Any, kind: inspect.Type, extra: dict[str, Any], path: str, ledger: NotUnderstood) -> Any:
    match kind:
        case inspect.Metadata():
            return _cut(value, kind.type, kind.extra or {}, path, ledger)
        case inspect.UnionType() if value is not None:
            (held,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
            return _cut(value, held, extra, path, ledger)
        case inspect.StrType():
            most = extra.get("most", len(value))
            if len(value) <= most:
                return value
            ledger.add(f"{path}: longer than {most} letters, cut off", value)
            return value[: most - len(CUT)] + CUT
        case inspect.VarTupleType():
            most = extra.get("most", len(value))
            if len(value) > most:
                ledger.add(f"{path}: more than {most} entries, the rest left out", len(value))
            return tuple(_cut(each, kind.item_type, {}, path, ledger) for each in value[:most])
        case inspect.StructType():
            parts = {
                each.name: _cut(
                    getattr(value, each.name), each.type, {}, f"{path or kind.cls.__name__}.{each.name}", ledger
                )
                for each in kind.fields
            }
            return msgspec.structs.replace(value, **parts)
    return value
