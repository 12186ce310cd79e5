"""The data of the home page."""

import msgspec

from infra.database import Transaction
from services.portal import store
from services.portal.store import PortalContract, PortalOpening, Total


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the home page. ``auctions``, ``quotes`` and ``pools`` are counted up to ``COUNTED``; ``COUNTED`` +
    1 means that there are more. ``suppliers`` above ``COUNTED`` is an estimate."""

    auctions: int
    quotes: int
    pools: int
    suppliers: int
    contracts: int
    totals: list[Total]
    """Totals by currency, largest number of contracts first."""
    closing: list[PortalOpening]
    enrolling: list[PortalOpening]
    latest: list[PortalContract]


async def front(tx: Transaction, shown: int) -> Front:
    """The data of the home page, with ``shown`` openings of each kind and as many contracts."""
    known = await store.totals(tx)
    return Front(
        auctions=await store.open_now(tx, "auction"),
        quotes=await store.open_now(tx, "quote"),
        pools=await store.open_now(tx, "pool"),
        suppliers=await store.suppliers(tx),
        contracts=sum(total.contracts for total in known),
        totals=[total for total in known if total.currency and total.amount],
        closing=await store.openings(tx, "auction", shown),
        enrolling=await store.openings(tx, "pool", shown),
        latest=await store.latest_contracts(tx, shown),
    )
