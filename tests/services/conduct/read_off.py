"""What both records count about a contract, computed from the final state of the contract. The events, one by one, must
lead to the same."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue.actors import OTHER_PARTY, Party
from services.conduct.domain.performance import OUTCOMES, Performed, PerformedKind
from services.fulfilment.domain.state import Dispute, Execution, Order, outstanding


def performed(execution: Execution) -> set[Performed]:
    return {Performed(party=party, kind=kind, number=number) for party, kind, number in _facts(execution)}


def _facts(execution: Execution) -> Iterator[tuple[Party, PerformedKind, int]]:
    if execution.status == "closed":
        yield "supplier", "closed", 0
        yield "buyer", "closed", 0
    for order in execution.standing_orders:
        if order.overdue_at is not None:
            yield "supplier", "orders-late", order.number
        elif _met(execution, order):
            yield "supplier", "orders-on-time", order.number
    for delivery in execution.deliveries:
        if delivery.status == "assessed":
            yield "supplier", OUTCOMES[delivery.outcome], delivery.number
        if delivery.overdue and delivery.status != "withdrawn":
            yield "buyer", "answers-late", delivery.number
        elif delivery.assessed_by == "buyer":
            yield "buyer", "answers-on-time", delivery.number
    for invoice in execution.standing_invoices:
        if invoice.overdue:
            yield "buyer", "payments-late", invoice.number
        elif invoice.paid_at is not None:
            yield "buyer", "payments-on-time", invoice.number
    for dispute in execution.disputes:
        yield from _of_dispute(dispute)


def _met(execution: Execution, order: Order) -> bool:
    waits = any(each.status == "reported" for each in execution.deliveries_of.get(order.number, ()))
    return not waits and not outstanding(execution, order)


def _of_dispute(dispute: Dispute) -> Iterator[tuple[Party, PerformedKind, int]]:
    opener, other = dispute.by, OTHER_PARTY[dispute.by]
    yield opener, "disputes-opened", dispute.number
    yield other, "disputes-faced", dispute.number
    if dispute.how == "agreed":
        yield opener, "disputes-agreed", dispute.number
        yield other, "disputes-agreed", dispute.number
    elif dispute.how == "decided":
        winner = opener if dispute.outcome == dispute.asked else other
        yield winner, "disputes-won", dispute.number
        yield OTHER_PARTY[winner], "disputes-lost", dispute.number
