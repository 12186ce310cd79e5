"""Wiring of pools."""

from infra.service import Resources, Service
from infra.web import routes
from services.pools import store
from services.pools.api import PoolsApi
from services.pools.handlers import reactions
from services.pools.pages import PoolPages, TermsPages
from services.pools.timers import TIMERS

NAME = "pools"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(resources, PoolsApi, TermsPages, PoolPages)],
        reactions=reactions,
        timers=TIMERS,
    )
