"""How the two sides carried a contract out, as facts that their public records count: the facts that each event adds and removes. Each
fact counts once, however often its event was read; a fact that a dispute set aside does not count any more."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, cast

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
from services.conduct.domain.sanctions import Party

Kind = Literal[
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
_DISPUTES: tuple[Kind, ...] = (
    "disputes-opened",
    "disputes-faced",
    "disputes-agreed",
    "disputes-won",
    "disputes-lost",
)
KINDS: dict[Party, tuple[Kind, ...]] = {
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
"""What is counted on each side, in the order shown."""
OUTCOMES: dict[str, Kind] = {
    "accepted": "deliveries-accepted",
    "partly": "deliveries-partly",
    "refused": "deliveries-refused",
}
LATE: dict[Kind, Kind] = {
    "orders-on-time": "orders-late",
    "answers-on-time": "answers-late",
    "payments-on-time": "payments-late",
}
"""What is late once is not in time as well."""
_SIDES: dict[str, tuple[Party, Kind, Kind]] = {
    "order": ("supplier", "orders-on-time", "orders-late"),
    "delivery": ("buyer", "answers-on-time", "answers-late"),
    "invoice": ("buyer", "payments-on-time", "payments-late"),
}
_OTHER: dict[Party, Party] = {"buyer": "supplier", "supplier": "buyer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """``number`` is that of the order, delivery, invoice or dispute within the contract; 0 for the contract itself."""

    side: Party
    kind: Kind
    number: int


Status = Literal["reported", "assessed", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A delivery on an order. ``late``: it was told of after the order's end; ``accepted`` is what was accepted of it."""

    number: int
    order: int
    late: bool
    status: Status = "reported"
    accepted: tuple[LineQuantity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What counts no more, then what counts from now on; of that what has a :data:`LATE` stands back where this counts."""

    gone: tuple[Performed, ...] = ()
    come: tuple[Performed, ...] = ()


def delivery_in(event: Event) -> int | None:
    """The number of the delivery that an event may change."""
    match event:
        case DeliveryAssessed():
            return event.delivery
        case ExecutionWithdrawn(about="delivery") | DisputeEnded(about="delivery", outcome="set-aside"):
            return event.number
    return None


def after(event: Event, delivery: Delivered) -> Delivered:
    """The delivery as the event leaves it. An answer that a dispute set aside is as if it had not been given."""
    match event:
        case DeliveryAssessed():
            return replace(delivery, status="assessed", accepted=event.lines)
        case ExecutionWithdrawn():
            return replace(delivery, status="withdrawn")
        case DisputeEnded():
            return replace(delivery, status="reported", accepted=())
    raise TypeError(f"{type(event).__name__} changes no delivery")


def met(ordered: Iterable[LineQuantity], deliveries: Iterable[Delivered]) -> bool:
    """Whether all that was ordered is accepted, and nothing waits for an answer."""
    left = {line.line_id: line.quantity for line in ordered}
    for delivery in deliveries:
        if delivery.status == "reported":
            return False
        for line in delivery.accepted if delivery.status == "assessed" else ():
            left[line.line_id] = left.get(line.line_id, Decimal(0)) - line.quantity
    return all(quantity <= 0 for quantity in left.values())


def change_of(event: Event, changed: Delivered | None = None, order_met: bool = False) -> Change:
    """``changed`` is the delivery that the event changed, as it is :func:`after`, and ``order_met`` whether its order is :func:`met`
    since then; None where it changed none, or one that is not known."""
    change = _change(event, changed)
    if changed is None:
        return change
    order = (_one("supplier", "orders-on-time", changed.order),)
    return replace(change, come=change.come + order) if order_met else replace(change, gone=change.gone + order)


def _change(event: Event, changed: Delivered | None) -> Change:
    match event:
        case DeliveryAssessed():
            in_time = event.by == "buyer" and not event.late
            answered = (_one("buyer", "answers-on-time", event.delivery),) if in_time else ()
            return Change(come=(_one("supplier", OUTCOMES[event.outcome], event.delivery), *answered))
        case ExecutionOverdue():
            side, in_time_kind, late = _SIDES[event.about]
            return Change(gone=(_one(side, in_time_kind, event.number),), come=(_one(side, late, event.number),))
        case ExecutionWithdrawn():
            side, in_time_kind, late = _SIDES[event.about]
            return Change(gone=(_one(side, in_time_kind, event.number), _one(side, late, event.number)))
        case InvoicePaid() | InvoiceSettled():
            return Change(come=(_one("buyer", "payments-on-time", event.invoice),))
        case DisputeOpened():
            opener = cast(Party, event.by)
            opened = _one(opener, "disputes-opened", event.dispute)
            return Change(come=(opened, _one(_OTHER[opener], "disputes-faced", event.dispute)))
        case DisputeEnded():
            return Change(gone=_set_aside(event, changed), come=_outcome(event))
        case ContractClosed():
            return Change(come=(_one("supplier", "closed", 0), _one("buyer", "closed", 0)))
    raise TypeError(f"{type(event).__name__} changes nothing in a record")


def _set_aside(event: DisputeEnded, changed: Delivered | None) -> tuple[Performed, ...]:
    """A payment that is disputed counts again where InvoiceSettled follows. A delivery whose answer was set aside, and that was told of
    in time, did not make its order late."""
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
    """A moderator's word that is what a side asked for at the opening is won by it."""
    opener = cast(Party, event.opened_by)
    if event.how == "agreed":
        return (_one("supplier", "disputes-agreed", event.dispute), _one("buyer", "disputes-agreed", event.dispute))
    winner = opener if event.outcome == event.asked else _OTHER[opener]
    return (_one(winner, "disputes-won", event.dispute), _one(_OTHER[winner], "disputes-lost", event.dispute))


def _one(side: Party, kind: Kind, number: int) -> Performed:
    return Performed(side=side, kind=kind, number=number)
