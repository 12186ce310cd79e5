"""How the two sides carried a contract out, as facts that their public records count: read off the contract as it stands, so each
counts once however often anything was told, and what a dispute set aside counts no more."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from services.contracts.domain.deals import Party
from services.contracts.domain.execution.state import OTHER, Dispute, Execution, Order, outstanding

Kind = Literal[
    "orders-on-time",
    "orders-late",
    "deliveries-accepted",
    "deliveries-partly",
    "deliveries-refused",
    "answers-on-time",
    "answers-late",
    "payments-on-time",
    "payments-late",
    "disputes-opened",
    "disputes-faced",
    "disputes-agreed",
    "disputes-won",
    "disputes-lost",
    "closed",
]
_DISPUTES: tuple[Kind, ...] = (
    "disputes-opened",
    "disputes-faced",
    "disputes-agreed",
    "disputes-won",
    "disputes-lost",
)
KINDS: dict[Party, tuple[Kind, ...]] = {
    "supplier": (
        "closed",
        "orders-on-time",
        "orders-late",
        "deliveries-accepted",
        "deliveries-partly",
        "deliveries-refused",
        *_DISPUTES,
    ),
    "buyer": ("closed", "answers-on-time", "answers-late", "payments-on-time", "payments-late", *_DISPUTES),
}
"""What is counted on each side, in the order shown."""
_OUTCOMES: dict[str, Kind] = {
    "accepted": "deliveries-accepted",
    "partly": "deliveries-partly",
    "refused": "deliveries-refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """``number`` is that of the order, delivery, invoice or dispute within the contract; 0 for the contract itself."""

    side: Party
    kind: Kind
    number: int


def performed(execution: Execution) -> tuple[Performed, ...]:
    return tuple(Performed(side=side, kind=kind, number=number) for side, kind, number in _facts(execution))


def _facts(execution: Execution) -> Iterator[tuple[Party, Kind, int]]:
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
            yield "supplier", _OUTCOMES[delivery.outcome], delivery.number
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


def _of_dispute(dispute: Dispute) -> Iterator[tuple[Party, Kind, int]]:
    """A moderator's word that is what a side asked for at the opening is won by it."""
    opener, other = dispute.by, OTHER[dispute.by]
    yield opener, "disputes-opened", dispute.number
    yield other, "disputes-faced", dispute.number
    if dispute.how == "agreed":
        yield opener, "disputes-agreed", dispute.number
        yield other, "disputes-agreed", dispute.number
    elif dispute.how == "decided":
        winner = opener if dispute.outcome == dispute.asked else other
        yield winner, "disputes-won", dispute.number
        yield OTHER[winner], "disputes-lost", dispute.number
