"""HTML of mini-auctions: the list and the running session (``auction``), and the opening (``compose``)."""

from services.auctions.pages.auction import AuctionPages
from services.auctions.pages.compose import ComposePages

__all__ = ["AuctionPages", "ComposePages"]
