"""Pages of the catalogue: search, SKUs and their moderation, a supplier's offers."""

from services.catalogue.pages.offers import OfferPages
from services.catalogue.pages.search import SearchPages
from services.catalogue.pages.skus import SkuPages

__all__ = ["OfferPages", "SearchPages", "SkuPages"]
