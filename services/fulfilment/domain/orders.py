"""Orders of the buyer, deliveries of the supplier, and what the buyer accepts of them."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from catalogue.actors import Actor
from catalogue.numbers import digits
from catalogue.rules import RuleBroken
from events import Event
from events.contracts import DeliveryAssessed, DeliveryReported, ExecutionWithdrawn, LineQuantity, OrderPlaced
from events.values import Place
from services.fulfilment.domain import bounds
from services.fulfilment.domain.requirements import (
    DeliveryNoteMissing,
    quantities,
    require_party,
    require_reasons,
    require_running,
    require_undisputed,
    require_words,
)
from services.fulfilment.domain.state import (
    NONE,
    AnsweredAlready,
    Delivery,
    Execution,
    Matter,
    NoQuantity,
    NothingOfThatNumber,
    Order,
    WithdrawnAlready,
    outstanding,
    total,
    unordered,
)


class MoreThanContracted(RuleBroken):
    code = "more-than-contracted"


class MoreThanOrdered(RuleBroken):
    """A delivery may contain no more than was ordered and is still outstanding."""

    code = "more-than-ordered"


class MoreThanDelivered(RuleBroken):
    code = "more-than-delivered"


class DueAfterTerm(RuleBroken):
    """An order must fall due within the contract's term."""

    code = "due-after-term"


class DueTooSoon(RuleBroken):
    """A delivery must have at least one working day."""

    code = "due-too-soon"


class DeliveryDateWrong(RuleBroken):
    """Goods are delivered after they were ordered, and reported after they were delivered."""

    code = "delivery-date-wrong"


