"""Values that several events carry. Money is Decimal with an ISO 4217 currency, quantities Decimal with a unit."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is delivered, stocked or seated. Degrees WGS 84; what is unknown is None."""

    country: str | None = None
    """ISO 3166-1 alpha-2."""
    region: str | None = None
    """ISO 3166-2, such as ``RU-MOW``."""
    locality: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A code of a classification, an OCDS ``classification``: CPV at home, whatever the source has in imports."""

    code: str
    scheme: str = "CPV"
    title: str = ""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str
    unit: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a process or contract, an OCDS ``item``.

    ``unit`` is a UNECE Rec 20 code, or "" where the source's ``unit_text`` was not understood. ``unit_price`` is per ``unit``
    (per pack of ``pack_size`` units where that is not 1), in the currency of the event that carries the line.
    """

    line_id: str
    description: str
    category: Category | None = None
    sku_id: str | None = None
    quantity: Decimal | None = None
    unit: str = ""
    unit_text: str = ""
    pack_size: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    vat_rate: Decimal | None = None
    """Percent."""
    vat_included: bool | None = None
    attributes: tuple[Attribute, ...] = ()
    place: Place | None = None
    """Delivery place where it differs from that of the whole."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an imported fact was read. Native facts have none."""

    publisher: str
    document: str
    """File, and the place in it."""
    licence: str = ""
    published_at: datetime | None = None


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a rule compared, such as ``price_now 90.00``."""

    name: str
    value: str


class BrokenRule(Protocol):
    """What every domain error offers (:class:`catalogue.rules.RuleBroken`)."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def numbers(self) -> Mapping[str, object]: ...


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody was refused: a stable code, a sentence, the numbers compared."""

    rule: str
    message: str
    field: str = ""
    numbers: tuple[Number, ...] = ()

    @classmethod
    def of(cls, broken: "BrokenRule") -> "Refusal":
        """The refusal that a broken rule leads to."""
        numbers = tuple(Number(name=name, value=str(value)) for name, value in broken.numbers.items())
        return cls(rule=broken.code, message=broken.message, field=broken.field or "", numbers=numbers)
