"""The data that the pages and the API of auctions show, except the boards (:mod:`services.auctions.board`)."""

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
from services.auctions.store.listing import AuctionFilter, ListedAuction

PER_PAGE = 50


def status_of(state: AuctionState, over: bool, now: datetime) -> str:
    """Return scheduled, open, settling (ended, not closed yet) or closed. ``over``: whether the time of all bids,
    including sealed ones, is over."""
    if state.closed:
        return "closed"
    if now < state.opened.opens_at:
        return "scheduled"
    return "settling" if over else "open"


async def winner_name(resources: Resources, stored: StoredAuction) -> str | None:
    """Return the winner's name, or its id if this service does not know the name yet; None if there is no winner."""
    if stored.result is None or stored.result.winner_id is None:
        return None
    found = await replicas.organisations.get(resources.database.pool, stored.result.winner_id)
    return found.name if found else stored.result.winner_id


async def list_auctions(
    resources: Resources, wanted: AuctionFilter, now: datetime, number: int
) -> Listed[ListedAuction]:
    """Return page ``number`` of the auctions that ``wanted`` describes."""
    async with resources.database.pool.acquire() as db:
        return await listing.search(db, wanted, now=now, limit=PER_PAGE, offset=PER_PAGE * (number - 1))


async def get_auction(resources: Resources, auction_id: str) -> StoredAuction:
    """Return the auction. Raise Missing."""
    stored = await auctions.get(resources.database.pool, clean(auction_id))
    if stored is None:
        raise Missing("auction", auction_id)
    return stored


async def get_complaint(resources: Resources, complaint_id: str) -> Complaint:
    """Return the complaint. Raise Missing."""
    found = await filed.get(resources.database.pool, clean(complaint_id))
    if found is None:
        raise Missing("complaint", complaint_id)
    return found.complaint


async def list_complaints(resources: Resources, number: int) -> Listed[Brief]:
    """Return page ``number`` of the complaints."""
    async with resources.database.pool.acquire() as db:
        return await filed.listing(db, limit=PER_PAGE, offset=PER_PAGE * (number - 1))
