"""The categories in which a supplier says that it works: ticked CPV divisions and typed codes."""

import re

from catalogue.categories import read_code, short_cpv
from events.values import Category


def divisions() -> list[tuple[str, str]]:
    """(code, name) of each of the 45 divisions."""
    return [(code, short_cpv().name(code)) for code in short_cpv().children()]


def read_categories(ticked: list[str], written: str) -> tuple[Category, ...]:
    """The codes of ticked divisions and of a typed text (``33600000-6, 3319``). The beginning of a code means all codes
    below it."""
    codes = filter(None, [*ticked, *re.split(r"[\s,;]+", written.strip())])
    return tuple(dict.fromkeys(category(code) for code in codes))


def category(code: str, field: str = "codes") -> Category:
    """Return the category with this code and its title; errors name ``field``. Raise MalformedCategory,
    UnknownDivision."""
    plain = read_code(code, field)
    return Category(code=plain, title=short_cpv().name(plain))
