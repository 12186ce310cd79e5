"""Wiring of the observatory."""

from infra.service import Resources, Service
from infra.web import routes
from services.observatory import store
from services.observatory.agents import VIEWS
from services.observatory.api import ObservatoryApi
from services.observatory.handlers import reactions
from services.observatory.pages import ObservatoryPages
from services.observatory.timers import timers

NAME = "observatory"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(resources, ObservatoryApi, ObservatoryPages)],
        reactions=reactions,
        timers=timers(resources),
        views=VIEWS,
    )
