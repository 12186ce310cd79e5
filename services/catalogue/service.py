"""Wiring of the catalogue."""

from catalogue.policy import load
from infra.service import Resources, Service
from infra.web import routes
from services.catalogue import store
from services.catalogue.api import BasketApi, CatalogueApi, with_finder
from services.catalogue.finder import Finder
from services.catalogue.handlers import reactions
from services.catalogue.pages import BasketPages, OfferPages, SearchPages, SkuPages
from services.catalogue.timers import TIMERS

NAME = "catalogue"


def create(resources: Resources) -> Service:
    finder = Finder(resources.database, load(resources.config.policy).currency)
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[
            routes(
                resources, with_finder(finder, CatalogueApi, BasketApi, SearchPages, SkuPages, OfferPages, BasketPages)
            )
        ],
        reactions=reactions,
        timers=TIMERS,
        lifespans=[finder.running],
    )
