"""Reference prices. Producer: observatory."""

from datetime import datetime

from events.bounds import Exact, Key, Label, Prose
from events.codec import Event, event
from events.values import Category


@event(key="item_key")
class ReferencePricePublished(Event, frozen=True, kw_only=True):
    """An immutable snapshot. ``item_key`` is the SKU's id, or a derived id of (category, item text, currency) for imports.

    Prices are per base unit, VAT excluded, in the money of the valuation month. ``level`` is locality, region or
    country; ``place_code`` says which one. ``grade`` is A, B or C (C is advisory: it sets no ceiling). Only current
    references are published: a reference of old prices stays on the observatory's pages, as history.
    """

    item_key: Key
    reference_id: Key
    version: int
    sku_id: Key | None
    title: Label
    category: Category | None
    unit: Key
    currency: Key
    level: Key
    place_code: Key
    median: Exact
    p25: Exact
    p75: Exact
    observations: int
    suppliers: int
    variation: Exact
    """Coefficient of variation in percent."""
    grade: Key
    valued_at: datetime


@event(key="item_key")
class ReferencePriceWithdrawn(Event, frozen=True, kw_only=True):
    """Too few observations are left, all are out of date, or the item's reference is now for another place or in another
    currency. It ends the reference of that item in ``currency``, of ``level`` and ``place_code``, up to ``version``, also
    if a version before ``reference_id`` had the same figures and was the last that was published. A former release did
    not name these four: then only ``reference_id`` says which reference ends."""

    item_key: Key
    reference_id: Key
    reason: Prose
    currency: Key = ""
    level: Key = ""
    place_code: Key = ""
    version: int = 0
