"""The players and goods of the demonstration: market.toml as values."""

from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec

COUNTRY = "RU"
DOMAIN = "demo.example"


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logs in for an organisation. ``price_level`` is for suppliers, ``role`` for staff members."""

    key: str
    name: str
    person: str
    region: str = ""
    locality: str = ""
    categories: tuple[str, ...] = ()
    price_level: Decimal = Decimal(1)
    role: str = ""
    domain: str = DOMAIN

    @property
    def email(self) -> str:
        return f"{self.key}@{self.domain}"


class Good(msgspec.Struct, frozen=True, kw_only=True):
    """A good that becomes a SKU; ``price`` is that of one pack, VAT included; ``attributes`` are name, value, unit."""

    name: str
    category: str
    unit: str
    pack: Decimal
    price: Decimal
    attributes: tuple[tuple[str, str, str], ...]

    @property
    def division(self) -> str:
        """The CPV division, by which suppliers choose their goods."""
        return self.category[:2]


class Cast(msgspec.Struct, frozen=True):
    agencies: tuple[Player, ...]
    suppliers: tuple[Player, ...]
    staff: tuple[Player, ...]
    skus: tuple[Good, ...]

    def sellers(self, good: Good) -> list[Player]:
        return [supplier for supplier in self.suppliers if good.division in supplier.categories]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of the agencies."""
        return tuple(dict.fromkeys(agency.region for agency in self.agencies))


@cache
def cast() -> Cast:
    return msgspec.toml.decode((Path(__file__).parent / "market.toml").read_bytes(), type=Cast, strict=False)
