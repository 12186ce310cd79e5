"""The category tree by CPV (Common Procurement Vocabulary, Regulation (EC) No 213/2008) and the attributes a category asks for.

A short table of divisions and common groups ships in ``cpv.txt``; ``load_cpv`` reads the whole vocabulary from a file.
A CPV code has eight digits; the digits after the last non-zero one widen it: 30197642 lies in 30197600, 30197000 … 30000000.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from catalogue.check_digits import agrees
from catalogue.rules import AllOf, RuleBroken, Several, Typed, Value
from catalogue.units import PackNotPositive, parse_quantity, parse_unit, unit_word

CPV = "CPV"
"""The scheme of the categories in this module."""
_WORKS = {"45"}
_FIRST_SERVICE_DIVISION = 50


class MalformedCategory(RuleBroken):
    code = "malformed-category"


class CheckDigitWrong(MalformedCategory):
    """The check digit of a code is wrong: a digit is missing or mistyped, so the other digits name another category."""

    code = "category-check-digit"


class UnknownDivision(RuleBroken):
    """The code has the form of a CPV code but belongs to no division."""

    code = "unknown-division"


class NotOneFunctionalGroup(RuleBroken):
    code = "not-one-functional-group"


class AttributeMissing(RuleBroken):
    code = "attribute-missing"


class AttributeNotANumber(RuleBroken):
    code = "attribute-not-a-number"


class AttributeNotPositive(RuleBroken):
    code = "attribute-not-positive"


class AttributeUnitUnknown(RuleBroken):
    code = "attribute-unit-unknown"


class AttributeNotAChoice(RuleBroken):
    code = "attribute-not-a-choice"


class AttributeDefinition(msgspec.Struct, frozen=True):
    """What a category asks about its SKUs. ``unit`` (Rec 20) goes with a number: its value may use any unit of that
    dimension; ``choices`` go with a choice."""

    name: str
    kind: Literal["text", "number", "choice", "boolean"]
    required: bool = False
    unit: str = ""
    choices: tuple[str, ...] = ()


class Categories:
    """A tree of CPV codes and names; every code may be given with or without its check digit."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(sorted(names.items()))
        self._children: dict[str | None, list[str]] = {}
        for code in self._names:
            self._children.setdefault(self.parent(code), []).append(code)
        self._words = {code: _words(name) for code, name in self._names.items()}

    def __contains__(self, code: str) -> bool:
        return normalise(code) in self._names

    def __len__(self) -> int:
        return len(self._names)

    def name(self, code: str) -> str:
        """The name of the code, or of its nearest known ancestor, or the code itself."""
        plain = normalise(code)
        return next((self._names[step] for step in reversed(prefixes(plain)) if step in self._names), plain)

    def parent(self, code: str) -> str | None:
        """The nearest ancestor in this tree; None for a division."""
        return next((step for step in reversed(prefixes(code)[:-1]) if step in self._names), None)

    def children(self, code: str | None = None) -> tuple[str, ...]:
        """The codes directly below, in order. Without a code: the divisions."""
        return tuple(self._children.get(normalise(code) if code else None, ()))

    def search(self, text: str, limit: int = 20) -> tuple[str, ...]:
        """Codes that begin with the digits given, or whose name has a word beginning with each word given; short names first."""
        digits = text.strip().split("-")[0]
        if digits.isdigit():
            return tuple(code for code in self._names if code.startswith(digits))[:limit]
        wanted = _words(text)
        if not wanted:
            return ()
        found = [
            code
            for code, words in self._words.items()
            if all(any(word.startswith(start) for word in words) for start in wanted)
        ]
        return tuple(sorted(found, key=lambda code: (len(self._names[code]), code))[:limit])


def normalise(code: str) -> str:
    """The code in eight digits: a check digit is verified and dropped ("30197642-8"), missing zeros are added ("30",
    "09"). Raise MalformedCategory, CheckDigitWrong."""
    digits = re.fullmatch(r"\s*([0-9]{2,8})(-[0-9])?\s*", code)
    if not digits:
        raise MalformedCategory(f"{code!r} is not a CPV code of two to eight digits.", field="category", given=code)
    if digits[2] and (len(digits[1]) < 8 or not agrees(digits[1], int(digits[2][1]))):
        raise CheckDigitWrong(
            f"The check digit of {code!r} does not belong to the digits before it: one is missing or mistyped.",
            field="category",
            given=code,
        )
    return digits[1].ljust(8, "0")


