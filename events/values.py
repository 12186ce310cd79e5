"""Values that several events carry. Money is Decimal with an ISO 4217 currency, quantities Decimal with a unit."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from events.bounds import Exact, Key, Label, Latitude, Longitude, Many, Prose


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place of delivery, a store, or the seat of an organisation. Coordinates are degrees in WGS 84. Unknown fields
    are None."""

    country: Key | None = None
    """ISO 3166-1 alpha-2."""
    region: Key | None = None
    """ISO 3166-2, such as ``RU-MOW``."""
    locality: Label | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class Category(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A code of a classification, an OCDS ``classification``: CPV in this market; in imports whatever the source
    uses."""

    code: Key
    scheme: Key = "CPV"
    title: Label = ""


class Attribute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: Label
    value: Prose
    unit: Key = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a process or contract, an OCDS ``item``.

    ``unit`` is a UNECE Rec 20 code, or "" if the source's ``unit_text`` was not understood. ``unit_price`` is per
    ``unit`` (per pack of ``pack_size`` units if that is not 1), in the currency of the event that carries the line.
    """

    line_id: Key
    description: Prose
    category: Category | None = None
    sku_id: Key | None = None
    quantity: Exact | None = None
    unit: Key = ""
    unit_text: Label = ""
    pack_size: Exact = Decimal(1)
    unit_price: Exact | None = None
    amount: Exact | None = None
    vat_rate: Exact | None = None
    """Percent."""
    vat_included: bool | None = None
    attributes: Many[Attribute] = ()
    place: Place | None = None
    """The delivery place, if it differs from that of the whole process."""


class Source(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where an imported fact was read. Facts of this market have no source."""

    publisher: Label
    document: Prose
    """The file, and the place in it."""
    licence: Prose = ""
    published_at: datetime | None = None


class Number(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A number that a rule compared, such as ``price_now 90.00``."""

    name: Label
    value: Prose


class BrokenRule(Protocol):
    """The attributes that every domain error has (:class:`catalogue.rules.RuleBroken`)."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def numbers(self) -> Mapping[str, object]: ...


class Refusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why an act was refused: a stable code, a sentence, and the numbers that were compared."""

    rule: Key
    message: Prose
    field: Key = ""
    numbers: Many[Number] = ()

    @classmethod
    def of(cls, broken: "BrokenRule") -> "Refusal":
        """The refusal for a broken rule."""
        numbers = tuple(Number(name=name, value=str(value)) for name, value in broken.numbers.items())
        return cls(rule=broken.code, message=broken.message, field=broken.field or "", numbers=numbers)
