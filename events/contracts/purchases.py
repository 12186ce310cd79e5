"""Buying straight from an offer."""

from datetime import datetime
from decimal import Decimal

from events.codec import Event, event
from events.values import Place


@event(key="process_id")
class PurchaseRequested(Event, frozen=True, kw_only=True):
    """A buyer wants to buy straight from an offer; the supplier has until ``due_at``. ``process_id`` is the purchase."""

    process_id: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    offer_id: str
    sku_id: str
    title: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    place: Place
    due_at: datetime


@event(key="process_id")
class PurchaseAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is accepted, refused or lapsed."""

    process_id: str
    buyer_id: str
    supplier_id: str
    answer: str
    reason: str = ""
