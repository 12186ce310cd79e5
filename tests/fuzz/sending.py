"""Makes the values of a request to a route. They have the right types, but in most requests one of them is replaced by
an extreme value."""

import ast
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import inspect

EXTREMES: tuple[Any, ...] = (
    *("1e400000000", "-1e400000000", "1e-400000000", "0e400000000", "NaN", "sNaN", "-Infinity", "9" * 5_000, "1" + "0" * 25),
    *("-1", "0", "1e3", "0.00000000000000000001", 10**30, -(2**63), 1e308, True, None, [], {}, "", " "),
    *("a\x00b", "\x1b[2J", "\u200b\u3164", "\u202eabc", "\ufffd", "İ" * 50, "%00", "x" * 10_001, "ж" * 300_000),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-12-01T09:00:00", "2026-12-01T09:00:00+23:59", "9999-12-31"),
    *("0001-01-01 00:00+14:00", "9999-12-31 23:59-14:00", "0000-00-00", "007"),
    *("../../etc/passwd", "'; drop table x --", "<script>alert(1)</script>", "{{7*7}}", "banana"),
    *(["x"] * 30_000, [["x"]] * 3, {"x": {"x": {}}}, {str(each): "1" for each in range(5_000)}),
)  # fmt: skip
WORDS: Mapping[str, tuple[str, ...]] = {
    "category": ("30197630", "301", "30197644-2"),
    "code": ("30197630",),
    "unit": ("piece", "kg"),
    "base_unit": ("C62", "KGM"),
    "country": ("RU", "ES"),
    "region": ("RU-MOW", ""),
    "regions": ("RU-MOW",),
    "currency": ("RUB", ""),
    "kind": ("goods", "services", "supplier", "buyer"),
    "language": ("en", "es", "ru"),
    "below_minimum": ("cancel", "smaller"),
    "period": ("daily", "weekly"),
    "topics": ("digest", "duties"),
    "state": ("active", "suspended"),
    "by": ("price", "quality"),
    "action": ("add", "remove-0", "enter", "open", "check"),
    "do": ("add:x", "search", "open", "enter"),
    "line_id": ("1", "2"),
    "email": ("somebody@example.org",),
    "name": ("Anna", "Órgano de compras"),
    "duration_minutes": ("24", "6", "1440"),
    "step_percent": ("0.5", "1"),
    "quantity": ("10", "2.5"),
    "unit_price": ("100", "9.99"),
    "amount": ("900", "990.00"),
    "price": ("100", "12.50"),
    "vat_rate": ("20", "0"),
    "page": ("1", "2"),
}
"""Values that a route may accept, by the name of the field."""


