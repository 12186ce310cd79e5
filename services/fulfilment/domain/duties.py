"""What is due, from whom and until when, and what happens when a time is over."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalogue.actors import OTHER_PARTY, Party
from events import Event
from events.contracts import ExecutionOverdue
from services.fulfilment.domain import endings
from services.fulfilment.domain.orders import Assessment, assessed
from services.fulfilment.domain.state import Delivery, Execution, Matter, disputed, invoiceable, outstanding, unordered

MOST_OF_A_SIDE = 50
"""How many duties of one side an agenda has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """``what`` is order, rest (nothing can be ordered any more: agree to close), deliver, assess, invoice, pay,
    confirm, answer-dispute or answer-ending. ``number`` is the number of the order, delivery, invoice or dispute, or 0
    if there is none. ``due_at`` is None if no day is set."""

    party: Party
    what: str
    number: int
    due_at: datetime | None

    def overdue(self, now: datetime) -> bool:
        return self.due_at is not None and now >= self.due_at


def duties(execution: Execution, now: datetime) -> tuple[Duty, ...]:
    """Return the duties, the earliest deadline first."""
    return tuple(sorted(_duties(execution, now), key=lambda duty: (duty.due_at is None, duty.due_at or now)))


def _duties(execution: Execution, now: datetime) -> Iterator[Duty]:
    running, ending = execution.status == "running", execution.ending
    if running and ending is not None and not ending.objection:
        yield Duty(party=OTHER_PARTY[ending.by], what="answer-ending", number=0, due_at=ending.due_at)
    if running and unordered(execution):
        if now < execution.term_until:
            yield Duty(party="buyer", what="order", number=0, due_at=execution.term_until)
        elif ending is None:
            yield Duty(party="buyer", what="rest", number=0, due_at=None)
    for order in execution.standing_orders if running else ():
        if outstanding(execution, order):
            yield Duty(party="supplier", what="deliver", number=order.number, due_at=order.due_at)
    for delivery in execution.deliveries:
        if delivery.status == "reported" and disputed(execution, Matter("delivery", delivery.number)) is None:
            yield Duty(party="buyer", what="assess", number=delivery.number, due_at=delivery.due_at)
    if invoiceable(execution):
        yield Duty(party="supplier", what="invoice", number=0, due_at=None)
    for invoice in execution.invoices:
        if disputed(execution, Matter("invoice", invoice.number)) is not None:
            continue
        if invoice.status == "submitted":
            yield Duty(party="buyer", what="pay", number=invoice.number, due_at=invoice.due_at)
        elif invoice.status == "paid":
            yield Duty(party="supplier", what="confirm", number=invoice.number, due_at=invoice.due_at)
    for dispute in execution.disputes:
        if dispute.open and dispute.asks(OTHER_PARTY[dispute.by]) is None:
            yield Duty(
                party=OTHER_PARTY[dispute.by], what="answer-dispute", number=dispute.number, due_at=dispute.answer_by
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaDuty:
    """A duty as an agenda stores it. ``place`` is the number of the order or invoice beside which pages show it, or 0
    for none."""

    party: Party
    what: str
    number: int
    due_at: datetime | None
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What is due in a contract as long as nothing happens to it: until the end of its term and after that, the most
    urgent duties of each side. ``things`` is the number of its orders, or of its invoices if there are more of them."""

    term_until: datetime
    things: int
    before: tuple[AgendaDuty, ...]
    after: tuple[AgendaDuty, ...]

    def duties(self, now: datetime) -> tuple[Duty, ...]:
        """Return the duties of both sides, the earliest deadline first."""
        entries = self.before if now < self.term_until else self.after
        found = (Duty(party=each.party, what=each.what, number=each.number, due_at=each.due_at) for each in entries)
        return tuple(sorted(found, key=lambda duty: (duty.due_at is None, duty.due_at or now)))

    def of(self, party: Party, now: datetime) -> tuple[AgendaDuty, ...]:
        """Return the duties of one side, the earliest deadline first."""
        return tuple(each for each in (self.before if now < self.term_until else self.after) if each.party == party)


def agenda(execution: Execution, most: int = MOST_OF_A_SIDE) -> Agenda:
    """Return the agenda. At every moment it has the same duties as :func:`duties`, but at most ``most`` of each side."""
    return Agenda(
        term_until=execution.term_until,
        things=max(len(execution.orders), len(execution.invoices)),
        before=_entries(execution, execution.term_until - timedelta(microseconds=1), most),
        after=_entries(execution, execution.term_until, most),
    )


def _entries(execution: Execution, now: datetime, most: int) -> tuple[AgendaDuty, ...]:
    found = duties(execution, now)
    sides: tuple[Party, ...] = ("buyer", "supplier")
    return tuple(
        AgendaDuty(
            party=side,
            what=duty.what,
            number=duty.number,
            due_at=duty.due_at,
            place=execution.deliveries[duty.number - 1].order
            if duty.what == "assess"
            else duty.number
            if duty.what in ("deliver", "pay", "confirm")
            else 0,
        )
        for side in sides
        for duty in [each for each in found if each.party == side][:most]
    )


def passed(execution: Execution, now: datetime) -> tuple[Event, ...]:
    """Return the events that follow from the time that passed. Each deadline has one event, however late this is
    called."""
    found: list[Event] = []
    silence = execution.policy.execution.silence_accepts
    for delivery in _unanswered(execution):
        if now >= delivery.due_at and silence:
            found.append(assessed(execution, delivery, Assessment(by="silence", accepted=delivery.lines), now))
        elif now >= delivery.due_at:
            found.append(_overdue(execution, Matter("delivery", delivery.number), "buyer", delivery.due_at))
    for invoice in execution.invoices:
        open_one = invoice.status == "submitted" and disputed(execution, Matter("invoice", invoice.number)) is None
        if open_one and not invoice.overdue and now >= invoice.due_at:
            found.append(_overdue(execution, Matter("invoice", invoice.number), "buyer", invoice.due_at))
    if execution.status != "running":
        return tuple(found)
    for order in execution.standing_orders:
        if order.overdue_at is None and now >= order.due_at and outstanding(execution, order):
            found.append(_overdue(execution, Matter("order", order.number), "supplier", order.due_at))
    return (*found, *endings.lapsed(execution, now))


def next_at(execution: Execution) -> datetime | None:
    """Return the time at which :func:`passed` must be called next, or None."""
    moments = [delivery.due_at for delivery in _unanswered(execution)]
    moments += [
        invoice.due_at
        for invoice in execution.invoices
        if invoice.status == "submitted"
        and not invoice.overdue
        and disputed(execution, Matter("invoice", invoice.number)) is None
    ]
    if execution.status == "running":
        moments += [
            order.due_at
            for order in execution.standing_orders
            if order.overdue_at is None and outstanding(execution, order)
        ]
        moments += [execution.ending.due_at] if execution.ending else []
    return min(moments, default=None)


def _unanswered(execution: Execution) -> list[Delivery]:
    """Return the deliveries whose deadline may still pass."""
    return [
        delivery
        for delivery in execution.deliveries
        if delivery.status == "reported"
        and not delivery.overdue
        and disputed(execution, Matter("delivery", delivery.number)) is None
    ]


def _overdue(execution: Execution, matter: Matter, party: Party, due_at: datetime) -> ExecutionOverdue:
    return ExecutionOverdue(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        about=matter.about,
        number=matter.number,
        party=party,
        due_at=due_at,
    )
