"""What purchases tells contracts of direct purchases. Producer: purchases. What everybody hears of them, requested and answered, stays
among the events of contracts, where it always was."""

from datetime import datetime

from events.bounds import Exact, Key, Label, PolicyText
from events.codec import Event, event
from events.values import Line, Place


@event(key="process_id")
class PurchaseAccepted(Event, frozen=True, kw_only=True):
    """The supplier sells as it was asked: a contract without an offer to sign first is due. It is the one of ``contract_id``, and follows
    the policy of the request."""

    process_id: Key
    contract_id: Key
    buyer_id: Key
    buyer_name: Label
    supplier_id: Key
    supplier_name: Label
    title: Label
    place: Place
    currency: Key
    amount: Exact
    line: Line
    policy: Key
    policy_text: PolicyText = ""


@event(key="process_id")
class PurchaseWaits(Event, frozen=True, kw_only=True):
    """A request stands, for lists of what waits: the supplier answers by ``due_at``."""

    process_id: Key
    buyer_id: Key
    buyer_name: Label
    supplier_id: Key
    supplier_name: Label
    title: Label
    quantity: Exact
    currency: Key
    amount: Exact
    requested_at: datetime
    due_at: datetime


@event(key="process_id")
class PurchaseWaitsNoMore(Event, frozen=True, kw_only=True):
    """It was answered, or its time is over."""

    process_id: Key
