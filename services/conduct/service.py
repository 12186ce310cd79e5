"""Wiring of conduct."""

from infra.service import Resources, Service
from infra.web import routes
from services.conduct.api.record import RecordApi
from services.conduct.api.sanctions import SanctionsApi
from services.conduct.handlers import reactions
from services.conduct.pages.record import RecordPages
from services.conduct.pages.sanctions import SanctionPages
from services.conduct.store import Row

NAME = "conduct"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(resources, SanctionsApi, RecordApi), routes(resources, SanctionPages, RecordPages)],
        reactions=reactions,
    )
