"""Wiring of accounts."""

from litestar import Router
from litestar.di import Provide

from infra.service import Ground, Service
from services.accounts import store
from services.accounts.api import AccountsApi
from services.accounts.handlers import HANDLERS
from services.accounts.pages import AccountPages, EntryPages, OrganisationPages
from services.accounts.timers import TIMERS

NAME = "accounts"


def create(ground: Ground) -> Service:
    routes = Router(
        path="",
        route_handlers=[AccountsApi, EntryPages, AccountPages, OrganisationPages],
        dependencies={"ground": Provide(lambda: ground, sync_to_thread=False)},
    )
    return Service(name=NAME, metadata=store.Row.metadata, routes=[routes], handlers=HANDLERS, timers=TIMERS)
