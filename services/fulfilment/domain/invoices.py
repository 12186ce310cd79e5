"""Invoices for what was accepted, to the cent of the contract's amount, and their payment."""

from dataclasses import dataclass
from datetime import datetime

from catalogue.rules import RuleBroken
from events import Event
from events.contracts import InvoicedLine, InvoicePaid, InvoiceSettled, InvoiceSubmitted
from services.fulfilment.domain import bounds
from services.fulfilment.domain.orders import the_delivery, withdrawn
from services.fulfilment.domain.requirements import (
    ByMember,
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
    balances,
    share,
    total,
)


class NothingToInvoice(RuleBroken):
    """Of the deliveries named nothing was accepted, or none was named."""

    code = "nothing-to-invoice"


class InvoicedAlready(RuleBroken):
    code = "invoiced-already"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitInvoice(ByMember):
    """For all that was accepted of the ``deliveries``. ``reference`` is the supplier's number of the invoice."""

    deliveries: tuple[int, ...]
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayInvoice(ByMember):
    """The buyer says that it paid."""

    invoice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReceipt:
    """The supplier has the money, whether the buyer said so or not."""

    organisation_id: str
    invoice: int


def submit_invoice(execution: Execution, command: SubmitInvoice, now: datetime) -> tuple[Event, ...]:
    """Also after the contract was terminated: what was accepted is paid."""
    require_party(execution, command.organisation_id, "supplier")
    numbers = tuple(sorted(set(command.deliveries)))
    for number in numbers:
        delivery = the_delivery(execution, number)
        if (earlier := execution.invoice_of.get(number)) is not None:
            raise InvoicedAlready(
                f"The delivery {number} is in invoice {earlier.number} already.",
                field="deliveries",
                invoice=earlier.number,
            )
        if not delivery.accepted:
            raise NothingToInvoice(f"Of delivery {number} nothing is accepted.", field="deliveries", delivery=number)
        require_undisputed(execution, Matter("delivery", number))
    if not numbers:
        raise NothingToInvoice("An invoice names the deliveries it is for.", field="deliveries")
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
    """What was accepted of them, at the contract's prices.

    Each line's invoices together come to its share for the quantity invoiced so far, so the last one closes the contract's amount
    to the cent. Where an invoice was taken back the others may be a cent above that share: then nothing is due for so little.
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
    invoice = the_invoice(execution, command.invoice)
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
    invoice = the_invoice(execution, command.invoice)
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
    invoice = the_invoice(execution, number)
    if invoice.status == "withdrawn":
        return ()
    if invoice.status != "submitted":
        raise AnsweredAlready(
            f"The invoice {number} is {invoice.status} already.", about="invoice", number=number, state=invoice.status
        )
    require_undisputed(execution, Matter("invoice", number))
    bounds.require_taking_back(execution, "supplier")
    return (withdrawn(execution, Matter("invoice", number), "supplier", now),)


def the_invoice(execution: Execution, number: int) -> Invoice:
    if not 1 <= number <= len(execution.invoices):
        raise NothingOfThatNumber(f"There is no invoice {number}.", field="invoice", number=number)
    return execution.invoices[number - 1]


def _require_standing(invoice: Invoice) -> None:
    if invoice.status == "withdrawn":
        raise AnsweredAlready(
            f"The invoice {invoice.number} was taken back.",
            about="invoice",
            number=invoice.number,
            state=invoice.status,
        )
