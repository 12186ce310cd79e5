"""A concluded contract while it is carried out: what was ordered, delivered, accepted, invoiced and paid, and what is
disputed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple

from catalogue.actors import Party
from catalogue.calendar import RegionCalendar
from catalogue.money import Money, split
from catalogue.policy import Policy
from catalogue.rules import RuleBroken
from events.contracts import InvoicedLine, LineQuantity
from events.values import Line, Place

About = Literal["delivery", "invoice"]
Outcome = Literal["stands", "set-aside"]
"""The outcome of a dispute: the disputed status is valid, or it no longer counts."""
NONE = Decimal(0)


class Matter(NamedTuple):
    """An order, a delivery or an invoice of a contract: the thing that an act, a duty or a dispute is about. Each kind
    is numbered from 1."""

    about: Literal["order", "delivery", "invoice"]
    number: int


class NothingOfThatNumber(RuleBroken):
    """There never was one."""

    code = "nothing-of-that-number"


class NoQuantity(RuleBroken):
    """At least one line must have a quantity above zero."""

    code = "no-quantity"


class AnsweredAlready(RuleBroken):
    """It was answered before, and that answer was different."""

    code = "answered-already"


class WithdrawnAlready(RuleBroken):
    """The side that stated it withdrew it, so nobody can act on it."""

    code = "withdrawn-already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``overdue_at`` is the deadline at which a part of the order was missing, or None."""

    number: int
    lines: tuple[LineQuantity, ...]
    place: Place
    placed_at: datetime
    due_at: datetime
    withdrawn: bool = False
    overdue_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """While the delivery is assessed, ``accepted`` and ``outcome`` (accepted, partly, refused) are set, and
    ``assessed_by`` is buyer, dispute or silence. ``due_at`` is the buyer's deadline; ``overdue`` says that it passed.
    """

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
    """``due_at`` is the buyer's deadline to pay, and after the payment the supplier's deadline to confirm. ``overdue``
    says that the buyer's deadline passed."""

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
class Statement:
    """A statement in a dispute. ``by`` is a side of the dispute."""

    by: Party
    words: str
    asks: Outcome
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute about the ``word`` (the status) that a delivery or invoice had at the opening. ``said`` begins with the
    opening. ``outcome`` is "" while the dispute is open."""

    number: int
    about: About
    subject: int
    word: str
    said: tuple[Statement, ...]
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
        """Return the outcome that the side asks for now, or None while it has made no statement."""
        return next((said.asks for said in reversed(self.said) if said.by == party), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedEnding:
    """A proposal to end the contract that the other side has not agreed to yet. ``objection`` is what the other side
    said against it, or ""."""

    kind: Literal["closure", "termination"]
    ground: str
    by: Party
    reasons: str
    proposed_at: datetime
    due_at: datetime
    objection: str = ""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """``lines`` are the contract's, each with its quantity and its share of the amount. Nothing is ordered after
    ``term_until``. Orders, deliveries, invoices and disputes are in the order of their numbers. ``endings_withdrawn``
    counts the proposals to end the contract that each side withdrew, ``endings_refused`` those of the other side that
    it refused."""

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
    ending: ProposedEnding | None = None
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

    # These values are computed once, because a contract may have thousands of deliveries and every order looks for its
    # own.

    @cached_property
    def deliveries_of(self) -> Mapping[int, list[Delivery]]:
        """Return the deliveries by order."""
        found: dict[int, list[Delivery]] = {}
        for delivery in self.deliveries:
            found.setdefault(delivery.order, []).append(delivery)
        return found

    @cached_property
    def invoice_of(self) -> Mapping[int, Invoice]:
        """Return the invoice by the number of each invoiced delivery."""
        return {number: invoice for invoice in self.standing_invoices for number in invoice.deliveries}

    @cached_property
    def open_disputes(self) -> Mapping[Matter, Dispute]:
        """Return the open dispute by what is disputed."""
        return {each.matter: each for each in self.disputes if each.open}

    @cached_property
    def settled(self) -> Decimal:
        return sum((invoice.amount for invoice in self.invoices if invoice.status == "settled"), NONE)

    @cached_property
    def sums(self) -> "tuple[Balance, ...]":
        """Return the value of :func:`balances`."""
        return _balances(self)

    @cached_property
    def outstanding_of(self) -> "Mapping[int, dict[str, Decimal]]":
        """Return the value of :func:`outstanding` by order."""
        return {order.number: _outstanding(self, order) for order in self.orders}

    @cached_property
    def invoiceable(self) -> tuple[Delivery, ...]:
        """Return the value of :func:`invoiceable`."""
        return _invoiceable(self)

    @cached_property
    def without_words(self) -> "Execution":
        """Return the execution as everybody may read it."""
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
    """The sums of one line. ``delivered`` is what waits for acceptance or was accepted. ``amount`` is what was
    invoiced."""

    line: Line
    contracted: Decimal
    ordered: Decimal
    delivered: Decimal
    accepted: Decimal
    invoiced: Decimal
    amount: Decimal


def whole(line: Line) -> Decimal:
    """Return the contracted quantity. A line that is bought as a whole has none, and counts as 1."""
    return Decimal(1) if line.quantity is None else line.quantity


def balances(execution: Execution) -> tuple[Balance, ...]:
    """Return the balances in the order of the contract's lines."""
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
    """Return by line what can still be ordered, without lines that have nothing left."""
    return {b.line.line_id: b.contracted - b.ordered for b in balances(execution) if b.contracted > b.ordered}


def outstanding(execution: Execution, order: Order) -> dict[str, Decimal]:
    """Return by line what is still to be delivered of the order. Refused goods are to be delivered again."""
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
    """Return the deliveries of which something was accepted, nothing invoiced and nothing disputed."""
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
    """Return the open dispute about the matter, or None."""
    return execution.open_disputes.get(matter)


def share(execution: Execution, line: Line, quantity: Decimal) -> Decimal:
    """Return this quantity's part of the line's amount, rounded to the minor unit. The whole quantity has the whole
    amount."""
    whole_amount = Money(line.amount or NONE, execution.currency)
    return split(whole_amount, {"part": quantity, "rest": whole(line) - quantity})["part"].amount


def total(parts: Iterable[Iterable[LineQuantity | InvoicedLine]]) -> dict[str, Decimal]:
    """Return the sums by line, without lines that have nothing."""
    sums: dict[str, Decimal] = {}
    for lines in parts:
        for line in lines:
            sums[line.line_id] = sums.get(line.line_id, NONE) + line.quantity
    return sums
