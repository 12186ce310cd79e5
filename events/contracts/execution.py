"""How contracts are carried out. The service contracts publishes the first event, fulfilment all later ones; the topic
has not changed. Orders, deliveries, invoices and disputes are numbered from 1 within their contract."""

from datetime import date, datetime

import msgspec

from events.bounds import Exact, Key, Many, PolicyText, Prose
from events.codec import Event, event
from events.values import Line, Place


class LineQuantity(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of one line of the contract, in the unit of that line."""

    line_id: Key
    quantity: Exact


class InvoicedLine(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is the line's share of the contract's amount for the quantity, to the minor unit."""

    line_id: Key
    quantity: Exact
    amount: Exact


@event(key="process_id")
class ExecutionDue(Event, frozen=True, kw_only=True):
    """A contract was concluded in this market and is to be carried out: its ``lines`` by ``term_until``, under the
    policy of its process and in the calendar of its buyer. ``country`` is ISO 3166-1, ``subdivision`` the part of an
    ISO 3166-2 code after the dash, "" if it is not known. If the event is published again, it has no further effect."""

    process_id: Key
    contract_id: Key
    pool_id: Key | None = None
    buyer_id: Key
    supplier_id: Key
    place: Place
    currency: Key
    amount: Exact
    lines: Many[Line]
    signed_at: datetime
    term_until: datetime
    time_zone: Key
    country: Key = ""
    subdivision: Key = ""
    policy: Key
    policy_text: PolicyText = ""


@event(key="process_id")
class OrderPlaced(Event, frozen=True, kw_only=True):
    """The buyer asks for a part of the contract, or for all of it, at ``place`` by ``due_at``."""

    process_id: Key
    contract_id: Key
    order: int
    buyer_id: Key
    supplier_id: Key
    member_id: Key
    lines: Many[LineQuantity]
    place: Place
    placed_at: datetime
    due_at: datetime


@event(key="process_id")
class DeliveryReported(Event, frozen=True, kw_only=True):
    """The supplier says that it delivered on an order; the buyer accepts or refuses by ``due_at``. ``late``: it was
    reported after the deadline of the order. ``delivered_on`` and ``note``, the delivery note's number, are as the
    supplier stated them."""

    process_id: Key
    contract_id: Key
    delivery: int
    order: int
    buyer_id: Key
    supplier_id: Key
    member_id: Key
    lines: Many[LineQuantity]
    note: Prose
    delivered_on: date
    reported_at: datetime
    due_at: datetime
    late: bool


@event(key="process_id")
class DeliveryAssessed(Event, frozen=True, kw_only=True):
    """``outcome`` is accepted, partly or refused; ``lines`` are what was accepted, and ``reasons`` say why the rest was
    not. ``by`` is buyer, dispute (a dispute ended with this result) or silence (the buyer did not answer, and the
    policy counts that as acceptance). ``order_met``: everything that was ordered is now accepted."""

    process_id: Key
    contract_id: Key
    delivery: int
    order: int
    buyer_id: Key
    supplier_id: Key
    outcome: Key
    lines: Many[LineQuantity]
    reasons: Prose = ""
    by: Key
    late: bool
    order_met: bool
    assessed_at: datetime


@event(key="process_id")
class InvoiceSubmitted(Event, frozen=True, kw_only=True):
    """The supplier asks to be paid for the accepted part of ``deliveries``; the buyer pays or disputes by
    ``due_at``."""

    process_id: Key
    contract_id: Key
    invoice: int
    buyer_id: Key
    supplier_id: Key
    member_id: Key
    reference: Prose
    deliveries: Many[int]
    lines: Many[InvoicedLine]
    currency: Key
    amount: Exact
    submitted_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoicePaid(Event, frozen=True, kw_only=True):
    """The buyer says that it paid; the supplier confirms by ``due_at``."""

    process_id: Key
    contract_id: Key
    invoice: int
    buyer_id: Key
    supplier_id: Key
    member_id: Key
    currency: Key
    amount: Exact
    late: bool
    paid_at: datetime
    due_at: datetime


@event(key="process_id")
class InvoiceSettled(Event, frozen=True, kw_only=True):
    """The invoice is settled because the supplier confirmed the payment or because a dispute ended with this result:
    ``by`` is supplier or dispute."""

    process_id: Key
    contract_id: Key
    invoice: int
    buyer_id: Key
    supplier_id: Key
    currency: Key
    amount: Exact
    by: Key
    settled_at: datetime


@event(key="process_id")
class ExecutionWithdrawn(Event, frozen=True, kw_only=True):
    """An order, delivery or invoice (``about``) was withdrawn by its author before it was answered. If ``by`` is
    dispute, a dispute annulled it."""

    process_id: Key
    contract_id: Key
    about: Key
    number: int
    by: Key
    at: datetime


@event(key="process_id")
class ExecutionOverdue(Event, frozen=True, kw_only=True):
    """The ``party``, buyer or supplier, missed a deadline, which counts in its public record. ``about`` is order (not
    delivered), delivery (not answered) or invoice (not paid)."""

    process_id: Key
    contract_id: Key
    about: Key
    number: int
    party: Key
    due_at: datetime


@event(key="process_id")
class DisputeOpened(Event, frozen=True, kw_only=True):
    """A side disputes the latest decision on a delivery or invoice (``about``). ``asks`` is what it wants: that
    decision ``stands``, or is ``set-aside``. The other side answers by ``answer_by``; if the two do not agree, a
    moderator decides by ``decide_by``."""

    process_id: Key
    contract_id: Key
    dispute: int
    about: Key
    number: int
    buyer_id: Key
    supplier_id: Key
    by: Key
    member_id: Key
    asks: Key
    reasons: Prose
    opened_at: datetime
    answer_by: datetime
    decide_by: datetime


@event(key="process_id")
class DisputeAnswered(Event, frozen=True, kw_only=True):
    """A side adds a statement and says what it would accept: ``asks`` is stands or set-aside. If both sides ask for the
    same, the dispute ends."""

    process_id: Key
    contract_id: Key
    dispute: int
    by: Key
    member_id: Key
    asks: Key
    words: Prose
    at: datetime


@event(key="process_id")
class DisputeEnded(Event, frozen=True, kw_only=True):
    """``outcome`` stands or set-aside, ``how`` agreed or decided, by a moderator with an ``explanation``. ``resume_by``
    is the new deadline of the matter, if it continues."""

    process_id: Key
    contract_id: Key
    dispute: int
    about: Key
    number: int
    buyer_id: Key
    supplier_id: Key
    opened_by: Key
    asked: Key
    outcome: Key
    how: Key
    explanation: Prose
    ended_at: datetime
    resume_by: datetime


@event(key="process_id")
class EndingProposed(Event, frozen=True, kw_only=True):
    """A side wants to end the contract before everything is done: ``kind`` is closure (both accept that less is done)
    or termination. ``ground`` is agreement, or a breach of the other side (delivery-overdue, acceptance-overdue,
    payment-overdue) for which the contract ends at ``due_at`` unless the breach is remedied before."""

    process_id: Key
    contract_id: Key
    buyer_id: Key
    supplier_id: Key
    kind: Key
    ground: Key
    by: Key
    member_id: Key
    reasons: Prose
    proposed_at: datetime
    due_at: datetime


@event(key="process_id")
class EndingAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is agreed, objected, withdrawn (by the side that proposed it) or lapsed (nobody answered, or the
    breach was remedied)."""

    process_id: Key
    contract_id: Key
    by: Key
    answer: Key
    words: Prose
    at: datetime


@event(key="process_id")
class ContractClosed(Event, frozen=True, kw_only=True):
    """The contract was carried out: ``how`` is fulfilled (everything was accepted and paid) or agreement (both sides
    accept less, for ``reasons``). ``paid`` is the part of ``amount`` that was paid."""

    process_id: Key
    contract_id: Key
    pool_id: Key | None = None
    buyer_id: Key
    supplier_id: Key
    how: Key
    reasons: Prose
    currency: Key
    amount: Exact
    paid: Exact
    closed_at: datetime


@event(key="process_id")
class ContractTerminated(Event, frozen=True, kw_only=True):
    """The contract ended before it was carried out, ``by`` the side that wanted this, on a ``ground`` (see
    EndingProposed). ContractEnded with reason cancelled comes with it. What was delivered before is still assessed,
    invoiced and paid."""

    process_id: Key
    contract_id: Key
    pool_id: Key | None = None
    buyer_id: Key
    supplier_id: Key
    by: Key
    ground: Key
    reasons: Prose
    currency: Key
    amount: Exact
    paid: Exact
    terminated_at: datetime
