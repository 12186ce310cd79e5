"""What a supplier declares to work in: CPV divisions ticked, codes written."""

import re

from catalogue.categories import normalise, short_cpv
from catalogue.rules import RuleBroken
from events.values import Category


class CategoryNotValid(RuleBroken):
    code = "category-not-valid"


def divisions() -> list[tuple[str, str]]:
    """(code, name) of the 45 divisions."""
    return [(code, short_cpv().name(code)) for code in short_cpv().children()]


def read_categories(ticked: list[str], written: str) -> tuple[Category, ...]:
    """Ticked divisions, and codes written freely (``33600000-6, 3319``): the beginning of a code means all below it."""
    codes = filter(None, [*ticked, *re.split(r"[\s,;]+", written.strip())])
    return tuple(dict.fromkeys(category(code) for code in codes))


def category(code: str) -> Category:
    if not re.fullmatch(r"\d{2,8}(-\d)?", code):
        raise CategoryNotValid(f"{code!r} is not a CPV code, such as 33600000-6.", field="codes")
    return Category(code=normalise(code), title=short_cpv().name(code))
