"""Units of measure by UNECE Recommendation 20 code, and packs of them, so that prices compare per base unit.

docs/rules.md section 0: quantities carry a Rec 20 code and are shown by name. Section 7: what cannot be read is set
aside with the reason and never guessed. The table is in ``unit_table``, the words that people write are in
``unit_words``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction

import msgspec

from catalogue.numbers import can_be_written_out
from catalogue.rules import RuleBroken, Typed, Value
from catalogue.unit_table import BASES, TABLE
from catalogue.unit_words import WORDS

_PRICE = Context(prec=16)
_NOT_COMPARABLE = {"lump sum", "package"}


class UnknownUnit(RuleBroken):
    code = "unknown-unit"


class UnparseableUnit(RuleBroken):
    """A unit or pack text that cannot be read without guessing; the message says which part."""

    code = "unparseable-unit"


class UnparseableNumber(RuleBroken):
    """Digits that are not one number, or that different people read as different numbers."""

    code = "unparseable-number"


class NotComparable(RuleBroken):
    """A lump sum, or a package of unknown content, has no price per base unit."""

    code = "not-comparable"


class PriceTooLong(RuleBroken):
    """A price that has more digits than can be computed with."""

    code = "price-too-long"


class PackNotPositive(RuleBroken):
    """The size of a pack is not above zero."""

    code = "pack-not-positive"


@dataclass(frozen=True, slots=True)
class Unit:
    """One row of Rec 20. ``factor`` is how many base units of its dimension it holds, exactly (GRM: 1/1000 KGM)."""

    code: str
    name: str
    dimension: str
    factor: Fraction


class Pack(msgspec.Struct, frozen=True):
    """The content of one priced thing: ``size`` of ``unit`` (Rec 20 code). A bottle of 10 ml is ``Pack(10, "MLT")``."""

    size: Decimal
    unit: str


UNITS: dict[str, Unit] = {
    code: Unit(code, name, dimension, factor) for dimension, rows in TABLE.items() for code, name, factor in rows
}


def unit(code: str) -> Unit:
    """The unit of a Rec 20 code. Raise UnknownUnit if there is none."""
    try:
        return UNITS[code]
    except KeyError:
        raise UnknownUnit(f"{code!r} is not a known unit code (UNECE Rec 20).", unit=Typed(code)) from None


def unit_word(code: str) -> str:
    """The word for the unit that pages show: "piece" where Rec 20 says "one". An unknown code is returned unchanged."""
    return "piece" if code == "C62" else UNITS[code].name if code in UNITS else code


def base_unit(code: str) -> Unit:
    """The unit in which prices per ``code`` are compared: the base of its dimension, or the unit itself if nothing
    converts (packages)."""
    found = unit(code)
    return UNITS[BASES.get(found.dimension, code)]


def parse_unit(text: str | None) -> Unit | None:
    """The unit that a text names: a Rec 20 code, or a word, symbol or plural in the languages of ``unit_words``.

    None if the text is empty, unknown or ambiguous: "4L" is the code of a megabyte, but most people mean four litres.
    There is no approximate matching.
    """
    if not text:
        return None
    plain = _plain(text)
    code = _BY_WORD.get(plain) or _BY_WORD.get(plain.rstrip("."))
    if code:
        return UNITS[code]
    written = text.strip().upper()
    counted = written[:1].isdigit() and parse_unit(written[1:]) is not None
    return None if counted else UNITS.get(written)


def read_unit(text: str, field: str = "unit", **numbers: Value) -> Unit:
    """The unit that is entered for something new, read by :func:`parse_unit`. Raise UnknownUnit."""
    found = parse_unit(text)
    if found is None:
        raise UnknownUnit(
            f"{text!r} is not a known unit, such as piece, kg or l.", field=field, unit=Typed(text), **numbers
        )
    return found


def is_misleading(text: str) -> bool:
    """Whether a text that :func:`parse_unit` does not read is the code of another unit than most people mean."""
    return parse_unit(text) is None and text.strip().upper() in UNITS


def written_unit(code: str) -> str:
    """A text that :func:`parse_unit` reads as this unit: the code, or the name if the code is ambiguous."""
    return code if parse_unit(code) else UNITS[code].name


def parse_quantity(text: str) -> Decimal:
    """A number as written in either convention: "10.00", "100,00", "1.000,00", "5.000.000". Raise UnparseableNumber, or
    PackNotPositive for one that is not above zero.

    One separator before exactly three digits ("1.000") may mean a thousand or one: it is refused, unless the number
    begins with a zero ("0,125").
    """
    digits = re.sub(r"[\s\u00a0']", "", text)
    last = max(digits.rfind("."), digits.rfind(","))
    marks = re.findall(r"[.,]", digits)
    if len(marks) == 1 and len(digits) - last == 4 and not digits.startswith("0"):
        raise UnparseableNumber(f"{text!r} may mean a thousand times as much: the separator is ambiguous.", text=text)
    if len(marks) == 1 or (len(set(marks)) == 2 and marks.count(digits[last]) == 1):
        whole, fraction = digits[:last], digits[last:]
    else:
        whole, fraction = digits, ""
    if marks and not re.fullmatch(r"\d{1,3}([.,]\d{3})*|\d*", whole):
        raise UnparseableNumber(f"{text!r} is not a number.", text=text)
    try:
        number = Decimal(re.sub(r"[.,]", "", whole) + fraction.replace(",", "."))
    except InvalidOperation:
        raise UnparseableNumber(f"{text!r} is not a number.", text=text) from None
    if not number.is_finite() or number <= 0:
        raise PackNotPositive(f"{text!r} is not a size above zero.", pack_size=Typed(text))
    return number


def parse_pack(text: str) -> Pack:
    """Read "COMPRIMIDO", "FRASCO 10.00 ML", "CAIXA 100,00 UN", "SACHÊ 5G", "500 g" or "шт". Raise UnparseableUnit, UnparseableNumber,
    PackNotPositive.

    A package word alone ("FRASCO") is a pack of one such package: it has a price, which cannot be compared with other
    packages.
    """
    plain = _plain(text)
    if not plain:
        raise UnparseableUnit("No unit is given.", text=text)
    whole = parse_unit(text)
    if whole:
        return Pack(Decimal(1), whole.code)
    match = _PACK.fullmatch(plain)
    if not match:
        raise UnparseableUnit(f"{text!r} is not a known unit.", text=text)
    container, number, content = match["container"].strip(), match["number"], match["content"].strip()
    if container and _dimension(container) not in {"package", "count"}:
        raise UnparseableUnit(f"{container!r} in {text!r} is not a known package.", text=text, part=container)
    held = parse_unit(content)
    if held is None or held.dimension == "lump sum":
        raise UnparseableUnit(f"{content!r} in {text!r} is not a known unit.", text=text, part=content)
    return Pack(parse_quantity(number), held.code)


def per_base_unit(price: Decimal, pack: Pack) -> tuple[Decimal, Unit]:
    """The price of one base unit when ``price`` buys one ``pack``: (price, base unit), to 16 significant digits.

    1.4659 for ``Pack(10, "MLT")`` is 146.59 a litre. Raise NotComparable for lump sums and packages of unknown
    content, PackNotPositive for a pack that is not positive, PriceTooLong.
    """
    found = unit(pack.unit)
    if found.dimension in _NOT_COMPARABLE:
        raise NotComparable(f"A price per {unit_word(found.code)} says nothing about its content.", unit=found.code)
    if not can_be_written_out(pack.size) or pack.size <= 0:
        raise PackNotPositive(f"The size of a pack must be above zero, not {pack.size}.", pack_size=pack.size)
    if not can_be_written_out(price):
        raise PriceTooLong(f"{price} is not a price that can be compared.", price=price)
    exact = Fraction(price) / (Fraction(pack.size) * found.factor)
    return _PRICE.divide(Decimal(exact.numerator), Decimal(exact.denominator)), base_unit(pack.unit)


def _dimension(word: str) -> str | None:
    found = parse_unit(word)
    return found.dimension if found else None


def _plain(text: str) -> str:
    """Lower case, without accents, with single spaces, and without the remarks that the Brazilian catalogue puts at the
    end."""
    folded = unicodedata.normalize("NFKD", text.strip().lower())
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return _REMARK.sub("", " ".join(bare.split())).strip()


_REMARK = re.compile(r" -( gener?i?c?o?)?$| - g(e|en|ene|ener|eneri|eneric)?$")
_PACK = re.compile(
    r"(?P<container>\D*?)(?:\s+(?:of|de|c/|com|con|por|по))?\s*(?P<number>\d[\d.,]*)\s*(?P<content>\D.*)"
)
_BY_WORD: dict[str, str] = {_plain(word): code for code, words in WORDS.items() for word in words.split("|")} | {
    _plain(row.name): row.code for row in UNITS.values()
}
