"""Invoices for what was accepted, which sum up exactly to the contract's amount, and their payment."""

from dataclasses import dataclass
from datetime import datetime

from catalogue.actors import Actor
from catalogue.rules import RuleBroken
from events import Event
from events.contracts import InvoicedLine, InvoicePaid, InvoiceSettled, InvoiceSubmitted
from services.fulfilment.domain import bounds
from services.fulfilment.domain.orders import get_delivery, withdrawn
from services.fulfilment.domain.requirements import (
    InvoiceNumberMissing,
    require_party,
    require_undisputed,
    require_words,
)
from services.fulfilment.domain.state import (
    NONE,
    AnsweredAlready,
    Execution,
    Invoice,
    Matter,
    NothingOfThatNumber,
    WithdrawnAlready,
    balances,
    share,
    total,
)


class DeliveriesMissing(RuleBroken):
    """An invoice names the deliveries that it is for."""

    code = "deliveries-missing"


class NothingToInvoice(RuleBroken):
    """Nothing was accepted of the named deliveries, or none was named."""

    code = "nothing-to-invoice"


class InvoicedAlready(RuleBroken):
    code = "invoiced-already"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitInvoice(Actor):
    """An invoice for everything that was accepted of the ``deliveries``. ``reference`` is the supplier's number of the
    invoice."""

    deliveries: tuple[int, ...]
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInvoice(Actor):
    """The buyer states that it paid."""

    invoice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReceipt:
    """The supplier confirms that it has the money, whether or not the buyer stated that it paid."""

    organisation_id: str
    invoice: int


def submit_invoice(execution: Execution, command: SubmitInvoice, now: datetime) -> tuple[Event, ...]:
    """Submit an invoice. It is possible after the termination of the contract too, because what was accepted must be
    paid."""
    require_party(execution, command.organisation_id, "supplier")
    numbers = tuple(sorted(set(command.deliveries)))
    for number in numbers:
        delivery = get_delivery(execution, number)
        if (earlier := execution.invoice_of.get(number)) is not None:
            raise InvoicedAlready(
                f"The delivery {number} is in invoice {earlier.number} already.",
                field="deliveries",
                invoice=earlier.number,
            )
        if not delivery.accepted:
            raise NothingToInvoice(f"Nothing is accepted of delivery {number}.", field="deliveries", delivery=number)
        require_undisputed(execution, Matter("delivery", number))
    if not numbers:
        raise DeliveriesMissing("Name the deliveries that the invoice is for.", field="deliveries")
    reference = require_words(command.reference, InvoiceNumberMissing("Give the invoice's number.", field="reference"))
    lines = priced(execution, numbers)
    return (
        InvoiceSubmitted(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            invoice=len(execution.invoices) + 1,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            member_id=command.member_id,
            reference=reference,
            deliveries=numbers,
            lines=lines,
            currency=execution.currency,
            amount=sum((line.amount for line in lines), NONE),
            submitted_at=now,
            due_at=execution.due(now, execution.policy.execution.payment_days),
        ),
    )


def priced(execution: Execution, deliveries: tuple[int, ...]) -> tuple[InvoicedLine, ...]:
    """Return what was accepted of the deliveries, at the contract's prices.

    All invoices of a line together amount to the line's share for the quantity invoiced so far, so the last invoice
    completes the contract's amount exactly. If an invoice was withdrawn, the others may exceed that share by a cent:
    then the amount of a very small quantity is 0.
    """
    quantity = total(execution.deliveries[number - 1].accepted for number in deliveries)
    return tuple(
        InvoicedLine(
            line_id=balance.line.line_id,
            quantity=more,
            amount=max(share(execution, balance.line, balance.invoiced + more) - balance.amount, NONE),
        )
        for balance in balances(execution)
        if (more := quantity.get(balance.line.line_id)) is not None
    )


def pay_invoice(execution: Execution, command: PayInvoice, now: datetime) -> tuple[Event, ...]:
    require_party(execution, command.organisation_id, "buyer")
    invoice = get_invoice(execution, command.invoice)
    if invoice.status in ("paid", "settled"):
        return ()
    _require_standing(invoice)
    require_undisputed(execution, Matter("invoice", invoice.number))
    return (
        InvoicePaid(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            invoice=invoice.number,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            member_id=command.member_id,
            currency=execution.currency,
            amount=invoice.amount,
            late=invoice.overdue,
            paid_at=now,
            due_at=execution.due(now, execution.policy.execution.receipt_days),
        ),
    )


def confirm_receipt(execution: Execution, command: ConfirmReceipt, now: datetime) -> tuple[Event, ...]:
    require_party(execution, command.organisation_id, "supplier")
    invoice = get_invoice(execution, command.invoice)
    if invoice.status == "settled":
        return ()
    _require_standing(invoice)
    require_undisputed(execution, Matter("invoice", invoice.number))
    return (settled(execution, invoice, "supplier", now),)


def settled(execution: Execution, invoice: Invoice, by: str, now: datetime) -> InvoiceSettled:
    return InvoiceSettled(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        invoice=invoice.number,
        buyer_id=execution.buyer_id,
        supplier_id=execution.supplier_id,
        currency=execution.currency,
        amount=invoice.amount,
        by=by,
        settled_at=now,
    )


def withdraw_invoice(execution: Execution, number: int, organisation_id: str, now: datetime) -> tuple[Event, ...]:
    require_party(execution, organisation_id, "supplier")
    invoice = get_invoice(execution, number)
    if invoice.status == "withdrawn":
        return ()
    if invoice.status != "submitted":
        raise AnsweredAlready(
            f"The invoice {number} is {invoice.status} already.", about="invoice", number=number, state=invoice.status
        )
    require_undisputed(execution, Matter("invoice", number))
    bounds.require_withdrawal_allowed(execution, "supplier")
    return (withdrawn(execution, Matter("invoice", number), "supplier", now),)


def get_invoice(execution: Execution, number: int) -> Invoice:
    if not 1 <= number <= len(execution.invoices):
        raise NothingOfThatNumber(f"There is no invoice {number}.", field="invoice", number=number)
    return execution.invoices[number - 1]


def _require_standing(invoice: Invoice) -> None:
    if invoice.status == "withdrawn":
        raise WithdrawnAlready(f"The invoice {invoice.number} was withdrawn.", about="invoice", number=invoice.number)
