"""Pages of pools: the list, the terms of a new one, and one pool from enrolment to contracts."""

from services.pools.pages.pool import PoolPages
from services.pools.pages.terms import TermsPages

__all__ = ["PoolPages", "TermsPages"]
