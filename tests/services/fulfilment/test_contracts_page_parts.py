"""The page of a contract stays short however long the contract runs, and every form can be found on it."""

from dataclasses import replace

import pytest
from msgspec import structs

from services.fulfilment.domain.duties import duties
from services.fulfilment.domain.state import Execution
from services.fulfilment.pages.parts import CARDS, LINES, Pages, WantedPages, pages_of
from services.fulfilment.pages.work import due_words
from tests.services.fulfilment.builders import invoiced


def long(orders: int, deliveries: int, invoices: int, lines: int = 1) -> Execution:
    """Return an execution. The deliveries are spread over the orders; each item has so many lines."""
    state = invoiced().state
    order, delivery, invoice = state.orders[0], state.deliveries[0], state.invoices[0]
    return replace(
        state,
        orders=tuple(replace(order, number=n + 1, lines=order.lines[:1] * lines) for n in range(orders)),
        deliveries=tuple(
            replace(delivery, number=n + 1, order=n % orders + 1, lines=delivery.lines[:1] * lines)
            for n in range(deliveries)
        ),
        invoices=tuple(replace(invoice, number=n + 1, lines=invoice.lines[:1] * lines) for n in range(invoices)),
    )


SHAPES = [(1, 800, 0, 1), (300, 0, 300, 1), (300, 800, 800, 1), (3, 7, 5, 40), (2, 3, 2, 2 * LINES), (1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pages_together_have_everything_once_and_none_is_long(shape: tuple[int, int, int, int]) -> None:
    state = long(*shape)
    orders, invoices, disputes = pages_of(state)
    oldest_first = [piece for page in reversed(orders) for piece in page]
    assert [piece.order.number for piece in oldest_first if piece.first] == [each.number for each in state.orders]
    assert [piece.order.number for piece in oldest_first if piece.last] == [each.number for each in state.orders]
    told = [each.number for piece in oldest_first for each in piece.deliveries]
    assert sorted(told) == [each.number for each in state.deliveries]
    assert [each for page in reversed(invoices) for each in page] == list(state.invoices)
    assert disputes == [[]]
    cards = [
        [len(card.lines) for piece in page for card in ((piece.order,) * piece.first + piece.deliveries)]
        for page in orders
    ]
    for page in [*cards, *([len(each.lines) for each in page] for page in invoices)]:
        assert len(page) <= CARDS and (sum(page) <= LINES or len(page) == 1)


def test_the_newest_page_is_full_and_a_contract_without_anything_has_one() -> None:
    state = long(CARDS + 1, 0, CARDS + 1)
    assert (
        [len(page) for page in pages_of(state).orders] == [len(page) for page in pages_of(state).invoices] == [CARDS, 1]
    )
    assert pages_of(replace(state, orders=(), deliveries=(), invoices=())) == Pages([[]], [[]], [[]])


def test_every_form_is_on_the_page_that_it_is_asked_for_by() -> None:
    state = long(30, 90, 60)
    state = replace(
        state,
        deliveries=tuple(replace(each, status="reported", due_at=state.term_until) for each in state.deliveries),
        invoices=tuple(replace(each, status="submitted") for each in state.invoices),
    )
    pages, tried = pages_of(state), 0
    for duty in duties(state, state.term_until):
        _, form = due_words(duty.what, duty.number)
        asked = pages.with_form(WantedPages(at=form))
        if duty.what == "assess":
            tried += any(
                each.number == duty.number for piece in pages.orders[asked.orders - 1] for each in piece.deliveries
            )
        if duty.what == "pay":
            tried += any(each.number == duty.number for each in pages.invoices[asked.invoices - 1])
    assert tried == 90 + 60
    for number in range(1, 31):
        asked = pages.with_form(WantedPages(at=f"deliver-{number}"))
        assert any(piece.last and piece.order.number == number for piece in pages.orders[asked.orders - 1])
        assert pages.with_form(WantedPages(at=f"withdraw-order-{number}")).orders == asked.orders


@pytest.mark.parametrize("form", ["", "order", "end", "invoice", "assess-99999999", "pay-x", "answer-1", "deliver-0"])
def test_a_form_of_no_page_changes_nothing(form: str) -> None:
    asked = WantedPages(history=2, orders=3, at=form)
    assert pages_of(long(30, 90, 60)).with_form(asked) == asked


def test_a_form_of_one_part_leaves_the_pages_of_the_others() -> None:
    asked = WantedPages(history=2, orders=3, invoices=2, at="pay-60")
    assert pages_of(long(30, 90, 60)).with_form(asked) == structs.replace(asked, invoices=1)