@lru_cache(maxsize=10_000)
def plain_code(code: str) -> str:
    """The code as :func:`normalise` writes it; a code that is not a CPV code is not changed."""
    try:
        return normalise(code)
    except MalformedCategory:
        return code


def read_code(code: str, field: str = "category", **numbers: Value) -> str:
    """A code that is entered for something new, in the form that :func:`normalise` returns. Raise MalformedCategory,
    UnknownDivision.

    The tree that ships has all divisions but not all codes, so the digits after the division are accepted unchecked.
    """
    try:
        plain = normalise(code)
    except MalformedCategory as malformed:
        raise type(malformed)(malformed.message, field=field, given=code, **numbers) from None
    if plain[:2] not in _divisions():
        raise UnknownDivision(
            f"{code!r} is in no division of the CPV, such as 30 or 45.", field=field, given=code, **numbers
        )
    return plain


def read_beginning(text: str, field: str = "category") -> str:
    """The first digits of the categories that a list shows, "" for all. Zeros at the end are not significant: 30000000,
    300 and 30 stand for all of division 30. Raise MalformedCategory, UnknownDivision."""
    given = text.strip()
    if not given:
        return ""
    read_code(given, field)
    return given.partition("-")[0].rstrip("0").ljust(2, "0")


def require_codes(categories: Iterable[tuple[str, str]], field: str) -> None:
    """``categories`` are (scheme, code); those of other schemes, which come from imports, are accepted unchecked.

    Raise MalformedCategory, UnknownDivision.
    """
    for scheme, code in categories:
        if scheme == CPV:
            read_code(code, field)


def prefixes(code: str) -> tuple[str, ...]:
    """The code and the codes it lies in, widest first: 30197642 → 30000000, 30100000, 30190000, 30197000, …, 30197642."""
    plain = normalise(code)
    return tuple(dict.fromkeys(plain[:length].ljust(8, "0") for length in range(2, 9)))


def division(code: str) -> str:
    """The two digits that make a functional group (docs/rules.md section 3: the lines of a mini-auction share one)."""
    return normalise(code)[:2]


def require_one_group(categories: Iterable[tuple[str, str]]) -> None:
    """Check that all lines of one process belong to one functional group: the first two digits, in CPV, UNSPSC and
    OKPD2.

    ``categories`` are (scheme, code). Raise MalformedCategory, UnknownDivision, NotOneFunctionalGroup.
    """
    categories = list(categories)
    require_codes(categories, "lines")
    groups = AllOf(sorted({f"{scheme} {code[:2]}" for scheme, code in categories}))
    if len(groups) > 1:
        raise NotOneFunctionalGroup(
            f"All lines must belong to one functional group; these belong to {groups}.", field="lines", groups=groups
        )


def is_works(code: str) -> bool:
    return division(code) in _WORKS


def is_services(code: str) -> bool:
    return int(division(code)) >= _FIRST_SERVICE_DIVISION


def is_goods(code: str) -> bool:
    """Whether the code is neither works nor a service; software packages (48) are goods."""
    return not is_works(code) and not is_services(code)


@cache
def _divisions() -> frozenset[str]:
    return frozenset(code[:2] for code in short_cpv().children())


