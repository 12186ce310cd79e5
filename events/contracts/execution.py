"""Carrying out: orders, deliveries, invoices and disputes are numbered from 1 within their contract."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from events.codec import Event, event
from events.values import Place


class LineQuantity(msgspec.Struct, frozen=True, kw_only=True):
    """So much of one line of the contract, in that line's unit."""

    line_id: str
    quantity: Decimal


class InvoicedLine(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is the line's share of the contract's amount for the quantity, to the minor unit."""

    line_id: str
    quantity: Decimal
    amount: Decimal


@event(key="process_id")
class OrderPlaced(Event, frozen=True, kw_only=True):
    """The buyer asks for a part of the contract, or for all of it, at ``place`` by ``due_at``."""

    process_id: str
    contract_id: str
    order: int
    buyer_id: str
    supplier_id: str
    member_id: str
    lines: tuple[LineQuantity, ...]
    place: Place
    placed_at: datetime
    due_at: datetime


@event(key="process_id")
class DeliveryReported(Event, frozen=True, kw_only=True):
    """The supplier says that it delivered on an order; the buyer accepts or refuses by ``due_at``. ``late``: told after the
    order's end. ``delivered_on`` and ``note``, the delivery note's number, are the supplier's words."""

    process_id: str
    contract_id: str
    delivery: int
    order: int
    buyer_id: str
    supplier_id: str
    member_id: str
    lines: tuple[LineQuantity, ...]
    note: str
    delivered_on: date
    reported_at: datetime
    due_at: datetime
    late: bool


@event(key="process_id")
class DeliveryAssessed(Event, frozen=True, kw_only=True):
    """``outcome`` is accepted, partly or refused; ``lines`` are what was accepted, and ``reasons`` say why the rest was not.
    ``by`` is buyer, dispute (it ended so) or silence (where the policy takes that for a yes). ``order_met``: all that was ordered is
    accepted now."""

    process_id: str
    contract_id: str
    delivery: int
    order: int
    buyer_id: str
    supplier_id: str
    outcome: str
    lines: tuple[LineQuantity, ...]
    reasons: str = ""
    by: str
    late: bool
    order_met: bool
    assessed_at: datetime


@event(key="process_id")
class InvoiceSubmitted(Event, frozen=True, kw_only=True):
    """The supplier asks for what was accepted of ``deliveries``; the buyer pays or disputes by ``due_at``."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    member_id: str
    reference: str
    deliveries: tuple[int, ...]
    lines: tuple[InvoicedLine, ...]
    currency: str
    amount: Decimal
    submitted_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoicePaid(Event, frozen=True, kw_only=True):
    """The buyer says that it paid; the supplier confirms by ``due_at``."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    member_id: str
    currency: str
    amount: Decimal
    late: bool
    paid_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoiceSettled(Event, frozen=True, kw_only=True):
    """The supplier has the money, or a dispute ended so: ``by`` is supplier or dispute."""

    process_id: str
    contract_id: str
    invoice: int
    buyer_id: str
    supplier_id: str
    currency: str
    amount: Decimal
    by: str
    settled_at: datetime


@event(key="process_id")
class ExecutionWithdrawn(Event, frozen=True, kw_only=True):
    """An order, delivery or invoice (``about``) that nobody answered yet was taken back by its author; or, ``by`` dispute, it
    is as if it had not been."""

    process_id: str
    contract_id: str
    about: str
    number: int
    by: str
    at: datetime


@event(key="process_id")
class ExecutionOverdue(Event, frozen=True, kw_only=True):
    """The ``party``, buyer or supplier, let a deadline pass: it counts in its public record. ``about`` is order (not delivered),
    delivery (not answered) or invoice (not paid)."""

    process_id: str
    contract_id: str
    about: str
    number: int
    party: str
    due_at: datetime


@event(key="process_id")
class DisputeOpened(Event, frozen=True, kw_only=True):
    """A side disputes the last word on a delivery or invoice (``about``). ``asks`` is what it wants: that word ``stands``, or is
    ``set-aside``. The other side answers by ``answer_by``; a moderator decides by ``decide_by`` where the two do not agree."""

    process_id: str
    contract_id: str
    dispute: int
    about: str
    number: int
    buyer_id: str
    supplier_id: str
    by: str
    member_id: str
    asks: str
    reasons: str
    opened_at: datetime
    answer_by: datetime
    decide_by: datetime


@event(key="process_id")
class DisputeAnswered(Event, frozen=True, kw_only=True):
    """A side says more, and what it would settle for: ``asks`` stands or set-aside. Where both ask the same the dispute ends."""

    process_id: str
    contract_id: str
    dispute: int
    by: str
    member_id: str
    asks: str
    words: str
    at: datetime


@event(key="process_id")
class DisputeEnded(Event, frozen=True, kw_only=True):
    """``outcome`` stands or set-aside, ``how`` agreed or decided, by a moderator with an ``explanation``. ``resume_by`` is the new
    deadline of what runs on."""

    process_id: str
    contract_id: str
    dispute: int
    about: str
    number: int
    buyer_id: str
    supplier_id: str
    opened_by: str
    asked: str
    outcome: str
    how: str
    explanation: str
    ended_at: datetime
    resume_by: datetime


@event(key="process_id")
class EndingProposed(Event, frozen=True, kw_only=True):
    """A side wants the contract to end before all is done: ``kind`` closure (content with less) or termination. ``ground`` is
    agreement, or a breach of the other side (delivery-overdue, acceptance-overdue, payment-overdue) on which it ends at ``due_at``
    unless mended until then."""

    process_id: str
    contract_id: str
    buyer_id: str
    supplier_id: str
    kind: str
    ground: str
    by: str
    member_id: str
    reasons: str
    proposed_at: datetime
    due_at: datetime


@event(key="process_id")
class EndingAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is agreed, objected, withdrawn (by who proposed it) or lapsed (nobody answered, or the breach was mended)."""

    process_id: str
    contract_id: str
    by: str
    answer: str
    words: str
    at: datetime


@event(key="process_id")
class ContractClosed(Event, frozen=True, kw_only=True):
    """Carried out: ``how`` fulfilled (all was accepted and paid) or agreement (both sides are content with less, for ``reasons``).
    ``paid`` of ``amount`` was."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    supplier_id: str
    how: str
    reasons: str
    currency: str
    amount: Decimal
    paid: Decimal
    closed_at: datetime


@event(key="process_id")
class ContractTerminated(Event, frozen=True, kw_only=True):
    """Ended before it was carried out, ``by`` the side that wanted it, on a ``ground`` (see EndingProposed). ContractEnded with
    reason cancelled comes with it. What was delivered before is still assessed, invoiced and paid."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    supplier_id: str
    by: str
    ground: str
    reasons: str
    currency: str
    amount: Decimal
    paid: Decimal
    terminated_at: datetime
