"""SKUs and offers. Producer: catalogue."""

from datetime import date
from decimal import Decimal

import msgspec

from events.codec import Event, event
from events.values import Attribute, Category, Place, Refusal


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """From this quantity on, this price."""

    from_quantity: Decimal
    price: Decimal


class EcoLabel(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    certificate: str
    expires: date


@event(key="sku_id")
class SkuProposed(Event, frozen=True, kw_only=True):
    sku_id: str
    version: int
    name: str
    proposed_by: str


@event(key="sku_id")
class SkuPublished(Event, frozen=True, kw_only=True):
    """A SKU, or a new version of it, may be offered and bought from now on."""

    sku_id: str
    version: int
    name: str
    description: str = ""
    category: Category
    attributes: tuple[Attribute, ...]
    base_unit: str
    pack_size: Decimal = Decimal(1)
    gtin: str = ""
    group: str = ""
    language: str = "en"


@event(key="sku_id")
class SkuReturned(Event, frozen=True, kw_only=True):
    """The moderator sent the proposal back, with reasons."""

    sku_id: str
    version: int
    reasons: tuple[Refusal, ...]


@event(key="sku_id")
class SkuArchived(Event, frozen=True, kw_only=True):
    sku_id: str
    reason: str


@event(key="sku_id")
class OfferPublished(Event, frozen=True, kw_only=True):
    """A supplier's standing price on a SKU, per pack, incl. delivery. Immutable: an edit archives it and publishes a copy.

    ``regions`` are ISO 3166-2 codes or country codes served; ``delivery_days`` working days.
    """

    sku_id: str
    offer_id: str
    supplier_id: str
    supplier_name: str
    category: Category
    price: Decimal
    currency: str
    vat_rate: Decimal
    vat_included: bool
    regions: tuple[str, ...]
    delivery_days: int
    stock: Place
    min_quantity: Decimal
    max_quantity: Decimal
    tiers: tuple[Tier, ...] = ()
    eco_labels: tuple[EcoLabel, ...] = ()
    valid_from: date
    valid_until: date


@event(key="sku_id")
class OfferArchived(Event, frozen=True, kw_only=True):
    """``reason`` is ``expired``, ``replaced``, ``withdrawn``, ``sku-archived`` or ``supplier-suspended``."""

    sku_id: str
    offer_id: str
    supplier_id: str
    reason: str