@cache
def short_cpv() -> Categories:
    """The tree that is part of the program: 45 divisions and about 300 common groups."""
    lines = files("catalogue").joinpath("cpv.txt").read_text("utf-8").splitlines()
    rows = (line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return Categories({code.ljust(8, "0"): name for code, name in rows})


class _Row(msgspec.Struct):
    code: str
    name: str
    version: int = 2


def load_cpv(path: Path) -> Categories:
    """The whole vocabulary from JSON (or .json.gz): a list of objects with ``code`` and ``name``, and ``version`` if it
    contains both the 2003 (1) and the 2008 (2) vocabulary; the later name wins. Raise msgspec.DecodeError."""
    raw = path.read_bytes()
    rows = msgspec.json.decode(gzip.decompress(raw) if path.suffix == ".gz" else raw, type=list[_Row])
    return Categories({normalise(row.code): row.name for row in sorted(rows, key=lambda row: row.version)})


# The definitions of the demo market. A category has those of all codes that contain it, and its own.
_DEFINITIONS: dict[str, tuple[AttributeDefinition, ...]] = {
    "30197600": (
        AttributeDefinition("format", "choice", True, choices=("A3", "A4", "A5", "Letter")),
        AttributeDefinition("grammage", "number", True, unit="GM"),
        AttributeDefinition("whiteness", "number", unit="P1"),
        AttributeDefinition("recycled", "boolean", True),
    ),
    "30125100": (
        AttributeDefinition("colour", "choice", True, choices=("black", "cyan", "magenta", "yellow")),
        AttributeDefinition("yield in pages", "number", True, unit="C62"),
        AttributeDefinition("compatible with", "text", True),
        AttributeDefinition("remanufactured", "boolean"),
    ),
    "30210000": (
        AttributeDefinition("processor", "text", True),
        AttributeDefinition("memory", "number", True, unit="E34"),
        AttributeDefinition("storage", "number", True, unit="E34"),
        AttributeDefinition("operating system", "text"),
    ),
    "33600000": (
        AttributeDefinition("active ingredient", "text", True),
        AttributeDefinition("dosage", "text", True),
        AttributeDefinition("form", "text", True),
        AttributeDefinition("generic", "boolean"),
    ),
    "33140000": (
        AttributeDefinition("material", "text", True),
        AttributeDefinition("sterile", "boolean", True),
        AttributeDefinition("size", "text"),
    ),
    "39800000": (
        AttributeDefinition("form", "choice", True, choices=("liquid", "powder", "gel", "tablets", "wipes")),
        AttributeDefinition("content", "number", True, unit="LTR"),
        AttributeDefinition("biodegradable", "boolean"),
    ),
    "39100000": (
        AttributeDefinition("material", "text", True),
        AttributeDefinition("width", "number", True, unit="MTR"),
        AttributeDefinition("height", "number", True, unit="MTR"),
        AttributeDefinition("colour", "text"),
    ),
    "09100000": (
        AttributeDefinition("grade", "text", True),
        AttributeDefinition("density", "text"),
    ),
}


def attribute_definitions(code: str) -> tuple[AttributeDefinition, ...]:
    """The attributes that a SKU of this category must or may have, those of the widest code first."""
    return tuple(definition for step in prefixes(code) for definition in _DEFINITIONS.get(step, ()))


def broken_attribute(definition: AttributeDefinition, value: str, unit: str) -> RuleBroken | None:
    """The rule this value of a defined attribute breaks, or None; an empty value breaks only "required"."""
    field = f"attributes.{definition.name}"
    if not value.strip():
        missing = AttributeMissing(
            f"The category asks for {definition.name!r}.", field=field, attribute=definition.name
        )
        return missing if definition.required else None
    choices = ("yes", "no") if definition.kind == "boolean" else definition.choices
    if choices and value not in choices:
        allowed = Several(choices)
        return AttributeNotAChoice(f"{value!r} is not one of: {allowed}.", field=field, value=value, choices=allowed)
    if definition.kind != "number":
        return None
    try:
        parse_quantity(value)
    except PackNotPositive:
        return AttributeNotPositive(f"A number must be above zero, not {value!r}.", field=field, value=value)
    except RuleBroken:
        return AttributeNotANumber(f"{value!r} is not a number.", field=field, value=value)
    given, asked = parse_unit(unit), parse_unit(definition.unit)
    if given is None or asked is None or given.dimension != asked.dimension:
        word = unit_word(definition.unit)
        if not unit.strip():
            return AttributeUnitUnknown(
                f"{definition.name!r} has no unit: write {word}, or a unit that converts to it.",
                field=field,
                attribute=definition.name,
                asked=word,
            )
        return AttributeUnitUnknown(
            f"{definition.name!r} has the unit {unit!r}: write {word}, or a unit that converts to it.",
            field=field,
            attribute=definition.name,
            unit=Typed(unit),
            asked=word,
        )
    return None


def _words(text: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKD", text.casefold())
    return tuple(re.findall(r"\w+", "".join(char for char in folded if not unicodedata.combining(char))))
