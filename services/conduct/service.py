"""Wiring of conduct."""

from infra.service import Ground, Service
from infra.web import routes
from services.conduct.api.record import RecordApi
from services.conduct.api.sanctions import SanctionsApi
from services.conduct.handlers import reactions
from services.conduct.pages.record import RecordPages
from services.conduct.pages.sanctions import SanctionPages
from services.conduct.store import Row

NAME = "conduct"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(ground, SanctionsApi, RecordApi), routes(ground, SanctionPages, RecordPages)],
        reactions=reactions,
    )
