"""Rows of contracts: deals and purchases (the state, rewritten under its lock), contracts (one for each supplier asked, to be
listed and searched), and replicas of organisations, SKUs, offers, auctions, their disclosed bids, and pools."""

from services.contracts.store.rows import Row

__all__ = ["Row"]
