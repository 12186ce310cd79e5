"""The pages of a contract that is carried out. Its orders with their deliveries, its invoices and its disputes have
their own pages, so that a loaded page stays short however long the contract runs. Pages are counted from 1, the newest.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec

from infra.web import whole
from services.fulfilment.domain.state import Delivery, Dispute, Execution, Invoice, Order

CARDS = 20
"""How many orders and deliveries, invoices, or disputes are on one page."""
LINES = 100
"""How many lines they may have on one page. One with more lines has a page alone."""
DUE_AT_ONCE = 50
"""How many duties are listed at once, the most urgent first."""
DUE_TO_OTHERS = 10
"""How many duties are listed for a reader that has none of them."""
READY_AT_ONCE = 100
"""How many accepted deliveries the form of an invoice offers."""
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
"""For the id of a form: the part that it belongs to, and whether an item of that part has it."""
T = TypeVar("T")


class WantedPages(msgspec.Struct, frozen=True, kw_only=True):
    """The page that is asked for in each part. ``at`` is the id of a wanted form, on any page."""

    history: int = 1
    orders: int = 1
    invoices: int = 1
    disputes: int = 1
    at: str = ""


NEWEST = WantedPages()


class OrderPage(NamedTuple):
    """An order with its deliveries on one page. The page with ``first`` has the order's own facts, the page with
    ``last`` its forms."""

    order: Order
    deliveries: tuple[Delivery, ...]
    first: bool
    last: bool


class Pages(NamedTuple):
    """All pages; each part has at least one. Within a page the oldest item is first."""

    orders: list[list[OrderPage]]
    invoices: list[list[Invoice]]
    disputes: list[list[Dispute]]

    def with_form(self, asked: WantedPages) -> WantedPages:
        """Return what is asked for, with the page that has the form ``at``. It is unchanged for a form that no page or
        every page has."""
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
    """Return each order, followed by its deliveries."""
    return [
        (order, card) for order in execution.orders for card in (order, *execution.deliveries_of.get(order.number, ()))
    ]


def _leaves(cards: Sequence[T], lines_of: Callable[[T], int]) -> list[list[T]]:
    """Divide the cards into pages. If there are several pages, the newest is full."""
    pages: list[list[T]] = [[]]
    lines = 0
    for card in reversed(cards):
        lines += lines_of(card)
        if pages[-1] and (len(pages[-1]) == CARDS or lines > LINES):
            pages.append([])
            lines = lines_of(card)
        pages[-1].append(card)
    return [page[::-1] for page in pages]


def _pieces(page: list[tuple[Order, Order | Delivery]], execution: Execution) -> list[OrderPage]:
    pieces = []
    for order, cards in groupby(page, key=lambda card: card[0]):
        shown = [card for _, card in cards]
        deliveries = tuple(card for card in shown if isinstance(card, Delivery))
        all_of_it = execution.deliveries_of.get(order.number, ())
        last = not all_of_it or bool(deliveries and deliveries[-1] is all_of_it[-1])
        pieces.append(OrderPage(order, deliveries, first=isinstance(shown[0], Order), last=last))
    return pieces
