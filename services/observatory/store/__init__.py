"""The observatory's rows and queries: ``rows`` the tables · ``prices`` what was seen · ``assessing`` what is due and what came of it ·
``reading`` items and snapshots as values · ``months`` the rolling view."""

from services.observatory.store.assessing import Outcome, claim_due, last_versions, set_aside, settle
from services.observatory.store.months import add_to_months, forget_months, months
from services.observatory.store.prices import link_contracts, put_all, put_skus, withdraw
from services.observatory.store.reading import (
    Card,
    Figures,
    Listed,
    Snapshot,
    card,
    categories,
    find,
    observations,
    places,
    prices_of,
    snapshot,
    snapshots,
    tally,
    verdicts,
    versions,
)
from services.observatory.store.rows import Row

__all__ = [
    "Card",
    "Figures",
    "Listed",
    "Outcome",
    "Row",
    "Snapshot",
    "add_to_months",
    "card",
    "categories",
    "claim_due",
    "find",
    "forget_months",
    "last_versions",
    "link_contracts",
    "months",
    "observations",
    "places",
    "prices_of",
    "put_all",
    "put_skus",
    "set_aside",
    "settle",
    "snapshot",
    "snapshots",
    "tally",
    "verdicts",
    "versions",
    "withdraw",
]
