"""Wiring of accounts."""

from infra.service import Resources, Service
from infra.web import routes
from services.accounts import store
from services.accounts.api import AccountsApi
from services.accounts.handlers import reactions
from services.accounts.pages import AccountPages, EntryPages, OrganisationPages
from services.accounts.store.pruning import PRUNES
from services.accounts.timers import TIMERS

NAME = "accounts"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=store.Row.metadata,
        routes=[routes(resources, AccountsApi, EntryPages, AccountPages, OrganisationPages)],
        reactions=reactions,
        timers=TIMERS,
        prunes=PRUNES,
    )
