"""Wiring of the observatory."""

from infra.service import Ground, Service
from infra.web import routes
from services.observatory import store
from services.observatory.agents import VIEWS
from services.observatory.api import ObservatoryApi
from services.observatory.handlers import reactions
from services.observatory.pages import ObservatoryPages
from services.observatory.timers import timers

NAME = "observatory"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(ground, ObservatoryApi, ObservatoryPages)],
        reactions=reactions,
        timers=timers(ground),
        views=VIEWS,
    )
