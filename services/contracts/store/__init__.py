"""Rows of contracts: deals (the state is rewritten under a lock), contracts (one for each supplier asked, to be listed
and searched), refusals that may be disputed, replicas of organisations, SKUs, auctions, quick quotes, their
disclosed bids, pools and requests for purchases, and the ids of the contracts that are carried out."""

from services.contracts.store.refusals import RefusalRow
from services.contracts.store.rows import Row

__all__ = ["RefusalRow", "Row"]
