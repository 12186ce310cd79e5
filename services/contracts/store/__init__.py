"""Rows of contracts: deals (the state, rewritten under its lock), contracts (one for each supplier asked, to be
listed and searched), refusals that may be disputed, executions with their history, and replicas of organisations, SKUs, auctions,
quick quotes, their disclosed bids, pools, and requests for purchases."""

from services.contracts.store.executions import ExecutionRow, HappenedRow
from services.contracts.store.refusals import RefusalRow
from services.contracts.store.rows import Row

__all__ = ["ExecutionRow", "HappenedRow", "RefusalRow", "Row"]
