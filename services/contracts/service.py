"""Wiring of contracts."""

from infra.reactions import Reactions
from infra.service import Resources, Service
from infra.web import routes
from services.contracts.api import ContractsApi
from services.contracts.api.refusals import RefusalsApi
from services.contracts.api.signing import SigningApi
from services.contracts.handlers import ends, reactions
from services.contracts.pages import ContractPages
from services.contracts.pages.refusals import RefusalPages
from services.contracts.pages.signing import SigningPages
from services.contracts.store import Row
from services.contracts.store.pruning import PRUNES
from services.contracts.timers import TIMERS

NAME = "contracts"


def create(resources: Resources) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[
            routes(
                resources,
                ContractsApi,
                SigningApi,
                RefusalsApi,
            ),
            routes(
                resources,
                ContractPages,
                SigningPages,
                RefusalPages,
            ),
        ],
        reactions=Reactions(reactions, ends.reactions),
        timers=TIMERS,
        prunes=PRUNES,
    )
