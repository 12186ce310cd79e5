"""Rows of transparency: what was imported, with its originals, and the releases of this market. ``rows`` the tables · ``imports`` ·
``organisations`` · ``sessions`` mini-auctions that run · ``published`` the feed.

An import writes by the thousand and a handler waits for nobody: everything here is one statement, with arrays where there are many.
"""

from services.transparency.store.imports import (
    Imported,
    ImportedSource,
    imported,
    keep_originals,
    keep_told,
    known_originals,
    known_processes,
    one_import_at_a_time,
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
    Published,
    all_releases,
    decoded,
    feed,
    feed_state,
    history,
    latest,
    parties_before,
    publish,
    release,
    said_of_contract,
)
from services.transparency.store.rows import NAME, Row
from services.transparency.store.sessions import (
    Session,
    close_session,
    disclosed_bids,
    keep_bid,
    lock_moved,
    move_end,
    open_session,
    set_told,
)

__all__ = [
    "LARGEST_ANSWER",
    "NAME",
    "FeedState",
    "Imported",
    "ImportedSource",
    "Published",
    "Row",
    "Session",
    "all_releases",
    "close_session",
    "decoded",
    "disclosed_bids",
    "feed",
    "feed_state",
    "history",
    "imported",
    "imported_organisations",
    "keep_bid",
    "keep_imported_organisations",
    "keep_originals",
    "keep_parties",
    "keep_told",
    "known_originals",
    "known_processes",
    "latest",
    "lock_moved",
    "move_end",
    "one_import_at_a_time",
    "open_session",
    "originals_of",
    "parties",
    "parties_before",
    "publish",
    "release",
    "said_of_contract",
    "set_told",
    "told",
]
