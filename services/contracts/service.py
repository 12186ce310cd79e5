"""Wiring of contracts."""

from infra.service import Ground, Service
from infra.web import routes
from services.contracts.api import ContractsApi, PurchasesApi
from services.contracts.handlers import HANDLERS
from services.contracts.pages import ContractPages, PurchasePages
from services.contracts.store import Row
from services.contracts.timers import TIMERS

NAME = "contracts"


def create(ground: Ground) -> Service:
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[routes(ground, ContractsApi, PurchasesApi, ContractPages, PurchasePages)],
        handlers=HANDLERS,
        timers=TIMERS,
    )
