"""Reads the place and category filters of lists, in the same way for every service. A value that does not exist is
refused instead of giving an empty list."""

from collections.abc import Callable, Container, Mapping

from catalogue.categories import read_beginning
from catalogue.places import read_area
from catalogue.rules import RuleBroken
from infra.texts import clean
from infra.web.languages import gettext, refusal_text

_READ: Mapping[str, Callable[[str], str]] = {"category": read_beginning, "region": read_area}


def region_in(text: str) -> str:
    """The region in the form in which lists compare it. Raise UnknownRegion."""
    return read_area(clean(text))


def category_in(text: str) -> str:
    """The beginning of codes, in the form in which lists compare it. Raise MalformedCategory, UnknownDivision."""
    return read_beginning(clean(text))


def read_filters(listed: Container[str] = (), **typed: str) -> tuple[dict[str, str], dict[str, str]]:
    """The filters of a page's list, and the errors by field. A wrong value is not used as a filter: it is marked in the
    form, and the list is filtered by the others. The form has a list of choices for the fields in ``listed``: nobody
    types those, so their error does not say what to write."""
    read, errors = dict.fromkeys(typed, ""), {}
    for name, text in typed.items():
        try:
            read[name] = _READ[name](clean(text))
        except RuleBroken as broken:
            errors[name] = gettext("is not in the list: choose from it") if name in listed else refusal_text(broken)
    return read, errors
