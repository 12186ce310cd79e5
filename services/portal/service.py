"""Wiring of the portal."""

from litestar import Router
from litestar.di import Provide

from infra.service import Ground, Service
from services.portal import store
from services.portal.handlers import HANDLERS
from services.portal.pages import PortalPages

NAME = "portal"


def create(ground: Ground) -> Service:
    routes = Router(
        path="",
        route_handlers=[PortalPages],
        dependencies={"ground": Provide(lambda: ground, sync_to_thread=False)},
    )
    return Service(name=NAME, metadata=store.Row.metadata, routes=[routes], handlers=HANDLERS)
