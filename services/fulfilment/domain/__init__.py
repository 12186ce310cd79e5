"""Carrying a contract out: ordered at once or in parts, delivered, accepted, invoiced and paid, until it closes
(docs/rules.md section 4).

Orders, deliveries, invoices and disputes are numbered from 1 within their contract. ``state`` is the state of a
contract, ``bounds`` says how much each side may do, ``requirements`` has the checks that all decisions share.
``orders``, ``invoices``, ``disputes`` and ``endings`` say what the sides may do, ``duties`` what is due and what
follows from the passing of time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from msgspec import structs

from catalogue.calendar import RegionCalendar
from catalogue.money import Money, split
from catalogue.policy import Policy
from events import Event
from events.contracts import (
    ContractClosed,
    ContractEnded,
    ContractTerminated,
    DeliveryAssessed,
    DeliveryReported,
    DisputeAnswered,
    DisputeEnded,
    DisputeOpened,
    EndingAnswered,
    EndingProposed,
    ExecutionDue,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    InvoiceSubmitted,
    OrderPlaced,
)
from services.fulfilment.domain import disputes, duties, endings, invoices, orders
from services.fulfilment.domain.disputes import AnswerDispute, DecideDispute, OpenDispute
from services.fulfilment.domain.endings import AnswerEnding, ProposeEnding, WithdrawEnding
from services.fulfilment.domain.invoices import ConfirmReceipt, PayInvoice, SubmitInvoice
from services.fulfilment.domain.orders import AssessDelivery, PlaceOrder, ReportDelivery
from services.fulfilment.domain.state import (
    NONE,
    Delivery,
    Dispute,
    Execution,
    Invoice,
    Order,
    ProposedEnding,
    Statement,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """The author withdraws an order, a delivery or an invoice that nobody has answered yet."""

    organisation_id: str
    about: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A timer's command: a deadline may have passed."""


Command = (
    PlaceOrder
    | ReportDelivery
    | AssessDelivery
    | SubmitInvoice
    | PayInvoice
    | ConfirmReceipt
    | Withdraw
    | OpenDispute
    | AnswerDispute
    | DecideDispute
    | ProposeEnding
    | AnswerEnding
    | WithdrawEnding
    | Tick
)
_WITHDRAWALS = {
    "order": orders.withdraw_order,
    "delivery": orders.withdraw_delivery,
    "invoice": invoices.withdraw_invoice,
}
_DECISIONS: dict[type, Callable[..., tuple[Event, ...]]] = {
    PlaceOrder: orders.place_order,
    ReportDelivery: orders.report_delivery,
    AssessDelivery: orders.assess_delivery,
    SubmitInvoice: invoices.submit_invoice,
    PayInvoice: invoices.pay_invoice,
    ConfirmReceipt: invoices.confirm_receipt,
    OpenDispute: disputes.open_dispute,
    AnswerDispute: disputes.answer_dispute,
    DecideDispute: disputes.decide_dispute,
    ProposeEnding: endings.propose,
    AnswerEnding: endings.answer,
    WithdrawEnding: endings.withdraw,
}


def begin(due: ExecutionDue, policy: Policy) -> Execution:
    """Begin the execution under ``policy``, which is that of its process, even if the policy's file has changed. Each
    line has its share of the amount. Raise UnknownTimeZone."""
    amount = Money(due.amount, due.currency)
    weights = {line.line_id: line.amount or NONE for line in due.lines}
    shares = split(amount, weights) if any(weights.values()) else dict.fromkeys(weights, Money(NONE, amount.currency))
    return Execution(
        process_id=due.process_id,
        contract_id=due.contract_id,
        pool_id=due.pool_id,
        buyer_id=due.buyer_id,
        supplier_id=due.supplier_id,
        currency=amount.currency,
        amount=amount.amount,
        lines=tuple(structs.replace(line, amount=shares[line.line_id].amount) for line in due.lines),
        place=due.place,
        policy=policy,
        calendar=RegionCalendar(due.time_zone, due.country or None, due.subdivision or None),
        signed_at=due.signed_at,
        term_until=due.term_until,
    )


