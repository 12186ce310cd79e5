"""Reference prices. Producer: observatory."""

from datetime import datetime
from decimal import Decimal

from events.codec import Event, event
from events.values import Category


@event(key="item_key")
class ReferencePricePublished(Event, frozen=True, kw_only=True):
    """An immutable snapshot. ``item_key`` is the SKU's id, or a derived id of (category, item text, currency) for imports.

    Prices are per base unit, VAT excluded, in the money of the valuation month. ``level`` is locality, region or country;
    ``place_code`` says which one. ``grade`` is A, B or C (C is advisory: no ceiling follows from it). Only current references are
    published: one of prices long past stays on the observatory's pages, as history.
    """

    item_key: str
    reference_id: str
    version: int
    sku_id: str | None
    title: str
    category: Category | None
    unit: str
    currency: str
    level: str
    place_code: str
    median: Decimal
    p25: Decimal
    p75: Decimal
    observations: int
    suppliers: int
    variation: Decimal
    """Coefficient of variation in percent."""
    grade: str
    valued_at: datetime


@event(key="item_key")
class ReferencePriceWithdrawn(Event, frozen=True, kw_only=True):
    """Too few observations are left, or all are out of date."""

    item_key: str
    reference_id: str
    reason: str
