"""Cuts data of other markets to the limits of our events, visibly and counted. Nothing is lost, because the whole
original is stored."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import inspect

from events.bounds import Key, Label, Prose, check_event
from events.codec import Event
from events.limits import OutOfBounds
from services.transparency.ocds.tolerance import NotUnderstood

CUT = "…"
"""The end of a text that was cut."""
KEY, LABEL, PROSE = (get_args(kind)[1].extra["most"] for kind in (Key, Label, Prose))
"""The most characters of texts in events, by type."""
E = TypeVar("E", bound=Event)
Tell = Callable[[str, str, object], None]
"""The broken rule and the value, by path."""


def cut(text: str, most: int, field: str, ledger: NotUnderstood) -> str:
    """The text with at most ``most`` characters. ``field`` is its name in the file."""
    if len(text) <= most:
        return text
    ledger.add(f"{field}: {_too_long(most)}, cut off", text)
    return _shortened(text, most)


def left_out(text: str, most: int, field: str, ledger: NotUnderstood) -> str:
    """The code, or "" if it has more than ``most`` characters, because a part of a code would be another code."""
    if len(text) <= most:
        return text
    ledger.add(f"{field}: {_too_long(most)}, left out", text)
    return ""


def _too_long(most: int) -> str:
    return f"longer than {most} characters"


def _shortened(text: str, most: int) -> str:
    return text[: most - len(CUT)] + CUT


def fitting(events: Iterable[E], ledger: NotUnderstood) -> Iterator[E]:
    """The events, with texts and lists cut if necessary. An event with a number that no event can carry is counted and
    left out.

    It is for values that were not cut when they were read. A value that occurs in several events is counted once.
    """
    told: set[tuple[str, object]] = set()

    def tell(path: str, rule: str, value: object) -> None:
        if (rule, value) not in told:
            told.add((rule, value))
            ledger.add(f"{path}: {rule}", value)

    for event in events:
        try:
            check_event(event, type(event))
        except OutOfBounds:
            event = _cut(event, inspect.type_info(type(event)), {}, "", tell)
            try:
                check_event(event, type(event))
            except OutOfBounds as error:
                ledger.add(f"{type(event).__name__}.{error.field}: {error.message}, left out", event.subject)
                continue
        yield event


def _cut(value: Any, kind: inspect.Type, extra: dict[str, Any], path: str, tell: Tell) -> Any:
    match kind:
        case inspect.Metadata():
            return _cut(value, kind.type, kind.extra or {}, path, tell)
        case inspect.UnionType() if value is not None:
            (held,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
            return _cut(value, held, extra, path, tell)
        case inspect.StrType():
            most = extra.get("most", len(value))
            if len(value) <= most:
                return value
            tell(path, f"{_too_long(most)}, cut off", value)
            return _shortened(value, most)
        case inspect.VarTupleType():
            most = extra.get("most", len(value))
            if len(value) > most:
                tell(path, f"more than {most} entries, the rest left out", len(value))
            return tuple(_cut(each, kind.item_type, {}, path, tell) for each in value[:most])
        case inspect.StructType():
            parts = {
                each.name: _cut(
                    getattr(value, each.name), each.type, {}, f"{path or kind.cls.__name__}.{each.name}", tell
                )
                for each in kind.fields
            }
            return msgspec.structs.replace(value, **parts)
    return value
