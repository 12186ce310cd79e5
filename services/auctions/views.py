"""The data that the pages and the API of auctions show besides the boards."""

from datetime import datetime

from infra.denied import Missing
from infra.listing import Listed
from infra.service import Resources
from infra.texts import clean
from services.auctions.domain.auction import AuctionState
from services.auctions.domain.complaints import Complaint
from services.auctions.store import auctions, listing, replicas
from services.auctions.store import complaints as filed
from services.auctions.store.auctions import StoredAuction
from services.auctions.store.complaints import Brief
from services.auctions.store.listing import Filter, Summary

PER_PAGE = 50


def status_of(state: AuctionState, over: bool, now: datetime) -> str:
    """Return scheduled, open, settling (ended, not closed yet) or closed. ``over`` is about all bids, including sealed
    ones."""
    if state.closed:
        return "closed"
    if now < state.opened.opens_at:
        return "scheduled"
    return "settling" if over else "open"


async def winner_name(resources: Resources, stored: StoredAuction) -> str | None:
    """Return the winner's name after the close, otherwise None."""
    if stored.result is None or stored.result.winner_id is None:
        return None
    found = await replicas.organisations.get(resources.database.pool, stored.result.winner_id)
    return found.name if found else stored.result.winner_id


async def listed(resources: Resources, wanted: Filter, now: datetime, number: int) -> Listed[Summary]:
    """Return a page of the list."""
    async with resources.database.pool.acquire() as db:
        return await listing.search(db, wanted, now=now, limit=PER_PAGE, offset=PER_PAGE * (number - 1))


async def existing(resources: Resources, auction_id: str) -> StoredAuction:
    stored = await auctions.get(resources.database.pool, clean(auction_id))
    if stored is None:
        raise Missing("auction", auction_id)
    return stored


async def the_complaint(resources: Resources, complaint_id: str) -> Complaint:
    """Return the complaint. Raise Missing."""
    found = await filed.get(resources.database.pool, clean(complaint_id))
    if found is None:
        raise Missing("complaint", complaint_id)
    return found.complaint


async def listed_complaints(resources: Resources, number: int) -> Listed[Brief]:
    """Return a page of the complaints."""
    async with resources.database.pool.acquire() as db:
        return await filed.listing(db, limit=PER_PAGE, offset=PER_PAGE * (number - 1))
