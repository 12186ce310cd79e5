"""The page of a contract stays short however long the contract runs, and every form can be found on it."""

from dataclasses import replace

from services.fulfilment.domain.duties import agenda
from services.fulfilment.domain.state import Execution
from services.fulfilment.pages.parts import PER_PART, count, of, part_of, part_with, within
from services.fulfilment.pages.work import due_words
from tests.services.fulfilment.builders import invoiced


def long(orders: int) -> Execution:
    """Return an execution with two deliveries on each order, and an invoice for each order."""
    state = invoiced().state
    (order,), (delivery,), (invoice,) = state.orders, state.deliveries, state.invoices
    return replace(
        state,
        orders=tuple(replace(order, number=each + 1) for each in range(orders)),
        deliveries=tuple(replace(delivery, number=each + 1, order=each // 2 + 1) for each in range(2 * orders)),
        invoices=tuple(replace(invoice, number=each + 1) for each in range(orders)),
    )


def test_every_form_of_an_order_a_delivery_or_an_invoice_stands_in_the_part_that_is_named() -> None:
    state = long(2 * PER_PART + 1)
    assert [part_with(state, f"deliver-{number}") for number in (1, PER_PART, PER_PART + 1)] == [1, 1, 2]
    assert [part_with(state, f"assess-{2 * number}") for number in (1, PER_PART, PER_PART + 1)] == [1, 1, 2]
    assert [part_with(state, f"pay-{number}") for number in (1, 2 * PER_PART + 1)] == [1, 3]
    for name in ("withdraw-order", "dispute-invoice"):
        assert part_with(state, f"{name}-{PER_PART + 1}") == 2
    for name in ("withdraw-delivery", "dispute-delivery"):
        assert part_with(state, f"{name}-{2 * PER_PART + 1}") == 2
    assert [part_with(state, form) for form in ("", "order", "end", "answer-1", "assess-99999999", "pay-x")] == [0] * 6
    assert part_with(long(PER_PART), "deliver-1") == 0


def test_the_parts_together_hold_everything_once_and_the_newest_is_shown_unless_another_is_asked_for() -> None:
    orders = long(2 * PER_PART + 1).orders
    assert [each for part in (1, 2, 3) for each in of(orders, part)] == list(orders)
    assert of(orders, 0) == of(orders, 3) == of(orders, 9_999) == orders[-1:]
    assert of((), 0) == () and [count(things, PER_PART) for things in (0, 1, PER_PART, PER_PART + 1)] == [1, 1, 1, 2]
    assert within(2, PER_PART, PER_PART) == 1


def test_an_agenda_knows_in_which_part_the_form_of_a_duty_stands() -> None:
    state = long(PER_PART + 30)
    state = replace(
        state,
        deliveries=tuple(replace(each, status="reported", due_at=state.term_until) for each in state.deliveries[-30:]),
        invoices=tuple(replace(each, status="submitted") for each in state.invoices),
    )
    state = replace(state, deliveries=long(PER_PART + 30).deliveries[:-30] + state.deliveries)
    kept = agenda(state, most=1_000)
    found = {(each.what, part_of(kept.things, each.place)) for each in kept.before}
    assert {("assess", 2), ("pay", 1), ("pay", 2)} <= found
    for each in kept.before:
        _, form = due_words(each.what, each.number)
        assert part_of(kept.things, each.place) == part_with(state, form)
