"""Wiring of the portal."""

from infra.service import Resources, Service
from infra.web import routes
from services.portal import store
from services.portal.handlers import reactions
from services.portal.pages import PortalPages

NAME = "portal"


def create(resources: Resources) -> Service:
    return Service(name=NAME, metadata=store.Row.metadata, routes=[routes(resources, PortalPages)], reactions=reactions)
