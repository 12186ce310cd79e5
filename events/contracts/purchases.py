"""Buying straight from an offer."""

from datetime import datetime

from events.bounds import Exact, Key, Label, Prose
from events.codec import Event, event
from events.values import Place


@event(key="process_id")
class PurchaseRequested(Event, frozen=True, kw_only=True):
    """A buyer wants to buy straight from an offer; the supplier has until ``due_at``. ``process_id`` is the purchase."""

    process_id: Key
    buyer_id: Key
    buyer_name: Label
    supplier_id: Key
    offer_id: Key
    sku_id: Key
    title: Label
    quantity: Exact
    unit_price: Exact
    amount: Exact
    currency: Key
    place: Place
    due_at: datetime


@event(key="process_id")
class PurchaseAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is accepted, refused or lapsed."""

    process_id: Key
    buyer_id: Key
    supplier_id: Key
    answer: Key
    reason: Prose = ""
