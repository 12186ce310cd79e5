"""Rows of contracts: deals and purchases (the state, rewritten under its lock), contracts (one for each supplier asked, to be
listed and searched), refusals that may be disputed, executions with their history, breaches and sanctions, facts of the public
record and what is performed, and replicas of organisations, SKUs, offers, auctions, quick quotes, their disclosed bids, and
pools."""

from services.contracts.store.executions import ExecutionRow, HappenedRow, PerformedRow
from services.contracts.store.record import FactRow
from services.contracts.store.refusals import RefusalRow
from services.contracts.store.rows import Row
from services.contracts.store.sanctions import BreachRow, SanctionRow

__all__ = ["BreachRow", "ExecutionRow", "FactRow", "HappenedRow", "PerformedRow", "RefusalRow", "Row", "SanctionRow"]
