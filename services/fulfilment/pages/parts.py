"""The pages of a contract that is carried out: its orders with their deliveries, its invoices and its disputes have pages of their own, so
that what a reader loads stays short however long the contract ran. Each counts from 1, the newest."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec

from infra.web import whole
from services.fulfilment.domain.state import Delivery, Dispute, Execution, Invoice, Order

CARDS = 20
"""Orders and deliveries, invoices, or disputes, of one page."""
LINES = 100
"""Of all of these on a page. One that has more stands alone."""
DUE_AT_ONCE = 50
"""Things to do that are listed at once, the most urgent."""
DUE_TO_OTHERS = 10
"""Of these, for whoever has to do none of them."""
READY_AT_ONCE = 100
"""Accepted deliveries that the form of an invoice offers."""
_PLACES: tuple[tuple[re.Pattern[str], str, Callable[[Any, int | None], bool]], ...] = (
    (
        re.compile(r"(?:deliver|withdraw-order)-(\d{1,9})"),
        "orders",
        lambda piece, number: piece.last and piece.order.number == number,
    ),
    (
        re.compile(r"(?:assess|withdraw-delivery|dispute-delivery)-(\d{1,9})"),
        "orders",
        lambda piece, number: any(each.number == number for each in piece.deliveries),
    ),
    (
        re.compile(r"(?:pay|confirm|withdraw-invoice|dispute-invoice)-(\d{1,9})"),
        "invoices",
        lambda invoice, number: invoice.number == number,
    ),
    (re.compile(r"answer-(\d{1,9})"), "disputes", lambda dispute, number: dispute.number == number),
)
"""A form by its id: of which part it is, and whether something of that has it."""
T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of each; ``at`` is the id of a form that is wanted, on whichever page it stands."""

    history: int = 1
    orders: int = 1
    invoices: int = 1
    disputes: int = 1
    at: str = ""


NEWEST = Asked()


class Piece(NamedTuple):
    """An order with those of its deliveries that stand on one page; ``first`` has the order's own facts, ``last`` its forms."""

    order: Order
    deliveries: tuple[Delivery, ...]
    first: bool
    last: bool


class Pages(NamedTuple):
    """All that there is; of each one page at least. Within a page the oldest is first."""

    orders: list[list[Piece]]
    invoices: list[list[Invoice]]
    disputes: list[list[Dispute]]

    def with_form(self, asked: Asked) -> Asked:
        """What is asked for, with the page on which the form ``at`` stands; unchanged for a form of no page or of every one."""
        for form, name, holds in _PLACES:
            if found := form.fullmatch(asked.at):
                number = whole(found[1])
                pages = enumerate(getattr(self, name), 1)
                here = (place for place, page in pages if any(holds(each, number) for each in page))
                return msgspec.structs.replace(asked, **{name: next(here, getattr(asked, name))})
        return asked


def pages_of(execution: Execution) -> Pages:
    return Pages(
        orders=[_pieces(page, execution) for page in _leaves(_cards(execution), lambda card: len(card[1].lines))],
        invoices=_leaves(execution.invoices, lambda invoice: len(invoice.lines)),
        disputes=_leaves(execution.disputes, lambda dispute: 1),
    )


def _cards(execution: Execution) -> list[tuple[Order, Order | Delivery]]:
    """Each order, and after it each of its deliveries."""
    return [
        (order, card) for order in execution.orders for card in (order, *execution.deliveries_of.get(order.number, ()))
    ]


def _leaves(cards: Sequence[T], lines_of: Callable[[T], int]) -> list[list[T]]:
    """The newest page is full where there are several."""
    pages: list[list[T]] = [[]]
    lines = 0
    for card in reversed(cards):
        lines += lines_of(card)
        if pages[-1] and (len(pages[-1]) == CARDS or lines > LINES):
            pages.append([])
            lines = lines_of(card)
        pages[-1].append(card)
    return [page[::-1] for page in pages]


def _pieces(page: list[tuple[Order, Order | Delivery]], execution: Execution) -> list[Piece]:
    pieces = []
    for order, cards in groupby(page, key=lambda card: card[0]):
        shown = [card for _, card in cards]
        deliveries = tuple(card for card in shown if isinstance(card, Delivery))
        all_of_it = execution.deliveries_of.get(order.number, ())
        last = not all_of_it or bool(deliveries and deliveries[-1] is all_of_it[-1])
        pieces.append(Piece(order, deliveries, first=isinstance(shown[0], Order), last=last))
    return pieces
