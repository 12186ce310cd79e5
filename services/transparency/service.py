"""Wiring of transparency."""

from infra.reactions import from_handlers
from infra.service import Ground, Service, Timer
from infra.web import routes
from services.transparency import store
from services.transparency.api import OcdsApi
from services.transparency.handlers import HANDLERS, tell_ends
from services.transparency.pages import TransparencyPages

NAME = store.NAME


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(ground, OcdsApi, TransparencyPages)],
        reactions=from_handlers(HANDLERS),
        timers=[Timer("ends", 5, tell_ends)],
    )
