"""Rows of purchases: requests with their answers (the state is rewritten under a lock), and replicas of organisations,
SKUs and offers."""

from services.purchases.store import replicas
from services.purchases.store.rows import OfferRow, PurchaseRow, Row

__all__ = ["OfferRow", "PurchaseRow", "Row", "replicas"]
