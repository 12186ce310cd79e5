"""Find the errors in a purchase line that a person typed, and show each at its field."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from catalogue.categories import MalformedCategory, UnknownDivision, read_code
from catalogue.rules import RuleBroken, SkuNotPublished
from catalogue.units import UnknownUnit, read_unit
from infra.web.languages import gettext, refusal_text

_READ: dict[str, Callable[[str], object]] = {"category": read_code, "unit": read_unit}
_ABOUT: dict[type[RuleBroken], str] = {
    MalformedCategory: "category",
    UnknownDivision: "category",
    UnknownUnit: "unit",
    SkuNotPublished: "sku_id",
}


def wrong_in_line(typed: Mapping[str, str], line: Any | None) -> dict[str, str]:
    """Return the errors by field that :func:`infra.web.read_form` cannot find. A line without a SKU needs a
    description, a CPV code and a unit that we know; amounts must be above zero. ``line`` is None if it could not be
    read."""
    errors: dict[str, str] = {}
    if not typed.get("sku_id", "").strip():
        blank = [name for name in ("description", "category", "unit") if not typed.get(name, "").strip()]
        errors |= dict.fromkeys(blank, gettext("is required"))
        for name, read in _READ.items():
            try:
                read(typed.get(name, "")[:200])
            except RuleBroken as broken:
                errors.setdefault(name, refusal_text(broken))
    for name in ("quantity", "unit_price"):
        amount: Decimal | None = getattr(line, name, None)
        if amount is not None and amount <= 0:
            errors[name] = gettext("must be above zero")
    return errors


def field_of(broken: RuleBroken, numbers: Sequence[int], part: str) -> str:
    """Return the form field at which the refusal is shown: the field ``part`` of the line that it is about, or else the
    field that it names. ``numbers`` are the numbers that the form gave its lines, in order."""
    line = str(broken.numbers.get("line", ""))
    if not line.isdecimal() or not 0 < int(line) <= len(numbers):
        return broken.field or ""
    return f"line-{numbers[int(line) - 1]}-{_ABOUT.get(type(broken), part)}"
