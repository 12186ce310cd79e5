"""The history of a contract that is carried out, one sentence per event, in the reader's language."""

from events.codec import Event
from events.contracts import (
    ContractClosed,
    ContractTerminated,
    DeliveryAssessed,
    DeliveryReported,
    DisputeAnswered,
    DisputeEnded,
    DisputeOpened,
    EndingAnswered,
    EndingProposed,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    InvoiceSubmitted,
    OrderPlaced,
)
from infra.web.languages import gettext, pgettext
from infra.web.pages import money

GROUNDS = {
    "agreement": "by agreement",
    "delivery-overdue": "the delivery is overdue",
    "acceptance-overdue": "the answer to a delivery is overdue",
    "payment-overdue": "a payment is overdue",
}
"""The grounds of an ending, in words."""
OUTCOMES = {"accepted": "accepted", "partly": "accepted in part", "refused": "refused"}
SIDES = {"buyer": "The buyer", "supplier": "The supplier"}
BY = {"buyer": "by the buyer", "dispute": "by the end of a dispute", "silence": "by silence"}
HOW = {"agreed": "by agreement", "decided": "by a moderator's decision"}
WHAT = {"stands": "remains valid", "set-aside": "is set aside"}


def history_line(event: Event) -> str:
    """Return a line of the history, or "" if another line describes this event."""
    match event:
        case OrderPlaced():
            return gettext("The buyer placed order %(number)s", number=event.order)
        case DeliveryReported():
            if event.late:
                return gettext(
                    "The supplier reported delivery %(delivery)s on order %(order)s, late",
                    delivery=event.delivery,
                    order=event.order,
                )
            return gettext(
                "The supplier reported delivery %(delivery)s on order %(order)s",
                delivery=event.delivery,
                order=event.order,
            )
        case DeliveryAssessed():
            outcome = pgettext("delivery", OUTCOMES[event.outcome])
            return gettext(
                "Delivery %(number)s was %(outcome)s %(by)s",
                number=event.delivery,
                outcome=outcome,
                by=pgettext("history", BY[event.by]),
            )
        case InvoiceSubmitted():
            amount = money(event.amount, event.currency)
            return gettext("The supplier sent invoice %(number)s, %(amount)s", number=event.invoice, amount=amount)
        case InvoicePaid():
            if event.late:
                return gettext("The buyer paid invoice %(number)s, late", number=event.invoice)
            return gettext("The buyer paid invoice %(number)s", number=event.invoice)
        case InvoiceSettled():
            if event.by == "supplier":
                return gettext("The supplier received the money for invoice %(number)s", number=event.invoice)
            return gettext("The dispute ended: invoice %(number)s is paid", number=event.invoice)
        case ExecutionWithdrawn():
            thing = thing_of(event.about, event.number)
            if event.by == "dispute":
                return gettext("Set aside by a dispute: %(thing)s", thing=thing)
            return gettext("%(side)s withdrew %(thing)s", side=side(event.by), thing=thing)
        case ExecutionOverdue():
            return _overdue(event)
        case DisputeOpened():
            return gettext(
                "%(side)s opened dispute %(number)s: %(thing)s",
                side=side(event.by),
                number=event.dispute,
                thing=thing_of(event.about, event.number),
            )
        case DisputeAnswered():
            return gettext("%(side)s answered dispute %(number)s", side=side(event.by), number=event.dispute)
        case DisputeEnded():
            return gettext(
                "Dispute %(number)s ended %(how)s. The disputed statement about %(thing)s %(outcome)s",
                number=event.dispute,
                how=pgettext("history", HOW[event.how]),
                thing=thing_of(event.about, event.number),
                outcome=pgettext("history", WHAT[event.outcome]),
            )
        case EndingProposed():
            ground = pgettext("contract", GROUNDS[event.ground])
            if event.kind == "closure":
                return gettext(
                    "%(side)s proposed to close the contract: %(ground)s", side=side(event.by), ground=ground
                )
            return gettext(
                "%(side)s proposed to terminate the contract: %(ground)s", side=side(event.by), ground=ground
            )
        case EndingAnswered():
            return {
                "agreed": gettext("%(side)s agreed", side=side(event.by)),
                "objected": gettext("%(side)s objected", side=side(event.by)),
                "withdrawn": gettext("The proposal was withdrawn"),
                "lapsed": gettext("The proposal lapsed"),
            }[event.answer]
        case ContractClosed():
            if event.how == "fulfilled":
                return gettext("The contract was closed: everything was accepted and paid")
            return gettext("The contract was closed: both sides agreed")
        case ContractTerminated():
            ground = pgettext("contract", GROUNDS[event.ground])
            return gettext("The contract was terminated, %(ground)s", ground=ground)
    return ""


def side(by: str) -> str:
    """Return the buyer or the supplier, as the beginning of a sentence."""
    return pgettext("side", SIDES[by]) if by else ""


def thing_of(about: str, number: int) -> str:
    """Return an order, a delivery or an invoice with its number, for the middle of a sentence."""
    return {
        "order": gettext("order %(number)s", number=number),
        "delivery": gettext("delivery %(number)s", number=number),
        "invoice": gettext("invoice %(number)s", number=number),
    }[about]


def _overdue(event: ExecutionOverdue) -> str:
    return {
        "order": gettext("Order %(number)s was not delivered in time by the supplier", number=event.number),
        "delivery": gettext("Delivery %(number)s was not answered in time by the buyer", number=event.number),
        "invoice": gettext("Invoice %(number)s was not paid in time by the buyer", number=event.number),
    }[event.about]
