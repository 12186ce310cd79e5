"""Rows of transparency: imports with their originals, and the releases of this market. ``rows`` the tables · ``imports`` ·
``organisations`` · ``auctions`` running mini-auctions · ``publishing`` writes the feed · ``published`` reads the feed.

Imports write thousands of rows and handlers must be fast: every function is one statement, with arrays for many rows.
"""

from services.transparency.store.auctions import (
    Auction,
    close_auctions,
    disclosed_bids,
    keep_bids,
    lock_moved,
    move_ends,
    open_auctions,
    set_told,
)
from services.transparency.store.imports import (
    Imported,
    ImportedSource,
    imported,
    keep_originals,
    keep_told,
    known_originals,
    known_processes,
    lock_imports,
    originals_of,
    told,
)
from services.transparency.store.organisations import (
    imported_organisations,
    keep_imported_organisations,
    keep_parties,
    parties,
)
from services.transparency.store.published import (
    LARGEST_ANSWER,
    FeedState,
    PublishedRelease,
    all_releases,
    count_releases,
    decoded,
    feed,
    feed_state,
    history,
    latest,
    release,
)
from services.transparency.store.publishing import (
    New,
    earlier_releases,
    in_feed,
    last_dates,
    lock_feed,
    publish,
    roles_before,
)
from services.transparency.store.rows import NAME, Row

__all__ = [
    "LARGEST_ANSWER",
    "NAME",
    "Auction",
    "FeedState",
    "Imported",
    "ImportedSource",
    "New",
    "PublishedRelease",
    "Row",
    "all_releases",
    "close_auctions",
    "count_releases",
    "decoded",
    "disclosed_bids",
    "earlier_releases",
    "feed",
    "feed_state",
    "history",
    "imported",
    "imported_organisations",
    "in_feed",
    "keep_bids",
    "keep_imported_organisations",
    "keep_originals",
    "keep_parties",
    "keep_told",
    "known_originals",
    "known_processes",
    "last_dates",
    "latest",
    "lock_feed",
    "lock_imports",
    "lock_moved",
    "move_ends",
    "open_auctions",
    "originals_of",
    "parties",
    "publish",
    "release",
    "roles_before",
    "set_told",
    "told",
]
