"""Wiring of transparency."""

from infra.due import Due
from infra.service import Resources, Service, Timer
from infra.web import routes
from services.transparency import store
from services.transparency.api import OcdsApi
from services.transparency.handlers import lock_moved, reactions, tell_ends
from services.transparency.pages import TransparencyPages

NAME = store.NAME


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(resources, OcdsApi, TransparencyPages)],
        reactions=reactions,
        timers=[Timer("ends", 5, Due("transparency ends", lock_moved, lambda each: each.auction_id, tell_ends))],
    )
