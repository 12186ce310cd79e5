"""Request bodies are bounded by their types; unknown or wrong members are refused by name."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from msgspec import inspect

from events import bounds
from events.documents import sample
from events.limits import OutOfBounds
from infra.web.app import guarded
from infra.web.members import members_of
from tests.bounded import unbounded
from tests.door.outside import Outside, filled, roles_of


def test_every_body_is_bounded(app: Litestar) -> None:
    bodies = [handler.parsed_fn_signature.parameters.get("data") for _, handler in guarded(app)]
    found = [place for body in bodies if body is not None for place in unbounded(body.annotation)]
    assert len([body for body in bodies if body is not None]) > 50
    assert sorted(set(found)) == []


async def test_a_member_that_a_body_does_not_have_is_refused_by_name(market: Outside) -> None:
    wrong, tried = [], 0
    for path, handler in guarded(market.app):
        data = handler.parsed_fn_signature.parameters.get("data")
        if data is None:
            continue
        method, tried = min(handler.http_methods - {"OPTIONS"}), tried + 1
        async with market.client(roles_of(handler)) as client:
            for place, body in unknown_members(data.annotation):
                answer = await client.request(method, filled(path, "x"), json=body)
                said = answer.json()
                if (answer.status_code, said.get("rule"), said.get("field")) != (422, "unknown-member", place):
                    wrong.append(f"{method} {path} {place}: {answer.status_code} {answer.text[:300]}")
                assert "known are" in said["detail"] or wrong
    assert tried > 50 and not wrong, "\n".join(wrong)


def test_a_value_is_accepted_in_the_form_that_an_answer_gives_it(app: Litestar) -> None:
    """Places, lines and points, which have the same name in a body and an answer of one service. The body is accepted
    whether the answer has all members of the value or only the required ones."""
    asked: dict[str, dict[str, set[type[msgspec.Struct]]]] = {}
    told: dict[str, dict[str, set[type[msgspec.Struct]]]] = {}
    for path, handler in guarded(app):
        service = handler.fn.__module__.split(".")[1]
        signature = handler.parsed_fn_signature
        if (data := signature.parameters.get("data")) is not None:
            add_nested(inspect.type_info(data.annotation), asked.setdefault(service, {}))
        if path.startswith("/api/"):
            add_nested(inspect.type_info(signature.return_type.annotation), told.setdefault(service, {}))
    wrong, tried = [], 0
    for service, names in asked.items():
        for name in names.keys() - {""}:
            for kind, answer in product(names[name], told.get(service, {}).get(name, ())):
                for whole in (True, False):
                    tried += 1
                    value = answered(inspect.type_info(answer), name, whole)
                    try:
                        walk = members_of(kind)
                        assert walk is not None
                        walk(value, None)
                        bounds.fitted(value, kind, None)
                    except (OutOfBounds, msgspec.ValidationError) as error:
                        wrong.append(f"{service} {name}: {answer.__name__} → {kind.__name__}: {error}")
    assert tried > 20 and not wrong, "\n".join(wrong)


def add_nested(kind: inspect.Type, found: dict[str, set[type[msgspec.Struct]]], name: str = "") -> None:
    """Add the structs that are members, or elements of lists that are members, by the member's name."""
    match kind:
        case inspect.Metadata():
            add_nested(kind.type, found, name)
        case inspect.UnionType():
            for each in kind.types:
                add_nested(each, found, name)
        case inspect.VarTupleType() | inspect.ListType():
            add_nested(kind.item_type, found, name)
        case inspect.DictType():
            add_nested(kind.value_type, found, name)
        case inspect.StructType() if kind.cls not in found.setdefault(name, set()):
            found[name].add(kind.cls)
            for field in kind.fields:
                add_nested(field.type, found, field.encode_name)


def answered(kind: inspect.Type, name: str, whole: bool) -> Any:
    """The value in JSON of an answer: with every member; without ``whole``, optional members are null."""
    match kind:
        case inspect.Metadata():
            return answered(kind.type, name, whole)
        case inspect.UnionType():
            known = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
            return answered(known[0], name, whole) if whole or len(known) == len(kind.types) else None
        case inspect.StructType():
            # members that a body requires are also in the answer
            must = {"sku_id", "country", "unit_price", "quantity"} if not whole else set()
            return {
                each.encode_name: answered(each.type, each.encode_name, whole or each.encode_name in must)
                for each in kind.fields
            }
        case inspect.VarTupleType() | inspect.ListType():
            return [answered(kind.item_type, name, whole)]
    return "20" if name == "vat_rate" else sample(name, kind)


def unknown_members(kind: Any) -> Iterator[tuple[str, Any]]:
    """(place, value) with one unknown member: in the value itself, and in each of its parts."""

    def within(kind: inspect.Type) -> Iterator[tuple[str, Any]]:
        match kind:
            case inspect.Metadata():
                yield from within(kind.type)
            case inspect.UnionType():
                for each in kind.types:
                    yield from within(each)
            case inspect.VarTupleType():
                yield from ((f"1.{place}", [{}, value]) for place, value in within(kind.item_type))
            case inspect.DictType():
                yield from ((f"any.{place}", {"any": value}) for place, value in within(kind.value_type))
            case inspect.StructType():
                yield "vat_rtae", {"vat_rtae": 20}
                for field in kind.fields:
                    yield from (
                        (f"{field.encode_name}.{place}", {field.encode_name: value})
                        for place, value in within(field.type)
                    )

    return within(inspect.type_info(kind))


def test_a_time_in_a_body_is_a_text(app: Litestar) -> None:
    """A number is not a time, even as a text: msgspec would read both as seconds."""
    places = set()
    for _, handler in guarded(app):
        data = handler.parsed_fn_signature.parameters.get("data")
        for place, body, kind in times(data.annotation) if data is not None else ():
            for number in (1796005000, 1796005000.5, "1796005000", True):
                with pytest.raises(OutOfBounds) as refusal:
                    bounds.fitted(body(number), kind)
                assert (refusal.value.code, refusal.value.field) in (("not-a-date", place), ("wrong-type", place)), (
                    number
                )
            places.add((kind.__name__, place))
    assert {("NewAuction", "opens_at"), ("NewState", "until"), ("NewRequest", "closes_at")} <= places, places


def times(kind: Any) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    """(field, value → body, struct) for each time in the struct and in its inner structs; each body has nothing else
    that is required."""
    seen: set[Any] = set()

    def within(kind: inspect.Type) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
        match kind:
            case inspect.Metadata():
                yield from within(kind.type)
            case inspect.UnionType():
                for each in kind.types:
                    yield from within(each)
            case inspect.VarTupleType():
                yield from within(kind.item_type)
            case inspect.DictType():
                yield from within(kind.value_type)
            case inspect.StructType() if kind.cls not in seen:
                seen.add(kind.cls)
                for field in kind.fields:
                    if is_time(field.type):
                        alone = msgspec.defstruct(kind.cls.__name__, [(field.name, types_of(kind.cls)[field.name])])
                        yield field.encode_name, partial(lambda name, value: {name: value}, field.encode_name), alone
                    yield from within(field.type)

    yield from within(inspect.type_info(kind))


def types_of(cls: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(cls)}


def is_time(kind: inspect.Type) -> bool:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        return any(is_time(each) for each in kind.types)
    return isinstance(kind, inspect.DateTimeType | inspect.DateType)
