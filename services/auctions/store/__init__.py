"""Tables and queries of auctions, by noun. Queries are plain SQL on the driver's connection; rows never leave here.

auctions  opening, reading, listing, closing
bids      the hot path's array statements, and the log
replicas  what other services told: organisations, SKUs, reference prices
rows      the tables
"""

from services.auctions.store.rows import Row

__all__ = ["Row"]
