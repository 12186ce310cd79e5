"""Tables and queries of auctions, by noun. Queries are plain SQL on the driver's connection; rows never leave this
package.

auctions    opening, reading, closing
listing     lists of auctions
blocked     auctions on which no bid can be decided
bids        the hot path's array statements, and the log
facts       lines of the log that are no bids
market_log  the market's Merkle log
pulse       when bids could last be decided
complaints  complaints and their decisions
past        earlier contracts, and the last price of a SKU in them
replicas    what other services announced: organisations, SKUs, reference prices
rows        the tables
"""

from services.auctions.store.rows import Row

__all__ = ["Row"]
