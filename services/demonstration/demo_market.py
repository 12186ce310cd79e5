"""The market that the demonstration has made so far."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.demonstration.cast import Cast
from services.demonstration.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMarket:
    """Who plays, the members by the key of their player, the SKUs by name, and the money that the market buys in."""

    players: Cast
    members: Mapping[str, Client]
    sku_ids: Mapping[str, str]
    currency: str
