"""The forms of a contract that is carried out: each is read into a command."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, cast, get_args

import msgspec
from msgspec import UNSET

from events.bounds import Count, Days, Id, Instant, Name, Quantity
from infra.denied import Missing
from infra.web import read_form, text_in
from infra.web.forms import Fields
from infra.web.gone import fitting_texts
from infra.web.languages import gettext
from services.fulfilment.domain import Command, Withdraw
from services.fulfilment.domain.disputes import AnswerDispute, OpenDispute
from services.fulfilment.domain.endings import AnswerEnding, EndingGround, EndingKind, ProposeEnding, WithdrawEnding
from services.fulfilment.domain.invoices import ConfirmReceipt, PayInvoice, SubmitInvoice
from services.fulfilment.domain.orders import AssessDelivery, PlaceOrder, ReportDelivery
from services.fulfilment.domain.state import About, Execution, Outcome
from services.market.places import delivered_to


class FormErrors(Exception):
    """The errors of a form, by field, and values that would fit each field."""

    def __init__(self, errors: Fields, fitting: Fields) -> None:
        super().__init__(errors)
        self.errors = errors
        self.fitting = fitting


class _Quantity(msgspec.Struct, kw_only=True):
    quantity: Quantity = Decimal(0)


class _OrderForm(msgspec.Struct, kw_only=True):
    days: Days
    region: Name = ""
    locality: Name = ""


class _DeliveryForm(msgspec.Struct, kw_only=True):
    order: Count
    note: Id
    delivered_on: date


class _NumberForm(msgspec.Struct, kw_only=True):
    number: Count


class _ProposalForm(msgspec.Struct, kw_only=True):
    """The proposal to end the contract that the page showed. Pages of the former release do not send it."""

    proposed_at: Instant | None = None


def _form(fields: Fields, shape: type[Any], lines: Execution | None = None) -> tuple[Any, dict[str, Decimal]]:
    """Read the fields, and with ``lines`` also the quantities. Raise FormErrors with all errors."""
    form, errors = read_form(fields, shape)
    fitting = fitting_texts(errors, shape)
    quantities: dict[str, Decimal] = {}
    for line in lines.lines if lines else ():
        name = f"quantity-{line.line_id}"
        read, wrong = read_form({"quantity": fields.get(name, "")}, _Quantity)
        if read is None:
            errors[name], fitting[name] = wrong["quantity"], "1"
        else:
            quantities[line.line_id] = read.quantity
    if errors or form is None:
        raise FormErrors(errors, fitting)
    return form, quantities


def choice(fields: Fields, name: str, choices: tuple[Any, ...]) -> Any:
    """Return the chosen one of the choices. Raise FormErrors if none of them is chosen."""
    if fields.get(name) not in choices:
        raise FormErrors({name: gettext("Choose one of these.")}, {name: choices[0]})
    return fields[name]


def _order(fields: Fields, execution: Execution, by: Fields) -> Command:
    form, lines = _form(fields, _OrderForm, execution)
    place = delivered_to(form.region, form.locality, execution.place)
    return PlaceOrder(**by, lines=lines, days=form.days, place=place)


def _delivery(fields: Fields, execution: Execution, by: Fields) -> Command:
    form, lines = _form(fields, _DeliveryForm, execution)
    return ReportDelivery(**by, order=form.order, lines=lines, note=form.note, delivered_on=form.delivered_on)


def _assessment(fields: Fields, execution: Execution, by: Fields) -> Command:
    """Read the answer to a delivery. Two buttons of the form accept everything or nothing; the third takes the
    quantities in the fields."""
    form, lines = _form(fields, _NumberForm, execution)
    if not 1 <= form.number <= len(execution.deliveries):
        raise Missing("delivery", fields["number"])
    if fields.get("answer") == "all":
        lines = {line.line_id: line.quantity for line in execution.deliveries[form.number - 1].lines}
    elif fields.get("answer") == "none":
        lines = {}
    return AssessDelivery(
        organisation_id=by["organisation_id"], delivery=form.number, lines=lines, reasons=text_in(fields, "reasons")
    )


def _invoice(fields: Fields, execution: Execution, by: Fields) -> Command:
    chosen = tuple(each.number for each in execution.deliveries if fields.get(f"delivery-{each.number}"))
    return SubmitInvoice(**by, deliveries=chosen, reference=text_in(fields, "reference", Id))


def _payment(fields: Fields, execution: Execution, by: Fields) -> Command:
    return PayInvoice(**by, invoice=_form(fields, _NumberForm)[0].number)


def _receipt(fields: Fields, execution: Execution, by: Fields) -> Command:
    return ConfirmReceipt(organisation_id=by["organisation_id"], invoice=_form(fields, _NumberForm)[0].number)


def _withdrawal(fields: Fields, execution: Execution, by: Fields) -> Command:
    about = choice(fields, "about", ("order", "delivery", "invoice"))
    number = _form(fields, _NumberForm)[0].number
    return Withdraw(organisation_id=by["organisation_id"], about=about, number=number)


def _dispute(fields: Fields, execution: Execution, by: Fields) -> Command:
    return OpenDispute(
        **by,
        about=choice(fields, "about", get_args(About)),
        number=_form(fields, _NumberForm)[0].number,
        asks=choice(fields, "asks", get_args(Outcome)),
        reasons=text_in(fields, "reasons"),
        word=fields.get("word") or UNSET,
    )


def _dispute_answer(fields: Fields, execution: Execution, by: Fields) -> Command:
    return AnswerDispute(
        **by,
        dispute=_form(fields, _NumberForm)[0].number,
        asks=choice(fields, "asks", get_args(Outcome)),
        words=text_in(fields, "words"),
    )


def _ending(fields: Fields, execution: Execution, by: Fields) -> Command:
    """Read a proposal to end the contract. One choice says both the kind of ending and its ground."""
    wish = fields.get("wish", "")
    kind, _, ground = wish.partition("/")
    if kind not in get_args(EndingKind) or ground not in get_args(EndingGround):
        fitting = f"{get_args(EndingKind)[0]}/{get_args(EndingGround)[0]}"
        raise FormErrors({"wish": gettext("Choose one of these.")}, {"wish": fitting})
    return ProposeEnding(
        **by, kind=cast(EndingKind, kind), ground=cast(EndingGround, ground), reasons=text_in(fields, "reasons")
    )


def _ending_answer(fields: Fields, execution: Execution, by: Fields) -> Command:
    agrees = choice(fields, "answer", ("yes", "no")) == "yes"
    words, read = text_in(fields, "words"), _form(fields, _ProposalForm)[0].proposed_at
    return AnswerEnding(organisation_id=by["organisation_id"], agrees=agrees, words=words, proposed_at=read or UNSET)


def _ending_withdrawal(fields: Fields, execution: Execution, by: Fields) -> Command:
    read = _form(fields, _ProposalForm)[0].proposed_at
    return WithdrawEnding(organisation_id=by["organisation_id"], proposed_at=read or UNSET)


ACTS: dict[str, tuple[Callable[[Fields, Execution, Fields], Command], str]] = {
    "order": (_order, "Your order was sent to the supplier."),
    "delivery": (_delivery, "The delivery was reported."),
    "assessment": (_assessment, "Your answer was sent to the supplier."),
    "invoice": (_invoice, "The invoice was sent."),
    "payment": (_payment, "Your payment was recorded."),
    "receipt": (_receipt, "You confirmed the payment."),
    "withdrawal": (_withdrawal, ""),
    "dispute": (_dispute, "The dispute was opened."),
    "dispute-answer": (_dispute_answer, "Your statement was sent to the other side."),
    "ending": (_ending, "Your proposal was sent to the other side."),
    "ending-answer": (_ending_answer, "Your answer was recorded."),
    "ending-withdrawal": (_ending_withdrawal, "The proposal was withdrawn."),
}
"""The function that reads a form, and the message after the act, by the last part of the address; for a withdrawal see
:data:`WITHDRAWN`."""

WITHDRAWN = {
    "order": "The order was withdrawn.",
    "delivery": "The delivery was withdrawn.",
    "invoice": "The invoice was withdrawn.",
}
"""The message after a withdrawal, by what was withdrawn."""


HIDDEN = {"form", "request_key", "about", "number", "order", "proposed_at", "word"}
GROUPS = {"deliveries", "wish", "asks", "outcome"}
"""Names of choices. The form may be sent without them, so their errors need a place."""