def decide(execution: Execution, command: Command, now: datetime) -> tuple[Event, ...]:
    """Return the events: first what follows from the time that passed, then what the command asks for, then the closure
    if everything is carried out. There are none for the command if it repeats what was done already. Raise a RuleBroken
    of this package."""
    happened = duties.passed(execution, now)
    for event in happened:
        execution = apply(execution, event)
    asked = _asked(execution, command, now)
    for event in asked:
        execution = apply(execution, event)
    if endings.fulfilled(execution):
        asked = (*asked, endings.closed(execution, "fulfilled", "", now))
    return (*happened, *asked)


def _asked(execution: Execution, command: Command, now: datetime) -> tuple[Event, ...]:
    if isinstance(command, Tick):
        return ()
    if isinstance(command, Withdraw):
        return _WITHDRAWALS[command.about](execution, command.number, command.organisation_id, now)
    return _DECISIONS[type(command)](execution, command, now)


def apply(execution: Execution, event: Event) -> Execution:
    """Return the execution after the event. Raise TypeError for an event that no execution has."""
    match event:
        case OrderPlaced():
            order = Order(
                number=event.order,
                lines=event.lines,
                place=event.place,
                placed_at=event.placed_at,
                due_at=event.due_at,
            )
            return replace(execution, orders=(*execution.orders, order))
        case DeliveryReported():
            delivery = Delivery(
                number=event.delivery,
                order=event.order,
                lines=event.lines,
                note=event.note,
                delivered_on=event.delivered_on,
                reported_at=event.reported_at,
                due_at=event.due_at,
                late=event.late,
            )
            return replace(execution, deliveries=(*execution.deliveries, delivery))
        case DeliveryAssessed():
            return _with_delivery(
                execution,
                event.delivery,
                status="assessed",
                outcome=event.outcome,
                accepted=event.lines,
                reasons=event.reasons,
                assessed_by=event.by,
                assessed_at=event.assessed_at,
            )
        case InvoiceSubmitted():
            invoice = Invoice(
                number=event.invoice,
                reference=event.reference,
                deliveries=event.deliveries,
                lines=event.lines,
                amount=event.amount,
                submitted_at=event.submitted_at,
                due_at=event.due_at,
            )
            return replace(execution, invoices=(*execution.invoices, invoice))
        case InvoicePaid():
            return _with_invoice(execution, event.invoice, status="paid", paid_at=event.paid_at, due_at=event.due_at)
        case InvoiceSettled():
            paid_at = execution.invoices[event.invoice - 1].paid_at or event.settled_at
            return _with_invoice(execution, event.invoice, status="settled", paid_at=paid_at)
        case ExecutionWithdrawn():
            return _withdrawn(execution, event)
        case ExecutionOverdue():
            return _overdue(execution, event)
        case DisputeOpened() | DisputeAnswered() | DisputeEnded():
            return _disputed(execution, event)
        case EndingProposed():
            ending = ProposedEnding(
                kind=event.kind,  # type: ignore[arg-type]
                ground=event.ground,
                by=event.by,  # type: ignore[arg-type]
                reasons=event.reasons,
                proposed_at=event.proposed_at,
                due_at=event.due_at,
            )
            return replace(execution, ending=ending)
        case EndingAnswered():
            return _ending_answered(execution, event)
        case ContractClosed():
            return replace(execution, status="closed", how=event.how, over_at=event.closed_at, ending=None)
        case ContractTerminated():
            return replace(execution, status="terminated", how=event.ground, over_at=event.terminated_at, ending=None)
        case ContractEnded(reason="cancelled"):
            return execution
    raise TypeError(f"{type(event).__name__} does not happen to a contract that is carried out")


