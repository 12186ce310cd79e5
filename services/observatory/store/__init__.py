"""The observatory's rows and queries: ``rows`` the tables · ``prices`` observed prices · ``assessing`` due items and
the results of their assessment · ``reading`` items and snapshots as values · ``rulings`` the verdicts behind snapshots
· ``packed`` packed bodies of observations · ``listing`` items to choose from · ``months`` the rolling view ·
``numbers`` the numbers by which items are judged · ``ended`` items whose former references end."""

from services.observatory.store.assessing import (
    Outcome,
    Overtaken,
    claim_due,
    last_versions,
    overtaken,
    set_aside,
    settle,
)
from services.observatory.store.ended import EndedReference, ended_references, lock_ends_due, put_off_ends
from services.observatory.store.listing import (
    ItemFilter,
    Items,
    ListedItem,
    SnapshotFigures,
    categories,
    find,
    is_category,
)
from services.observatory.store.months import add_to_months, forget_months, months
from services.observatory.store.numbers import mark_changed
from services.observatory.store.prices import link_contracts, put_all, put_skus, withdraw
from services.observatory.store.reading import (
    ItemCard,
    Snapshot,
    card,
    has_more,
    observations,
    places,
    snapshot,
    snapshots,
    versions,
)
from services.observatory.store.rows import Row
from services.observatory.store.rulings import RulingChange, Standing, standing_rulings, tally, verdicts

__all__ = [
    "EndedReference",
    "ItemCard",
    "ItemFilter",
    "Items",
    "ListedItem",
    "Outcome",
    "Overtaken",
    "Row",
    "RulingChange",
    "Snapshot",
    "SnapshotFigures",
    "Standing",
    "add_to_months",
    "card",
    "categories",
    "claim_due",
    "ended_references",
    "find",
    "forget_months",
    "has_more",
    "is_category",
    "last_versions",
    "link_contracts",
    "lock_ends_due",
    "mark_changed",
    "months",
    "observations",
    "overtaken",
    "places",
    "put_all",
    "put_off_ends",
    "put_skus",
    "set_aside",
    "settle",
    "snapshot",
    "snapshots",
    "standing_rulings",
    "tally",
    "verdicts",
    "versions",
    "withdraw",
]
