"""What is wrong with a line of a purchase as it was typed, told at its fields."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from catalogue.categories import MalformedCategory, UnknownDivision, read_code
from catalogue.rules import RuleBroken
from catalogue.units import UnknownUnit, read_unit
from infra.web.languages import gettext, told

_READ: dict[str, Callable[[str], object]] = {"category": read_code, "unit": read_unit}
_ABOUT: dict[type[RuleBroken], str] = {MalformedCategory: "category", UnknownDivision: "category", UnknownUnit: "unit"}


def wrong_in_line(typed: Mapping[str, str], line: Any | None) -> dict[str, str]:
    """Beside what :func:`infra.web.read_form` said: a line without a SKU says itself what it is, with a CPV code and in a unit
    that we know, and amounts are above zero. ``line`` is None where it could not be read."""
    errors: dict[str, str] = {}
    if not typed.get("sku_id", "").strip():
        blank = [name for name in ("description", "category", "unit") if not typed.get(name, "").strip()]
        errors |= dict.fromkeys(blank, gettext("is required"))
        for name, read in _READ.items():
            try:
                read(typed.get(name, "")[:200])
            except RuleBroken as broken:
                errors.setdefault(name, told(broken))
    for name in ("quantity", "unit_price"):
        amount: Decimal | None = getattr(line, name, None)
        if amount is not None and amount <= 0:
            errors[name] = gettext("must be above zero")
    return errors


def field_of(broken: RuleBroken, numbers: Sequence[int], part: str) -> str:
    """Where a refusal stands: at this ``part`` of the line that it is about, whose fields have the number that the form gave it, or at
    the field that it names."""
    line = str(broken.numbers.get("line", ""))
    if not line.isdecimal() or not 0 < int(line) <= len(numbers):
        return broken.field or ""
    return f"line-{numbers[int(line) - 1]}-{_ABOUT.get(type(broken), part)}"