class Sender:
    """Makes random values; the same ``seed`` gives the same ones. ``known`` are ids that exist in the market, by the
    name of the field, such as ``auction_id``; ``now`` is the market's time."""

    def __init__(self, seed: int, known: Mapping[str, list[str]], now: datetime) -> None:
        self.chance, self.known, self.now = Random(seed), known, now

    def path(self, path: str) -> str:
        """Return the path of a route with a value for each of its parameters."""
        parts = []
        for part in path.split("/"):
            name, _, kind = part.strip("{}").partition(":")
            parts.append(self._segment(name, kind) if part.startswith("{") else part)
        return "/".join(parts)

    def _segment(self, name: str, kind: str) -> str:
        if kind == "int":
            return self.chance.choice(("0", "1", "2", str(10**30)))
        found = self.known.get(name, [])
        return (
            self.chance.choice(found)
            if found and self.chance.random() < 0.8
            else self.chance.choice(("x", "%00", "é" * 90))
        )

    def query(self, handler: HTTPRouteHandler, *, guess: bool) -> dict[str, str]:
        """Return values for some query parameters of the handler. With ``guess``, some are names that its signature does
        not have: the handler of a page may read such a parameter itself."""
        taken = handler.parsed_fn_signature.parameters
        names = [
            str(
                getattr(taken[name].kwarg_definition, "query", None)
                or getattr(taken[name].kwarg_definition, "name", None)
                or name
            )
            for name in taken
            if isinstance(taken[name].kwarg_definition, QueryParameter)
        ]
        names += ["q", "quantity", "region", "sku", "price_from", "sort"] if guess else []
        asked = {name: str(self.word(name)) for name in names if self.chance.random() < 0.5}
        return self._spoilt(asked, lambda extreme: str(extreme)[:3_000])

    def body(self, kind: Any) -> Any:
        """Return a JSON body of this type."""
        return self._spoilt(self._made("", inspect.type_info(kind)), lambda extreme: extreme)

    def form(self, names: list[str]) -> dict[str, str]:
        """Return a form with values for some of the fields."""
        filled = {name: str(self.word(name.rpartition("-")[2] or name)) for name in names if self.chance.random() < 0.7}
        return self._spoilt(filled, str)

    def word(self, name: str) -> str:
        """Return a value that suits a field of this name."""
        name = name.rstrip("0123456789_-") or name
        if found := WORDS.get(name):
            return self.chance.choice(found)
        if ids := self.known.get(name) or self.known.get(f"{name}_id"):
            return self.chance.choice(ids)
        if name.endswith(("_at", "_by")):
            return (self.now + timedelta(hours=self.chance.randint(1, 300))).isoformat()
        if name.endswith(
            ("days", "number", "quantity", "minutes", "firm", "tolerance", "vat", "order", "participant", "hour")
        ):
            return str(self.chance.randint(1, 12))
        return self.chance.choice(("Paper for offices", "yes", "1", ""))

    def _made(self, name: str, kind: inspect.Type) -> Any:
        match kind:
            case inspect.Metadata():
                return self._made(name, kind.type)
            case inspect.StructType():
                fields = [each for each in kind.fields if each.required or self.chance.random() < 0.6]
                return {each.encode_name: self._made(each.encode_name, each.type) for each in fields}
            case inspect.UnionType():
                return self._made(name, self.chance.choice(kind.types))
            case inspect.VarTupleType() | inspect.ListType():
                return [self._made(name, kind.item_type) for _ in range(self.chance.randint(0, 2))]
            case inspect.DictType():
                return {
                    self.word("line_id"): self._made(name, kind.value_type) for _ in range(self.chance.randint(0, 2))
                }
            case inspect.LiteralType():
                return self.chance.choice(kind.values)
            case inspect.BoolType():
                return self.chance.random() < 0.5
            case inspect.IntType():
                return self.chance.randint(0, 30)
            case inspect.FloatType():
                return self.chance.uniform(-90, 90)
            case inspect.DateTimeType():
                return (self.now + timedelta(hours=self.chance.randint(1, 300))).isoformat()
            case inspect.DateType():
                return (self.now + timedelta(days=self.chance.randint(1, 60))).date().isoformat()
            case inspect.DecimalType():
                found = self.word(name)
                return found if found.replace(".", "").isdecimal() else str(self.chance.randint(1, 900))
            case inspect.NoneType():
                return None
        return self.word(name)

    def _spoilt(self, value: Any, fit: Callable[[Any], Any]) -> Any:
        """Return the value. In three of four cases one value in it is replaced by an extreme one, which ``fit`` converts
        to the type that is allowed there."""
        if not value or self.chance.random() < 0.25:
            return value
        here = value
        while True:
            place = self.chance.choice(list(here) if isinstance(here, dict) else range(len(here)))
            if not here[place] or not isinstance(here[place], dict | list):
                here[place] = fit(self.chance.choice(EXTREMES))
                return value
            here = here[place]


@cache
def names_in(module: ModuleType) -> list[str]:
    """Return the names of the form fields that a module of pages may read: the fields of all structs in the module, and
    the names in its calls of ``get``, ``getall`` and ``form_list``; then the same names with the number of a row."""
    structs = (each for each in vars(module).values() if isinstance(each, type) and issubclass(each, msgspec.Struct))
    names = {name for each in structs for name in each.__struct_fields__}
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "getall"):
            names |= {
                each.value for each in node.args[:1] if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "form_list":
            names |= {each.value for each in node.args[1:] if isinstance(each, ast.Constant)}
    rows = {f"{name}{numbered}" for name in names for numbered in ("_0", "-1")} | {f"line-0-{name}" for name in names}
    return sorted(names) + sorted(rows)