class DeliveredOn(RuleBroken):
    """An order on which something was delivered cannot be withdrawn."""

    code = "delivered-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(Actor):
    """``days`` are working days until everything is delivered. ``place`` None means the contract's place."""

    lines: Mapping[str, Decimal]
    days: int
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDelivery(Actor):
    """``delivered_on`` None means today."""

    order: int
    lines: Mapping[str, Decimal]
    note: str
    delivered_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is accepted of a delivery, and why the rest is not. ``by`` is buyer, dispute or silence."""

    by: str
    accepted: tuple[LineQuantity, ...]
    reasons: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessDelivery:
    """``lines`` are the accepted quantities. ``reasons`` say why the rest is not accepted."""

    organisation_id: str
    delivery: int
    lines: Mapping[str, Decimal]
    reasons: str = ""


def place_order(execution: Execution, command: PlaceOrder, now: datetime) -> tuple[Event, ...]:
    require_party(execution, command.organisation_id, "buyer")
    require_running(execution)
    lines = quantities(execution, command.lines)
    if not lines:
        raise NoQuantity("Give a quantity for at least one line of the order.", field="lines")
    left = unordered(execution)
    for line in lines:
        rest = left.get(line.line_id, NONE)
        if line.quantity > rest:
            raise MoreThanContracted(
                f"Of this line {digits(rest)} can still be ordered, not {digits(line.quantity)}.",
                field=f"quantity-{line.line_id}",
                quantity=line.quantity,
                left=rest,
            )
    bounds.require_order(execution, lines)
    if command.days < 1:
        raise DueTooSoon("An order must leave at least one working day.", field="days", days=command.days)
    if command.days > _most_days(execution) or (due_at := execution.due(now, command.days)) > execution.term_until:
        raise DueAfterTerm(
            f"The contract's term ends {execution.term_until:%Y-%m-%d %H:%M} UTC: an order must fall due before that.",
            field="days",
            days=command.days,
            term_until=execution.term_until,
        )
    return (
        OrderPlaced(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            order=len(execution.orders) + 1,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            member_id=command.member_id,
            lines=lines,
            place=command.place or execution.place,
            placed_at=now,
            due_at=due_at,
        ),
    )


def _most_days(execution: Execution) -> int:
    """Return an upper bound of an order's working days, so that nobody makes the calendar count to a million. A term
    has no more working days than days, or than the shorter working days of a rehearsal."""
    minutes = execution.policy.working_day_minutes or 24 * 60
    return int((execution.term_until - execution.signed_at).total_seconds() // 60 // minutes) + 1


def longest_order(execution: Execution, now: datetime) -> int:
    """Return the most working days that an order placed now may have, or 0 if the term is over."""
    some = range(1, _most_days(execution) + 1)
    return bisect_right(some, execution.term_until, key=lambda days: execution.due(now, days))


def report_delivery(execution: Execution, command: ReportDelivery, now: datetime) -> tuple[Event, ...]:
    require_party(execution, command.organisation_id, "supplier")
    require_running(execution)
    order = standing_order(execution, command.order)
    lines = quantities(execution, command.lines)
    if not lines:
        raise NoQuantity("Give a quantity for at least one line of the delivery.", field="lines")
    left = outstanding(execution, order)
    for line in lines:
        rest = left.get(line.line_id, NONE)
        if line.quantity > rest:
            raise MoreThanOrdered(
                f"Of this line {digits(rest)} is still to be delivered, not {digits(line.quantity)}.",
                field=f"quantity-{line.line_id}",
                quantity=line.quantity,
                left=rest,
            )
    bounds.require_delivery(execution, order.number, lines)
    note = require_words(command.note, DeliveryNoteMissing("Name the delivery note.", field="note"))
    first, last = (execution.calendar.local(instant).date() for instant in (order.placed_at, now))
    delivered_on = command.delivered_on or last
    if not first <= delivered_on <= last:
        raise DeliveryDateWrong(
            f"The day of delivery must be between the order on {first} and today, {last}; it cannot be {delivered_on}.",
            field="delivered_on",
            delivered_on=delivered_on,
            ordered_on=first,
            today=last,
        )
    return (
        DeliveryReported(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            delivery=len(execution.deliveries) + 1,
            order=order.number,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            member_id=command.member_id,
            lines=lines,
            note=note,
            delivered_on=delivered_on,
            reported_at=now,
            due_at=execution.due(now, execution.policy.execution.acceptance_days),
            late=now >= order.due_at,
        ),
    )


def assess_delivery(execution: Execution, command: AssessDelivery, now: datetime) -> tuple[Event, ...]:
    """Answer a delivery. It is possible after the deadline and after the termination of the contract too, because what
    was delivered needs an answer."""
    require_party(execution, command.organisation_id, "buyer")
    delivery = get_delivery(execution, command.delivery)
    accepted = quantities(execution, command.lines)
    brought = total([delivery.lines])
    for line in accepted:
        came = brought.get(line.line_id, NONE)
        if line.quantity > came:
            raise MoreThanDelivered(
                f"Of this line {digits(came)} was delivered; {digits(line.quantity)} cannot be accepted.",
                field=f"quantity-{line.line_id}",
                quantity=line.quantity,
                delivered=came,
            )
    reasons = command.reasons.strip()
    if total([accepted]) != brought:
        reasons = require_reasons(reasons, "Say why something is not accepted.")
    if delivery.status == "assessed" and (delivery.accepted, delivery.reasons) == (accepted, reasons):
        return ()
    if delivery.status == "withdrawn":
        raise WithdrawnAlready(f"Delivery {delivery.number} was withdrawn.", about="delivery", number=delivery.number)
    if delivery.status != "reported":
        state = "accepted in part" if delivery.outcome == "partly" else delivery.outcome or delivery.status
        raise AnsweredAlready(
            f"Delivery {delivery.number} was answered already ({state}). Load the page again.",
            about="delivery",
            number=delivery.number,
            state=state,
        )
    require_undisputed(execution, Matter("delivery", delivery.number))
    bounds.require_reasons_within(execution, reasons)
    assessment = Assessment(by="buyer", accepted=accepted, reasons=reasons)
    return (assessed(execution, delivery, assessment, now),)


def assessed(execution: Execution, delivery: Delivery, assessment: Assessment, now: datetime) -> DeliveryAssessed:
    order, accepted = execution.orders[delivery.order - 1], assessment.accepted
    all_of_it = total([accepted]) == total([delivery.lines])
    waiting = [each for each in execution.deliveries_of[order.number] if each.status == "reported"]
    return DeliveryAssessed(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        delivery=delivery.number,
        order=delivery.order,
        buyer_id=execution.buyer_id,
        supplier_id=execution.supplier_id,
        outcome="refused" if not accepted else "accepted" if all_of_it else "partly",
        lines=accepted,
        reasons=assessment.reasons,
        by=assessment.by,
        late=delivery.overdue,
        order_met=all_of_it and waiting == [delivery] and not outstanding(execution, order),
        assessed_at=now,
    )


def withdraw_order(execution: Execution, number: int, organisation_id: str, now: datetime) -> tuple[Event, ...]:
    require_party(execution, organisation_id, "buyer")
    order = get_order(execution, number)
    if order.withdrawn:
        return ()
    require_running(execution)
    if any(each.order == number and each.status != "withdrawn" for each in execution.deliveries):
        raise DeliveredOn(f"Something was delivered on order {number}: it cannot be withdrawn.", order=number)
    bounds.require_withdrawal_allowed(execution, "buyer")
    return (withdrawn(execution, Matter("order", number), "buyer", now),)


def withdraw_delivery(execution: Execution, number: int, organisation_id: str, now: datetime) -> tuple[Event, ...]:
    require_party(execution, organisation_id, "supplier")
    delivery = get_delivery(execution, number)
    if delivery.status == "withdrawn":
        return ()
    if delivery.status != "reported":
        raise AnsweredAlready(
            f"The buyer answered delivery {number}: {delivery.outcome}.",
            about="delivery",
            number=number,
            state=delivery.outcome,
        )
    require_undisputed(execution, Matter("delivery", number))
    bounds.require_withdrawal_allowed(execution, "supplier")
    return (withdrawn(execution, Matter("delivery", number), "supplier", now),)


def withdrawn(execution: Execution, matter: Matter, by: str, now: datetime) -> ExecutionWithdrawn:
    return ExecutionWithdrawn(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        about=matter.about,
        number=matter.number,
        by=by,
        at=now,
    )


def get_order(execution: Execution, number: int) -> Order:
    if not 1 <= number <= len(execution.orders):
        raise NothingOfThatNumber(f"There is no order {number}.", field="order", number=number)
    return execution.orders[number - 1]


def standing_order(execution: Execution, number: int) -> Order:
    order = get_order(execution, number)
    if order.withdrawn:
        raise WithdrawnAlready(f"The order {number} was withdrawn.", field="order", about="order", number=number)
    return order


def get_delivery(execution: Execution, number: int) -> Delivery:
    if not 1 <= number <= len(execution.deliveries):
        raise NothingOfThatNumber(f"There is no delivery {number}.", field="delivery", number=number)
    return execution.deliveries[number - 1]
