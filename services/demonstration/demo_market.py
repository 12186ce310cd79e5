"""What the demonstration has made in the market so far."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.demonstration.cast import Cast
from services.demonstration.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMarket:
    """The players, the members by the key of their player, the SKUs by name, and the currency of the market."""

    players: Cast
    members: Mapping[str, Client]
    sku_ids: Mapping[str, str]
    currency: str
