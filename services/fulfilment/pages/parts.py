"""The parts of the page of a contract that is carried out. Each part has a hundred orders and invoices, so the page
stays short however long the contract runs. Parts are counted from 1, the oldest; 0 asks for the newest."""

import re
from collections.abc import Sequence
from typing import TypeVar

from infra.web import whole
from services.fulfilment.domain.state import Execution

PER_PART = 100
"""How many orders and invoices one part has."""
DUE_AT_ONCE = 50
"""How many duties are listed at once, the most urgent first."""
_OF_AN_ORDER = re.compile(r"(?:deliver|withdraw-order)-(\d{1,9})")
_OF_A_DELIVERY = re.compile(r"(?:assess|withdraw-delivery|dispute-delivery)-(\d{1,9})")
_OF_AN_INVOICE = re.compile(r"(?:pay|confirm|withdraw-invoice|dispute-invoice)-(\d{1,9})")
T = TypeVar("T")


def part_with(execution: Execution, form: str) -> int:
    """Return the part that has the form with this id. It is 0 for a form that every part has, or if there is only one
    part."""
    if count(max(len(execution.orders), len(execution.invoices)), PER_PART) == 1:
        return 0
    if found := _OF_A_DELIVERY.fullmatch(form):
        number = whole(found[1]) or 0
        order = execution.deliveries[number - 1].order if 1 <= number <= len(execution.deliveries) else 0
        return _part(order)
    found = _OF_AN_ORDER.fullmatch(form) or _OF_AN_INVOICE.fullmatch(form)
    return _part(whole(found[1]) or 0) if found else 0


def part_of(things: int, place: int) -> int:
    """Return the part that has the order or invoice with the number ``place``, out of so many ``things``. It is 0 if
    ``place`` is 0 or if there is only one part."""
    return 0 if count(things, PER_PART) == 1 or not place else _part(place)


def _part(number: int) -> int:
    return -(-number // PER_PART)


def count(things: int, per: int) -> int:
    """Return the number of parts for so many things, at least 1."""
    return max(1, -(-things // per))


def within(part: int, things: int, per: int) -> int:
    """Return the part to show: the one asked for if it exists, otherwise the last."""
    last = count(things, per)
    return part if 1 <= part <= last else last


def of(things: Sequence[T], part: int) -> Sequence[T]:
    shown = within(part, len(things), PER_PART)
    return things[(shown - 1) * PER_PART : shown * PER_PART]
