"""SKUs and offers. Producer: catalogue."""

from datetime import date
from decimal import Decimal

import msgspec

from events.bounds import Exact, Key, Label, Many, Prose
from events.codec import Event, event
from events.values import Attribute, Category, Place, Refusal


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """The price that applies from this quantity on."""

    from_quantity: Exact
    price: Exact


class EcoLabel(msgspec.Struct, frozen=True, kw_only=True):
    label: Label
    certificate: Label
    expires: date


@event(key="sku_id")
class SkuProposed(Event, frozen=True, kw_only=True):
    sku_id: Key
    version: int
    name: Label
    proposed_by: Key


@event(key="sku_id")
class SkuPublished(Event, frozen=True, kw_only=True):
    """A SKU, or a new version of it, can be offered and bought from now on."""

    sku_id: Key
    version: int
    name: Label
    description: Prose = ""
    category: Category
    attributes: Many[Attribute]
    base_unit: Key
    pack_size: Exact = Decimal(1)
    gtin: Key = ""
    group: Label = ""
    language: Key = "en"


@event(key="sku_id")
class SkuReturned(Event, frozen=True, kw_only=True):
    """The moderator sent the proposal back, with reasons."""

    sku_id: Key
    version: int
    reasons: Many[Refusal]


@event(key="sku_id")
class SkuArchived(Event, frozen=True, kw_only=True):
    sku_id: Key
    reason: Prose


@event(key="sku_id")
class OfferPublished(Event, frozen=True, kw_only=True):
    """A supplier's standing price on a SKU, per pack, incl. delivery. Immutable: an edit archives it and publishes a copy.

    ``regions`` are ISO 3166-2 codes or country codes served; ``delivery_days`` are working days.
    """

    sku_id: Key
    offer_id: Key
    supplier_id: Key
    supplier_name: Label
    category: Category
    price: Exact
    currency: Key
    vat_rate: Exact
    vat_included: bool
    regions: Many[Key]
    delivery_days: int
    stock: Place
    min_quantity: Exact
    max_quantity: Exact
    tiers: Many[Tier] = ()
    eco_labels: Many[EcoLabel] = ()
    valid_from: date
    valid_until: date


@event(key="sku_id")
class OfferArchived(Event, frozen=True, kw_only=True):
    """``reason`` is ``expired``, ``replaced``, ``withdrawn``, ``sku-archived``, or ``supplier-suspended`` if the supplier was
    suspended or closed."""

    sku_id: Key
    offer_id: Key
    supplier_id: Key
    reason: Prose
