"""Wiring of the observatory."""

from infra.reactions import from_handlers
from infra.service import Ground, Service
from infra.web import routes
from services.observatory import store
from services.observatory.agents import VIEWS
from services.observatory.api import ObservatoryApi
from services.observatory.handlers import HANDLERS
from services.observatory.pages import ObservatoryPages
from services.observatory.timers import TIMERS

NAME = "observatory"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(ground, ObservatoryApi, ObservatoryPages)],
        reactions=from_handlers(HANDLERS),
        timers=TIMERS,
        views=VIEWS,
    )
