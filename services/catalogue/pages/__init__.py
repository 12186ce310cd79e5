"""Pages of the catalogue: search, SKUs and their moderation, a supplier's offers, a buyer's basket."""

from services.catalogue.pages.basket import BasketPages
from services.catalogue.pages.offers import OfferPages
from services.catalogue.pages.search import SearchPages
from services.catalogue.pages.skus import SkuPages

__all__ = ["BasketPages", "OfferPages", "SearchPages", "SkuPages"]
