"""An observation: one price, as its source states it."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from events.values import Category, Place, Source


class PriceKind(StrEnum):
    """The kind of source of a price. Kinds are not mixed: a reference is built from prices of one kind."""

    CONTRACT = "contract"
    OFFER = "offer"
    BID = "bid"
    QUOTE = "quote"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One price, not yet judged. There is one row for each ``observation_id``; a correction replaces it.

    ``item_key`` is a SKU's id or the derived id of an imported item. ``unit`` is a Rec 20 code, or "" if only
    ``unit_text`` is given; ``unit_price`` is the price of ``pack_size`` units. ``vat_rate`` is in percent;
    ``vat_included`` None means that the source does not say. ``document`` is the contract, offer or bid, or the place
    in a file.
    """

    observation_id: str
    kind: PriceKind
    item_key: str
    unit_price: Decimal
    currency: str
    date: date
    place: Place = Place()
    title: str = ""
    category: Category | None = None
    unit: str = ""
    unit_text: str = ""
    pack_size: Decimal = Decimal(1)
    quantity: Decimal | None = None
    vat_rate: Decimal | None = None
    vat_included: bool | None = None
    supplier_id: str | None = None
    supplier_name: str = ""
    buyer_id: str | None = None
    buyer_name: str = ""
    document: str = ""
    source: Source | None = None
    cancelled: bool = False

    @property
    def public(self) -> "Observation":
        """The observation without secrets: who made this market's own bids and quotes is not published (docs/rules.md
        section 0)."""
        if self.kind in (PriceKind.BID, PriceKind.QUOTE) and self.source is None:
            return msgspec.structs.replace(self, supplier_id=None, supplier_name="")
        return self
