"""Wiring of the portal."""

from infra.reactions import from_handlers
from infra.service import Ground, Service
from infra.web import routes
from services.portal import store
from services.portal.handlers import HANDLERS
from services.portal.pages import PortalPages

NAME = "portal"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME, metadata=store.Row.metadata, routes=[routes(ground, PortalPages)], reactions=from_handlers(HANDLERS)
    )
