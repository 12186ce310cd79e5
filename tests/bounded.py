"""Finds texts, lists and numbers without a bound in a type."""

from typing import Any

from msgspec import inspect


def unbounded(kind: Any, name: str = "") -> list[str]:
    """The places without a bound, such as ``Opening.lines[].title``. Whole numbers count as bounded by 64 bits; floats
    are always bounded."""
    found = kind if isinstance(kind, inspect.Type) else inspect.type_info(kind)
    return _walk(found, {}, name or getattr(kind, "__name__", str(kind)), frozenset())


def _walk(kind: inspect.Type, extra: dict[str, Any], path: str, above: frozenset[type]) -> list[str]:
    match kind:
        case inspect.Metadata():
            return _walk(kind.type, kind.extra or {}, path, above)
        case inspect.StrType():
            return [path] if kind.max_length is None and kind.pattern is None and "most" not in extra else []
        case inspect.DecimalType():
            return [] if "range" in extra else [path]
        case inspect.AnyType() | inspect.RawType() | inspect.BytesType():
            return [path]
        case inspect.UnionType():
            return [found for each in kind.types for found in _walk(each, extra, path, above)]
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return _itself(kind, extra, path) + _walk(kind.item_type, {}, f"{path}[]", above)
        case inspect.DictType():
            parts = (kind.key_type, kind.value_type)
            return _itself(kind, extra, path) + [
                found for part in parts for found in _walk(part, {}, f"{path}{{}}", above)
            ]
        case inspect.StructType() if kind.cls not in above:
            inside = above | {kind.cls}
            return [found for each in kind.fields for found in _walk(each.type, {}, f"{path}.{each.name}", inside)]
    return []


def _itself(kind: Any, extra: dict[str, Any], path: str) -> list[str]:
    return [path] if kind.max_length is None and "most" not in extra else []
