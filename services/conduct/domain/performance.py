"""How both sides carried a contract out, as facts that their public records count. This module decides which facts each
event adds and removes. Each fact counts once, however often its event was read. A fact that a dispute set aside no
longer counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, cast

from catalogue.actors import OTHER_PARTY, Party
from events import Event
from events.contracts import (
    ContractClosed,
    DeliveryAssessed,
    DisputeEnded,
    DisputeOpened,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    LineQuantity,
)

PerformedKind = Literal[
    "orders-on-time",
    "orders-late",
    "deliveries-accepted",
    "deliveries-partly",
    "deliveries-refused",
    "answers-on-time",
    "answers-late",
    "payments-on-time",
    "payments-late",
    "disputes-opened",
    "disputes-faced",
    "disputes-agreed",
    "disputes-won",
    "disputes-lost",
    "closed",
]
_DISPUTES: tuple[PerformedKind, ...] = (
    "disputes-opened",
    "disputes-faced",
    "disputes-agreed",
    "disputes-won",
    "disputes-lost",
)
KINDS: dict[Party, tuple[PerformedKind, ...]] = {
    "supplier": (
        "closed",
        "orders-on-time",
        "orders-late",
        "deliveries-accepted",
        "deliveries-partly",
        "deliveries-refused",
        *_DISPUTES,
    ),
    "buyer": ("closed", "answers-on-time", "answers-late", "payments-on-time", "payments-late", *_DISPUTES),
}
"""The kinds of facts that are counted on each side, in the order in which they are shown."""
OUTCOMES: dict[str, PerformedKind] = {
    "accepted": "deliveries-accepted",
    "partly": "deliveries-partly",
    "refused": "deliveries-refused",
}
LATE: dict[PerformedKind, PerformedKind] = {
    "orders-on-time": "orders-late",
    "answers-on-time": "answers-late",
    "payments-on-time": "payments-late",
}
"""The late kind for each kind that is in time. Something that was late is never counted as in time afterwards."""
_PARTIES: dict[str, tuple[Party, PerformedKind, PerformedKind]] = {
    "order": ("supplier", "orders-on-time", "orders-late"),
    "delivery": ("buyer", "answers-on-time", "answers-late"),
    "invoice": ("buyer", "payments-on-time", "payments-late"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """A fact. ``number`` is the number of the order, delivery, invoice or dispute in the contract, or 0 for the
    contract itself."""

    party: Party
    kind: PerformedKind
    number: int


Status = Literal["reported", "assessed", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A delivery on an order. ``late``: it was reported after the end of the order. ``accepted``: what the buyer
    accepted of it."""

    number: int
    order: int
    late: bool
    status: Status = "reported"
    accepted: tuple[LineQuantity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """``gone`` facts no longer count; then ``come`` facts count from now on. A fact in ``come`` whose :data:`LATE` fact
    counts is left out."""

    gone: tuple[Performed, ...] = ()
    come: tuple[Performed, ...] = ()


def delivery_in(event: Event) -> int | None:
    """Return the number of the delivery that the event may change, or None."""
    match event:
        case DeliveryAssessed():
            return event.delivery
        case ExecutionWithdrawn(about="delivery") | DisputeEnded(about="delivery", outcome="set-aside"):
            return event.number
    return None


def after(event: Event, delivery: Delivered) -> Delivered:
    """Return the delivery after the event. If a dispute sets an answer aside, the delivery is as if the answer had not
    been given."""
    match event:
        case DeliveryAssessed():
            return replace(delivery, status="assessed", accepted=event.lines)
        case ExecutionWithdrawn():
            return replace(delivery, status="withdrawn")
        case DisputeEnded():
            return replace(delivery, status="reported", accepted=())
    raise TypeError(f"{type(event).__name__} changes no delivery")


def met(ordered: Iterable[LineQuantity], deliveries: Iterable[Delivered]) -> bool:
    """Return whether everything that was ordered is accepted and no delivery waits for an answer."""
    left = {line.line_id: line.quantity for line in ordered}
    for delivery in deliveries:
        if delivery.status == "reported":
            return False
        for line in delivery.accepted if delivery.status == "assessed" else ():
            left[line.line_id] = left.get(line.line_id, Decimal(0)) - line.quantity
    return all(quantity <= 0 for quantity in left.values())


def change_of(event: Event, changed: Delivered | None = None, order_met: bool = False) -> RecordChange:
    """Return the facts that the event adds and removes. ``changed`` is the delivery :func:`after` the event, or None if
    the event changed no delivery or an unknown one. ``order_met`` says whether the order of that delivery is now
    :func:`met`."""
    change = _change(event, changed)
    if changed is None:
        return change
    order = (_one("supplier", "orders-on-time", changed.order),)
    return replace(change, come=change.come + order) if order_met else replace(change, gone=change.gone + order)


def _change(event: Event, changed: Delivered | None) -> RecordChange:
    match event:
        case DeliveryAssessed():
            in_time = event.by == "buyer" and not event.late
            answered = (_one("buyer", "answers-on-time", event.delivery),) if in_time else ()
            return RecordChange(come=(_one("supplier", OUTCOMES[event.outcome], event.delivery), *answered))
        case ExecutionOverdue():
            party, in_time_kind, late = _PARTIES[event.about]
            return RecordChange(
                gone=(_one(party, in_time_kind, event.number),), come=(_one(party, late, event.number),)
            )
        case ExecutionWithdrawn():
            party, in_time_kind, late = _PARTIES[event.about]
            return RecordChange(gone=(_one(party, in_time_kind, event.number), _one(party, late, event.number)))
        case InvoicePaid() | InvoiceSettled():
            return RecordChange(come=(_one("buyer", "payments-on-time", event.invoice),))
        case DisputeOpened():
            opener = cast(Party, event.by)
            opened = _one(opener, "disputes-opened", event.dispute)
            return RecordChange(come=(opened, _one(OTHER_PARTY[opener], "disputes-faced", event.dispute)))
        case DisputeEnded():
            return RecordChange(gone=_set_aside(event, changed), come=_outcome(event))
        case ContractClosed():
            return RecordChange(come=(_one("supplier", "closed", 0), _one("buyer", "closed", 0)))
    raise TypeError(f"{type(event).__name__} changes nothing in a record")


def _set_aside(event: DisputeEnded, changed: Delivered | None) -> tuple[Performed, ...]:
    """Return the facts that no longer count when a dispute sets something aside. A disputed payment counts again if
    InvoiceSettled follows. A delivery that was reported in time and whose answer was set aside did not make its order
    late."""
    if event.about == "invoice":
        return (_one("buyer", "payments-on-time", event.number),)
    if changed is None:
        return ()
    return (
        *(_one("supplier", kind, event.number) for kind in OUTCOMES.values()),
        _one("buyer", "answers-on-time", event.number),
        *(() if changed.late else (_one("supplier", "orders-late", changed.order),)),
    )


def _outcome(event: DisputeEnded) -> tuple[Performed, ...]:
    """Return who won and who lost the dispute. The side that opened it wins if the moderator decides what that side
    asked for at the opening."""
    opener = cast(Party, event.opened_by)
    if event.how == "agreed":
        return (_one("supplier", "disputes-agreed", event.dispute), _one("buyer", "disputes-agreed", event.dispute))
    winner = opener if event.outcome == event.asked else OTHER_PARTY[opener]
    return (_one(winner, "disputes-won", event.dispute), _one(OTHER_PARTY[winner], "disputes-lost", event.dispute))


def _one(party: Party, kind: PerformedKind, number: int) -> Performed:
    return Performed(party=party, kind=kind, number=number)
