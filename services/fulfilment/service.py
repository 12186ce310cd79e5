"""Wiring of fulfilment."""

from infra.service import Resources, Service
from infra.web import routes
from services.fulfilment.api.disputes import DisputesApi
from services.fulfilment.api.execution import ExecutionApi
from services.fulfilment.handlers import reactions
from services.fulfilment.pages.execution import ExecutionPages
from services.fulfilment.store import Row
from services.fulfilment.timers import TIMERS

NAME = "fulfilment"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(resources, ExecutionApi, DisputesApi), routes(resources, ExecutionPages)],
        reactions=reactions,
        timers=TIMERS,
    )
