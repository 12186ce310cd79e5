"""Wiring of quick quotes."""

from infra.service import Resources, Service
from infra.web import routes
from services.quotes.api import QuotesApi
from services.quotes.handlers import reactions
from services.quotes.pages import QuoteComposePages, RequestPages
from services.quotes.store import Row
from services.quotes.timers import TIMERS

NAME = "quotes"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(resources, QuotesApi, QuoteComposePages, RequestPages)],
        reactions=reactions,
        timers=TIMERS,
    )
