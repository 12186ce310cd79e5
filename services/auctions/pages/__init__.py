"""HTML of mini-auctions: the list and the running auction (``auction``; ``bidding`` is the form of a bid, ``fragments``
are the parts of the page, ``own`` the parts that differ for one organisation, ``live`` what is pushed), the opening
(``compose``, with its form in ``draft``), the other acts in an auction (``acts``), and what moderators decide
(``complaints``)."""

from services.auctions.pages.acts import ActPages
from services.auctions.pages.auction import AuctionPages
from services.auctions.pages.complaints import ComplaintPages
from services.auctions.pages.compose import AuctionComposePages

__all__ = ["ActPages", "AuctionComposePages", "AuctionPages", "ComplaintPages"]
