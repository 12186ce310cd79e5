"""Wiring of purchases."""

from infra.service import Resources, Service
from infra.web import routes
from services.purchases.api import PurchasesApi
from services.purchases.handlers import reactions
from services.purchases.pages import PurchasePages
from services.purchases.store import Row
from services.purchases.timers import TIMERS

NAME = "purchases"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(resources, PurchasesApi, PurchasePages)],
        reactions=reactions,
        timers=TIMERS,
    )
