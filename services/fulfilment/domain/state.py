"""A concluded contract while it is carried out: what was ordered, delivered, accepted, invoiced and paid, and what is disputed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple

from catalogue.calendar import RegionCalendar
from catalogue.money import Money, split
from catalogue.policy import Policy
from catalogue.rules import RuleBroken
from events.contracts import InvoicedLine, LineQuantity
from events.values import Line, Place

Party = Literal["buyer", "supplier"]
About = Literal["delivery", "invoice"]
Outcome = Literal["stands", "set-aside"]
"""Of a dispute: the disputed word holds, or it is as if it had not been said."""
OTHER: dict[Party, Party] = {"buyer": "supplier", "supplier": "buyer"}
NONE = Decimal(0)


class Matter(NamedTuple):
    """An order, a delivery or an invoice of a contract: what an act, a duty or a dispute is about. Each kind is numbered from 1."""

    about: Literal["order", "delivery", "invoice"]
    number: int


class NothingOfThatNumber(RuleBroken):
    """There never was one."""

    code = "nothing-of-that-number"


class NoQuantity(RuleBroken):
    """At least one line has a quantity above zero."""

    code = "no-quantity"


class AnsweredAlready(RuleBroken):
    """It was answered, and the answer was another one."""

    code = "answered-already"


class TakenBack(RuleBroken):
    """Who said it took it back: nobody can act on it."""

    code = "taken-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``overdue_at`` is the deadline at which something of it was missing, None while none was."""

    number: int
    lines: tuple[LineQuantity, ...]
    place: Place
    placed_at: datetime
    due_at: datetime
    withdrawn: bool = False
    overdue_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """``accepted`` and ``outcome`` (accepted, partly, refused) are set while it is assessed, ``assessed_by`` buyer, dispute or silence;
    ``due_at`` is the buyer's deadline, ``overdue`` that it passed."""

    number: int
    order: int
    lines: tuple[LineQuantity, ...]
    note: str
    delivered_on: date
    reported_at: datetime
    due_at: datetime
    late: bool
    status: Literal["reported", "assessed", "withdrawn"] = "reported"
    outcome: str = ""
    accepted: tuple[LineQuantity, ...] = ()
    reasons: str = ""
    assessed_by: str = ""
    assessed_at: datetime | None = None
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """``due_at`` is the buyer's deadline to pay, after that the supplier's to confirm; ``overdue`` that the buyer's passed."""

    number: int
    reference: str
    deliveries: tuple[int, ...]
    lines: tuple[InvoicedLine, ...]
    amount: Decimal
    submitted_at: datetime
    due_at: datetime
    status: Literal["submitted", "paid", "settled", "withdrawn"] = "submitted"
    paid_at: datetime | None = None
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """``by`` is a side of the dispute."""

    by: Party
    words: str
    asks: Outcome
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """About the ``word`` (the status) that a delivery or invoice had at the opening. ``said`` begins with the opening;
    ``outcome`` is "" while it is open."""

    number: int
    about: About
    subject: int
    word: str
    said: tuple[Said, ...]
    answer_by: datetime
    decide_by: datetime
    outcome: str = ""
    how: str = ""
    explanation: str = ""
    ended_at: datetime | None = None

    @property
    def matter(self) -> Matter:
        return Matter(self.about, self.subject)

    @property
    def by(self) -> Party:
        return self.said[0].by

    @property
    def asked(self) -> Outcome:
        return self.said[0].asks

    @property
    def open(self) -> bool:
        return not self.outcome

    def asks(self, party: Party) -> Outcome | None:
        """What the side would settle for now; None while it has said nothing."""
        return next((said.asks for said in reversed(self.said) if said.by == party), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A proposal to end the contract, not answered with a yes yet. ``objection`` is the other side's, "" for none."""

    kind: Literal["closure", "termination"]
    ground: str
    by: Party
    reasons: str
    proposed_at: datetime
    due_at: datetime
    objection: str = ""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """``lines`` are the contract's, each with its quantity and its share of the amount; nothing is ordered after
    ``term_until``. Orders, deliveries, invoices and disputes are in the order of their numbers. ``endings_withdrawn`` and
    ``endings_refused`` count what each side did with proposals to end the contract: its own, and those of the other."""

    process_id: str
    contract_id: str
    pool_id: str | None
    buyer_id: str
    supplier_id: str
    currency: str
    amount: Decimal
    lines: tuple[Line, ...]
    place: Place
    policy: Policy
    calendar: RegionCalendar
    signed_at: datetime
    term_until: datetime
    orders: tuple[Order, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    ending: Ending | None = None
    status: Literal["running", "closed", "terminated"] = "running"
    how: str = ""
    over_at: datetime | None = None
    endings_withdrawn: Mapping[str, int] = field(default_factory=dict)
    endings_refused: Mapping[str, int] = field(default_factory=dict)

    def due(self, now: datetime, days: int) -> datetime:
        return self.policy.due(now, days, self.calendar)

    @property
    def standing_orders(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if not order.withdrawn)

    @property
    def standing_invoices(self) -> tuple[Invoice, ...]:
        return tuple(invoice for invoice in self.invoices if invoice.status != "withdrawn")

    # Worked out once, for a contract may have thousands of each, and every one asks for its own.

    @cached_property
    def deliveries_of(self) -> Mapping[int, list[Delivery]]:
        """By order."""
        found: dict[int, list[Delivery]] = {}
        for delivery in self.deliveries:
            found.setdefault(delivery.order, []).append(delivery)
        return found

    @cached_property
    def invoice_of(self) -> Mapping[int, Invoice]:
        """By delivery that is invoiced."""
        return {number: invoice for invoice in self.standing_invoices for number in invoice.deliveries}

    @cached_property
    def open_disputes(self) -> Mapping[Matter, Dispute]:
        """By what is disputed."""
        return {each.matter: each for each in self.disputes if each.open}

    @cached_property
    def settled(self) -> Decimal:
        return sum((invoice.amount for invoice in self.invoices if invoice.status == "settled"), NONE)

    @cached_property
    def sums(self) -> "tuple[Balance, ...]":
        """What :func:`balances` says."""
        return _balances(self)

    @cached_property
    def outstanding_of(self) -> "Mapping[int, dict[str, Decimal]]":
        """What :func:`outstanding` says of each order."""
        return {order.number: _outstanding(self, order) for order in self.orders}

    @cached_property
    def invoiceable(self) -> tuple[Delivery, ...]:
        """What :func:`invoiceable` says."""
        return _invoiceable(self)

    @cached_property
    def without_words(self) -> "Execution":
        """As everybody may read it."""
        ending = self.ending
        return replace(
            self,
            deliveries=tuple(replace(each, note="", reasons="") for each in self.deliveries),
            invoices=tuple(replace(each, reference="") for each in self.invoices),
            disputes=tuple(
                replace(each, explanation="", said=tuple(replace(said, words="") for said in each.said))
                for each in self.disputes
            ),
            ending=replace(ending, reasons="", objection="") if ending else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One line in sums. ``delivered`` is what waits for acceptance or was accepted; ``amount`` is what was invoiced."""

    line: Line
    contracted: Decimal
    ordered: Decimal
    delivered: Decimal
    accepted: Decimal
    invoiced: Decimal
    amount: Decimal


def whole(line: Line) -> Decimal:
    """The contracted quantity; what is bought as one has none written."""
    return Decimal(1) if line.quantity is None else line.quantity


def balances(execution: Execution) -> tuple[Balance, ...]:
    """In the order of the contract's lines."""
    return execution.sums


def _balances(execution: Execution) -> tuple[Balance, ...]:
    ordered = total(order.lines for order in execution.standing_orders)
    accepted = total(delivery.accepted for delivery in execution.deliveries)
    pending = total(delivery.lines for delivery in execution.deliveries if delivery.status == "reported")
    invoiced = total(invoice.lines for invoice in execution.standing_invoices)
    amounts: dict[str, Decimal] = {}
    for invoice in execution.standing_invoices:
        for each in invoice.lines:
            amounts[each.line_id] = amounts.get(each.line_id, NONE) + each.amount
    return tuple(
        Balance(
            line=line,
            contracted=whole(line),
            ordered=ordered.get(line.line_id, NONE),
            delivered=pending.get(line.line_id, NONE) + accepted.get(line.line_id, NONE),
            accepted=accepted.get(line.line_id, NONE),
            invoiced=invoiced.get(line.line_id, NONE),
            amount=amounts.get(line.line_id, NONE),
        )
        for line in execution.lines
    )


def unordered(execution: Execution) -> dict[str, Decimal]:
    """By line, what the contract still has to be ordered of; without lines that have nothing."""
    return {b.line.line_id: b.contracted - b.ordered for b in balances(execution) if b.contracted > b.ordered}


def outstanding(execution: Execution, order: Order) -> dict[str, Decimal]:
    """By line, what of the order is still to be delivered; what was refused is so again."""
    return execution.outstanding_of[order.number]


def _outstanding(execution: Execution, order: Order) -> dict[str, Decimal]:
    come = total(
        delivery.lines if delivery.status == "reported" else delivery.accepted
        for delivery in execution.deliveries_of.get(order.number, ())
        if delivery.status != "withdrawn"
    )
    rest = {line.line_id: line.quantity - come.get(line.line_id, NONE) for line in order.lines}
    return {line_id: quantity for line_id, quantity in rest.items() if quantity > 0}


def invoiceable(execution: Execution) -> tuple[Delivery, ...]:
    """Something of them was accepted, nothing invoiced, nothing is disputed."""
    return execution.invoiceable


def _invoiceable(execution: Execution) -> tuple[Delivery, ...]:
    return tuple(
        delivery
        for delivery in execution.deliveries
        if delivery.accepted
        and delivery.number not in execution.invoice_of
        and disputed(execution, Matter("delivery", delivery.number)) is None
    )


def disputed(execution: Execution, matter: Matter) -> Dispute | None:
    """The open dispute about it."""
    return execution.open_disputes.get(matter)


def share(execution: Execution, line: Line, quantity: Decimal) -> Decimal:
    """Of the line's amount, what this much of its quantity comes to: to the minor unit, and all of it for all."""
    whole_amount = Money(line.amount or NONE, execution.currency)
    return split(whole_amount, {"part": quantity, "rest": whole(line) - quantity})["part"].amount


def total(parts: Iterable[Iterable[LineQuantity | InvoicedLine]]) -> dict[str, Decimal]:
    """Sums by line; without lines that have nothing."""
    sums: dict[str, Decimal] = {}
    for lines in parts:
        for line in lines:
            sums[line.line_id] = sums.get(line.line_id, NONE) + line.quantity
    return sums
