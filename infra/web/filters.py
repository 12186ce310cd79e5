"""By what lists are filtered: one reading for every service, so that what does not exist is refused, and is not an empty list."""

from collections.abc import Callable, Mapping

from catalogue.categories import read_beginning
from catalogue.places import read_area
from catalogue.rules import RuleBroken
from infra.texts import clean
from infra.web.languages import told

_READ: Mapping[str, Callable[[str], str]] = {"category": read_beginning, "region": read_area}


def region_in(text: str) -> str:
    """As lists compare it. Raises UnknownRegion."""
    return read_area(clean(text))


def category_in(text: str) -> str:
    """As lists compare it: the beginning of codes. Raises MalformedCategory, UnknownDivision."""
    return read_beginning(clean(text))


def read_filters(**typed: str) -> tuple[dict[str, str], dict[str, str]]:
    """For a page: what its list is asked for, and what is wrong, by field. What is wrong filters nothing: it stands in the form, marked,
    and the list is filtered by the rest."""
    read, errors = dict.fromkeys(typed, ""), {}
    for name, text in typed.items():
        try:
            read[name] = _READ[name](clean(text))
        except RuleBroken as broken:
            errors[name] = told(broken)
    return read, errors
