"""What a supplier declares to work in: CPV divisions ticked, codes written."""

import re

from catalogue.categories import read_code, short_cpv
from events.values import Category


def divisions() -> list[tuple[str, str]]:
    """(code, name) of the 45 divisions."""
    return [(code, short_cpv().name(code)) for code in short_cpv().children()]


def read_categories(ticked: list[str], written: str) -> tuple[Category, ...]:
    """Ticked divisions, and codes written freely (``33600000-6, 3319``): the beginning of a code means all below it."""
    codes = filter(None, [*ticked, *re.split(r"[\s,;]+", written.strip())])
    return tuple(dict.fromkeys(category(code) for code in codes))


def category(code: str, field: str = "codes") -> Category:
    """Raises MalformedCategory, UnknownDivision."""
    plain = read_code(code, field)
    return Category(code=plain, title=short_cpv().name(plain))
