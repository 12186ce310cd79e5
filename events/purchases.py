"""The events that the service of contracts needs about direct purchases. The producer is purchases. The events that all services may read
(requested, answered) stay in the topic of contracts."""

from datetime import datetime

from events.bounds import Exact, Key, Label, PolicyText
from events.codec import Event, event
from events.values import Line, Place


@event(key="process_id")
class PurchaseAccepted(Event, frozen=True, kw_only=True):
    """The supplier accepted the request, so a contract is due, without an offer that is signed first. Its id is
    ``contract_id``, and the policy of the request applies to it."""

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
    """A request waits until the supplier answers it, by ``due_at``. Used in lists of what waits."""

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
    """The request was answered, or its time is over."""

    process_id: Key