def _ending_answered(execution: Execution, event: EndingAnswered) -> Execution:
    if event.answer == "objected":
        execution = replace(execution, endings_refused=_one_more(execution.endings_refused, event.by))
    elif event.answer == "withdrawn":
        execution = replace(execution, endings_withdrawn=_one_more(execution.endings_withdrawn, event.by))
    ending = execution.ending
    if ending is not None and event.answer == "objected" and ending.ground != "agreement":
        return replace(execution, ending=replace(ending, objection=event.words))
    return replace(execution, ending=None)


def _one_more(counted: Mapping[str, int], by: str) -> dict[str, int]:
    return {**counted, by: counted.get(by, 0) + 1}


def _withdrawn(execution: Execution, event: ExecutionWithdrawn) -> Execution:
    if event.about == "order":
        return _with_order(execution, event.number, withdrawn=True)
    if event.about == "delivery":
        return _with_delivery(execution, event.number, status="withdrawn")
    return _with_invoice(execution, event.number, status="withdrawn")


def _overdue(execution: Execution, event: ExecutionOverdue) -> Execution:
    if event.about == "order":
        return _with_order(execution, event.number, overdue_at=event.due_at)
    if event.about == "delivery":
        return _with_delivery(execution, event.number, overdue=True)
    return _with_invoice(execution, event.number, overdue=True)


def _disputed(execution: Execution, event: DisputeOpened | DisputeAnswered | DisputeEnded) -> Execution:
    if isinstance(event, DisputeOpened):
        subjects = execution.deliveries if event.about == "delivery" else execution.invoices
        said = Statement(by=event.by, words=event.reasons, asks=event.asks, at=event.opened_at)  # type: ignore[arg-type]
        opened = Dispute(
            number=event.dispute,
            about=event.about,  # type: ignore[arg-type]
            subject=event.number,
            word=subjects[event.number - 1].status,
            said=(said,),
            answer_by=event.answer_by,
            decide_by=event.decide_by,
        )
        return replace(execution, disputes=(*execution.disputes, opened))
    dispute = execution.disputes[event.dispute - 1]
    if isinstance(event, DisputeAnswered):
        said = Statement(by=event.by, words=event.words, asks=event.asks, at=event.at)  # type: ignore[arg-type]
        return _with_dispute(execution, event.dispute, said=(*dispute.said, said))
    execution = _with_dispute(
        execution,
        event.dispute,
        outcome=event.outcome,
        how=event.how,
        explanation=event.explanation,
        ended_at=event.ended_at,
    )
    match (dispute.word, event.outcome):
        case ("assessed", "set-aside"):
            delivery = execution.deliveries[event.number - 1]
            execution = _with_delivery(
                execution,
                event.number,
                status="reported",
                outcome="",
                accepted=(),
                reasons="",
                assessed_by="",
                assessed_at=None,
                due_at=event.resume_by,
            )
            # A delivery that was reported in time counts as in time again, because it should not have been refused.
            if not delivery.late:
                execution = _with_order(execution, delivery.order, overdue_at=None)
        case ("submitted", "stands") | ("paid", "set-aside"):
            execution = _with_invoice(execution, event.number, status="submitted", paid_at=None, due_at=event.resume_by)
    return execution


def _with_order(execution: Execution, number: int, **changes: Any) -> Execution:
    return replace(execution, orders=_changed(execution.orders, number, changes))


def _with_delivery(execution: Execution, number: int, **changes: Any) -> Execution:
    return replace(execution, deliveries=_changed(execution.deliveries, number, changes))


def _with_invoice(execution: Execution, number: int, **changes: Any) -> Execution:
    return replace(execution, invoices=_changed(execution.invoices, number, changes))


def _with_dispute(execution: Execution, number: int, **changes: Any) -> Execution:
    return replace(execution, disputes=_changed(execution.disputes, number, changes))


def _changed(parts: tuple[Any, ...], number: int, changes: dict[str, Any]) -> tuple[Any, ...]:
    return (*parts[: number - 1], replace(parts[number - 1], **changes), *parts[number:])
